# Families beyond those with public fixtures: checkpoints made here, logits of a reference in double precision
# (tests/support/libreference.c), prefilled, decoded and half of each; attention and MLPs are programs.
. tests/lib.sh

# Every program that is a pattern: one attention and one MLP for each layer, nothing left over.
is_fused() # NAME LAYERS
{
    attentions=$(grep -c '^  attention_[0-9]* (attention)' "$T/explained")
    mlps=$(grep -c '^  mlp_[0-9]* (mlp)' "$T/explained")
    if [ "$attentions" -eq "$2" ] && [ "$mlps" -eq "$2" ] && ! grep -q 'stays on the CPU' "$T/explained"; then
        ok "$1: $attentions attentions and $mlps MLPs fused"
    else
        not_ok "$1: $attentions attentions and $mlps MLPs fused, of $2"
        grep -A 9 'not fused' "$T/explained"
    fi
}

"$B/tests/make_family" --list >"$T/list"
while read -r family model; do
    rm -rf "$T/made" "$T/p.pkg"
    ids=$("$B/tests/make_family" "$family" "$T/made")
    check "$family compiles" anec "models/$model.anel" --weights "$T/made" -q --explain -o "$T/p.pkg"
    cp "$T/stdout" "$T/explained"
    layers=2
    [ "$family" != smollm3 ] || layers=4
    [ "$family" != gemma3 ] || layers=3
    case $family in
    opt-350m) ;;    # its narrow embeddings are projected outside of any pattern
    stablelm-12b) ;; # the norms of its heads are put together from many tensors
    *) is_fused "$family" "$layers" ;;
    esac
    for split in 0 5 99; do
        rm -f "$T/got"
        check "$family runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --prefill-only $split
        check "$family, $split prefilled" "$B/tests/compare_logits" "$T/got" "$T/made/logits" 96 5e-3
    done
done <"$T/list"
finish
