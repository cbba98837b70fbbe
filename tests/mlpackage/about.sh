# What a package says of itself, and the shapes that its inputs may have.
. tests/lib.sh

in=tests/mlpackage/inputs/shapes.mil
check "written" anec $in --emit mlpackage -q -o "$T/x.mlpackage" \
    --about "description=adds two = tables" --about license=MIT --about author=Nobody --about version=7 \
    --about com.example.note=free
check "read" anec "$T/x.mlpackage" --emit mil -q -o "$T/out.mil"
# the names of listed shapes are made from them
sed 's/"first"/"KEY"/; s/"second"/"KEY"/' $in >"$T/want"
sed 's/"[0-9a-f]\{8\}"/"KEY"/g' "$T/out.mil" >"$T/got"
echo >>"$T/got" # the text of a package has no line end
check_same "shapes and ranges come back" "$T/want" "$T/got"
check "again" anec "$T/x.mlpackage" --emit mlpackage -q -o "$T/y.mlpackage" --about version=8
check "the same names again" sh -c 'anec "$1" --emit mil -q | cmp - "$2"' sh "$T/y.mlpackage" "$T/out.mil"
model=Data/com.apple.CoreML/model.mlmodel
for text in "adds two = tables" MIT Nobody com.example.note free; do
    check "says $text" grep -q "$text" "$T/x.mlpackage/$model"
    check "and still does" grep -q "$text" "$T/y.mlpackage/$model"
done
# field 2 of the metadata, one byte: \022 \001 8
check "the version is the new one" \
    sh -c 'LC_ALL=C grep -a -q "$(printf "\\022\\0018")" "$1"' sh "$T/y.mlpackage/$model"
check_error "no key" 1 'is not KEY=TEXT' anec $in --emit mlpackage -q -o "$T/z.mlpackage" --about =x
finish
