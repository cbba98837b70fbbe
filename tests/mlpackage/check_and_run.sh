# anec check and anerun run take Core ML packages: as the MIL text that they stand for.
. tests/lib.sh

cat >"$T/x.mil" <<'MIL'
program(1.3)
{
    func main<ios18>(tensor<fp32, [2, 3]> x) {
        tensor<fp32, [2, 3]> doubled = add(x = x, y = x)[name = string("doubled")];
        tensor<fp32, [2, 3]> unused = relu(x = x)[name = string("unused")];
        tensor<fp32, [2, 3]> y = relu(x = doubled)[name = string("y")];
    } -> (y);
}
MIL
check "a package" anec "$T/x.mil" --emit mlpackage -q -o "$T/x.mlpackage"
check "it is checked" anec check --notes "$T/x.mlpackage"
cp "$T/stderr" "$T/findings"
check "the same findings as in its text" \
    grep -q 'x.mlpackage:[0-9]*:[0-9]*: note: nothing uses unused' "$T/findings"
check "and run" anerun run "$T/x.mlpackage" --in x=random:1 --out "y=$T/package.npy"
check "as its text" anerun run "$T/x.mil" --in x=random:1 --out "y=$T/text.npy"
check_same "the same numbers" "$T/text.npy" "$T/package.npy"

model=$(find "$T/x.mlpackage" -name '*.mlmodel')
check "a lone model too" anerun run "$model" --in x=ones --out "y=$T/lone.npy"
head -c 40 "$model" >"$T/cut.mlmodel"
check_error "a damaged one, checked" 1 "error: " anec check "$T/cut.mlmodel"
check_error "a damaged one, run" 1 "error: " anerun run "$T/cut.mlmodel" --in x=ones
check_error "none, checked" 1 "No such file" anec check "$T/absent.mlpackage"
check_error "none, run" 1 "error: " anerun run "$T/absent.mlpackage" --in x=ones
finish
