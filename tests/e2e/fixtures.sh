# The public fixture with logits from another implementation: every sequence, every split.
. tests/lib.sh

data=$ANEC_TEST_DATA/hf-fixtures
if [ ! -f "$data/tiny_gpt2.safetensors" ]; then
    skip "tiny_gpt2" "$data is absent"
    finish
fi
check "compiles" anec models/gpt2.anel --weights "$data/tiny_gpt2.safetensors" -q -o "$T/p.pkg" \
    --set layers=2 --set heads=2 --set dim=8 --set context=16 --set vocab=11
sequence() # N IDS
{
    split=0
    while [ $split -le 16 ]; do
        rm -f "$T/got"
        check "sequence $1 runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$2" --logits "$T/got" --prefill-only $split
        check "sequence $1, $split prefilled" \
            "$B/tests/compare_logits" "$T/got" "$data/tiny_gpt2_logits.json:$1" 11 5e-3
        split=$((split + 1))
    done
}
sequence 0 0,3,6,1,8,0,7,7,6,6,3,2,9,4,0,1
sequence 1 4,10,8,5,5,4,1,9,3,4,2,1,10,0,5,10
sequence 2 0,1,2,3,4,5,6,7,10,10,10,10,10,10,10,10
finish
