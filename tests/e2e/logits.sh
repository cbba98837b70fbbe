# Logits of small checkpoints against the double-precision reference, for every way to store one and for every
# split between prefill and decode.
. tests/lib.sh

make="$B/tests/make_checkpoint" compare="$B/tests/compare_logits"
ids="5,17,3,88,254,0,7,7,19,42,256,11,23,1,99,100,31"

# Compiles the checkpoint in $T/c and compares the logits for splits 17 (all prefilled), 1, 16 and 0 (all
# decoded).
try() # NAME [ANEC-OPTION...]
{
    what=$1
    shift
    rm -rf "$T/p.pkg"
    check "$what: compiles" anec models/gpt2.anel --weights "$T/c" -q -o "$T/p.pkg" "$@"
    "$make" --logits "$ids" --format f64 "$T/c" >"$T/expected"
    for split in 17 1 16 0; do
        rm -f "$T/got"
        check "$what: runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --prefill-only $split
        check "$what: logits, $split prefilled" "$compare" "$T/got" "$T/expected" 300 5e-3
    done
}

variant() # NAME MAKE-OPTION...
{
    name=$1
    shift
    rm -rf "$T/c"
    check "$name: made" "$make" "$@" "$T/c"
    try "$name"
}

variant "plain"
variant "fp16 file" --dtype f16
variant "bf16 file" --dtype bf16
variant "with a prefix" --prefix transformer.
variant "Linear layout" --layout linear
variant "separate head" --head separate
variant "with mask buffers" --buffers
variant "data at an odd address" --unaligned
variant "context below a bucket" --context 20
variant "context between buckets" --context 100
variant "odd sizes" --layers 3 --heads 5 --dim 35 --inner 77
variant "one layer, one head" --layers 1 --heads 1 --dim 8
finish
