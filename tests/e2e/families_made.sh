# Families beyond those with public fixtures: checkpoints made here, logits of a reference in double precision
# (tests/support/libreference.c), prefilled, decoded and half of each; attention and MLPs are programs.
. tests/lib.sh
. tests/e2e/inputs/fused.sh

"$B/tests/make_family" --list >"$T/list"
while read -r family model; do
    rm -rf "$T/made" "$T/p.pkg"
    ids=$("$B/tests/make_family" "$family" "$T/made")
    check "$family compiles" anec "models/$model.anel" --weights "$T/made" -q --explain -o "$T/p.pkg"
    cp "$T/stdout" "$T/explained"
    case $family in
    stablelm-12b) ;; # the norms of its heads are put together from many tensors
    smollm3) is_fused "$family" 4 3 ;;
    gemma3) is_fused "$family" 3 2 ;;
    mixtral) is_fused "$family" 2 4 ;;
    cohere | falcon | falcon-new | gptj | gptneox | phi | phi-normed)
        is_fused "$family" 2 2 ;; # MLPs beside the attention, not behind it
    *) is_fused "$family" 2 1 ;;
    esac
    case $family in
    gptneox* | gptj | phi | phi-normed | gemma | gemma2* | llama* | mistral* | qwen*) rotates "$family" 2 ;;
    esac
    case $family in
    gemma | gemma2* | llama* | mistral* | qwen*) is_gated "$family" 1 ;;
    esac
    for split in 0 5 99; do
        rm -f "$T/got"
        check "$family runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --prefill-only $split
        check "$family, $split prefilled" "$B/tests/compare_logits" "$T/got" "$T/made/logits" 96 5e-3
    done
done <"$T/list"
finish
