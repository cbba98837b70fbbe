# A model as a Core ML package: what is in it, the same every time, and what is said of damaged ones.
. tests/lib.sh

emit() { anec models/gpt2.anel --weights models/tales --emit mlpackage -q -o "$1"; }
check "a model" emit "$T/a.mlpackage"
check "again" emit "$T/b.mlpackage"
check "the same bytes" diff -r "$T/a.mlpackage" "$T/b.mlpackage"
check "replaces a package" emit "$T/a.mlpackage"
check "reads back" anec "$T/a.mlpackage" --emit mil -q -o "$T/a.mil"
check "it has states" grep -q 'state<tensor<fp16, \[8, 256, 32\]>> cache_000' "$T/a.mil"
check "any number of tokens" grep -q 'tensor<int32, \[?\]> token' "$T/a.mil"
check "ranges are described" \
    grep -q '"RangeDims", {{"position", \[\[1, 256\]\]}, {"token", \[\[1, 256\]\]}}' "$T/a.mil"
check "logits of one token" grep -q 'tensor<fp32, \[1, 2048\]> logits = ' "$T/a.mil"
check "through another package" anec "$T/a.mlpackage" --emit mlpackage -q -o "$T/c.mlpackage"
model=Data/com.apple.CoreML/model.mlmodel
check "the weights are copied" cmp "$T/a.mlpackage/Data/com.apple.CoreML/weights/weight.bin" \
    "$T/c.mlpackage/Data/com.apple.CoreML/weights/weight.bin"
check "the same program" sh -c 'anec "$1" --emit mil -q | cmp - "$2"' sh "$T/c.mlpackage" "$T/a.mil"

mkdir "$T/mine" && echo keep >"$T/mine/notes"
check_error "a folder that is no package" 1 "is not a Core ML package" emit "$T/mine"
check "it is left as it was" grep -q keep "$T/mine/notes"
check_error "no weights" 1 "needs weights" \
    anec models/gpt2.anel --set layers=1 --emit mlpackage -o "$T/x.mlpackage"

# The kinds of damage that a file can have. \364\003 is the head of field 62, \242\037\000 that of field 500.
head -c 3000 "$T/a.mlpackage/$model" >"$T/short.mlmodel"
check_error "a model that ends early" 1 "damaged" anec "$T/short.mlmodel" --emit mil
printf '\010\004\242\037\000' >"$T/network.mlmodel"
check_error "a neural network" 1 "a neural network, not an ML Program" anec "$T/network.mlmodel" --emit mil
printf '\010\013\262\037\002\010\001' >"$T/later.mlmodel"
check_error "a later version" 1 "specification version 11 cannot be read" anec "$T/later.mlmodel" --emit mil
printf '\010\011\262\037\002\010\001' >"$T/empty.mlmodel"
check_error "no function" 1 "the program has no function" anec "$T/empty.mlmodel" --emit mil
sed 's|com.apple.CoreML/model.mlmodel|../../x|' "$T/a.mlpackage/Manifest.json" >"$T/m" &&
    mv "$T/m" "$T/c.mlpackage/Manifest.json"
check_error "a model outside" 1 "outside the package" anec "$T/c.mlpackage" --emit mil
finish
