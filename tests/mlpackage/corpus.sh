# MIL text through a Core ML package and back is the same text: programs of the shared corpus.
. tests/lib.sh

corpus=${ANEC_TEST_DATA:-../shared/data}/mil-corpus
if [ ! -d "$corpus" ]; then
    skip "MIL text through a package" "there is no $corpus"
    finish
    exit
fi
find "$corpus" -name '*.mil' | sort >"$T/list"
while read -r file; do
    name=${file#"$corpus"/}
    mkdir -p "$T/in/weights" # the corpus has no weights; their contents do not matter here
    : >"$T/in/weights/weight.bin"
    : >"$T/in/weights/weights.bin"
    anec "$file" --emit mil -q >"$T/canonical" 2>/dev/null
    printf %s "$(cat "$T/canonical")" >"$T/in/model.mil" # packages know of no line end
    check "$name: written" anec "$T/in/model.mil" --emit mlpackage -q -o "$T/x.mlpackage"
    check "$name: read" anec "$T/x.mlpackage" --emit mil -q -o "$T/out.mil"
    if grep -q tensor_buffer "$T/in/model.mil"; then # packages hold the tensor
        sed 's/tensor_buffer\(<fp16, \)shape=\(\[[^]]*\]\)[^>]*>/tensor\1\2>/g
            s/tensor_buffer_to_tensor<ios17>(input = /identity(x = /
            s/tensor_to_tensor_buffer<ios17>(input = \([a-zA-Z0-9_]*\)[^)]*)[^)]*)[^)]*)/identity(x = \1)/' \
            "$T/in/model.mil" >"$T/tensors.mil"
        check_same "$name: the same text but for buffers" "$T/tensors.mil" "$T/out.mil"
        continue
    fi
    check_same "$name: the same text" "$T/in/model.mil" "$T/out.mil"
done <"$T/list"
finish
