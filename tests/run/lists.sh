# Lists and classifiers: values that are no tensors.
. tests/lib.sh

in=tests/run/inputs/lists.mil
cat >"$T/want" <<'EOF'
n tensor<int32, []>
    4
known tensor<int32, [2]>
    7 8
all tensor<fp32, [4, 2]>
    1 1
    1 1
    0 0
    1 1
c tensor<fp32, [4, 2]>
    1 1
    1 1
    0 0
    1 1
label string
    cat
probs tensor<fp64, [3]>
    0.5 0.5 0.5
EOF
for numerics in fp32 stored ane; do
    check "$numerics" anerun run $in --in p=0.5 --in v=ones --print --quiet --numerics $numerics
    check_same "$numerics: values" "$T/want" "$T/stdout"
done
check "a string in a line" anerun run $in --in p=0.5 --in v=ones --trace
cp "$T/stdout" "$T/summary"
check "is quoted" grep -q 'label string is "cat"' "$T/summary"
check_error "a string is no array" 1 "it is a string" \
    anerun run $in --in p=0.5 --in v=ones --out label="$T/x.npy"
sed 's/tensor<int32, \[\]>(0), ls = b/tensor<int32, []>(2), ls = b/' $in >"$T/beyond.mil"
check_error "beyond the end" 1 "index 2 is out of range for a list of 2" \
    anerun run "$T/beyond.mil" --in p=0.5 --in v=ones

# as a package: the class and the dictionary are named in fields 11 and 12 of the description
in=tests/mlpackage/inputs/classifier.mil
check "a classifier's package" anec $in --emit mlpackage -q -o "$T/x.mlpackage"
check "is read back" anec "$T/x.mlpackage" --emit mil -q -o "$T/x.mil"
check_same "the same text" $in "$T/x.mil"

in=tests/mlpackage/inputs/blocks.mil
check "blocks in a package" anec $in --emit mlpackage -q -o "$T/b.mlpackage"
check "are read back" anec "$T/b.mlpackage" --emit mil -q -o "$T/b.mil"
check_same "the same blocks" $in "$T/b.mil"
model="$T/x.mlpackage/Data/com.apple.CoreML/model.mlmodel"
check "names the class" sh -c 'LC_ALL=C grep -a -q "$(printf "Z\\005label")" "$1"' sh "$model"
check "names the dictionary" sh -c 'LC_ALL=C grep -a -q "$(printf "b\\005probs")" "$1"' sh "$model"
finish
