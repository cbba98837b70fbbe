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
    if grep -q tensor_buffer "$T/in/model.mil"; then
        check_error "$name: refused" 1 "cannot hold values of type tensor_buffer" \
            anec "$T/in/model.mil" --emit mlpackage -q -o "$T/x.mlpackage"
        continue
    fi
    check "$name: written" anec "$T/in/model.mil" --emit mlpackage -q -o "$T/x.mlpackage"
    check "$name: read" anec "$T/x.mlpackage" --emit mil -q -o "$T/out.mil"
    check_same "$name: the same text" "$T/in/model.mil" "$T/out.mil"
done <"$T/list"
finish
