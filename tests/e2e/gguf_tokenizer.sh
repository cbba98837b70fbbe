# A GGUF file's own tokenizer: the ids that the Hugging Face tokenizer gave for each text.
. tests/lib.sh

data=$ANEC_TEST_DATA/gguf/ggml-vocab-gpt-2.gguf
if [ ! -f "$data" ]; then
    skip "GGUF tokenizer" "$data is absent"
    finish
fi

check "the vocabulary of a GGUF file without tensors" \
    anec models/gpt2.anel --weights "$data" --random-weights 1 -q -o "$T/p.pkg" \
    --set layers=1 --set heads=2 --set dim=8 --set context=32
# Texts are parted by a line of its own; the line ends beside it belong to it.
awk -v folder="$T" '
    function put() { name = sprintf("%s/text-%02d", folder, ++texts); printf "%s", text >name; close(name) }
    $0 == "__ggml_vocab_test__" { put(); text = ""; lines = 0; next }
    { text = lines++ ? text "\n" $0 : $0 }
    END { put() }' "$data.inp"
number=0
while IFS= read -r ids; do
    number=$((number + 1))
    text=$T/text-$(printf %02d $number)
    [ -s "$text" ] || continue
    anerun "$T/p.pkg" --prompt-file "$text" --tokenize >"$T/got"
    echo "$ids" | sed 's/^ *//; s/ *$//' >"$T/ids"
    check_same "text $number" "$T/ids" "$T/got"
done <"$data.out"
finish
