# Families whose checkpoints and logits tests/e2e/inputs/families/make.py made, in double precision and apart
# from everything here: logits of a text prefilled, decoded and half of each; two programs for each layer.
. tests/lib.sh

for folder in tests/e2e/inputs/families/*/; do
    family=$(basename "$folder")
    model=models/${family%%-*}.anel
    check "$family is checked" anec "$model" --weights "$folder" --check
    check "$family compiles" anec "$model" --weights "$folder" --explain -q -o "$T/p.pkg"
    layers=$(sed -n 's/.*"\(n_layer\|num_hidden_layers\)": \([0-9]*\).*/\2/p' "$folder/config.json")
    sed -n 's/^\([0-9]*\) ANE programs.*/\1/p' "$T/stdout" >"$T/programs"
    echo $((2 * layers)) >"$T/expected"
    check_same "$family: two programs for each layer" "$T/expected" "$T/programs"
    ids=$(sed 's/.*"sequences": \[\[\([0-9, ]*\)\].*/\1/; s/ //g' "$folder/logits.json")
    for split in 0 5 99; do
        check "$family runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --prefill-only $split
        check "$family, $split prefilled" \
            "$B/tests/compare_logits" "$T/got" "$folder/logits.json:0" 32 5e-3
    done
    rm -rf "$T/p.pkg"
done
finish
