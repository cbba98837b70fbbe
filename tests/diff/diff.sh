# anec diff: what was done to a program is what it tells.
. tests/lib.sh

cat >"$T/a.mil" <<'EOF'
program(1.3)
[buildInfo = dict<string, string>({{"coremlc-version", "3505.4.1"}})]
{
    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> x, tensor<fp16, [1, 4, 1, 32]> y) {
            tensor<fp16, [1, 4, 1, 32]> a = add(x = x, y = y)[name = string("a")];
            tensor<fp16, [1, 4, 1, 32]> b = mul(x = a, y = fp16(0x1p+1))[name = string("b")];
            tensor<fp16, [1, 4, 1, 32]> c = relu(x = b)[name = string("c")];
        } -> (c);
}
EOF

edit() # NAME SED-SCRIPT EXPECTED: what is told of a.mil with the script done
{
    sed "$2" "$T/a.mil" >"$T/b.mil"
    anec diff "$T/a.mil" "$T/b.mil" >"$T/told" 2>&1
    echo "$?" >>"$T/told"
    printf '%s\n' "$3" >"$T/expected"
    check_same "$1" "$T/expected" "$T/told"
}

edit "the same" "" "0"
edit "other names" 's/\ba\b/sum/g; s/"a"/"sum"/' "0"
edit "another constant" 's/0x1p+1/0x1p+2/' "main:
changed  b: y: 0x1p+1 is now 0x1p+2
1"
edit "another op" 's/= relu(/= tanh(/' "main:
changed  c: made by relu, now c by tanh
1"
cat >"$T/between.sed" <<'EOF'
s/relu(x = b)/relu(x = m)/
s/^\( *tensor<fp16, \[1, 4, 1, 32\]>\) c = /\1 m = tanh(x = b)[name = string("m")];\
&/
EOF
edit "an op between" "$(cat "$T/between.sed")" "main:
added    m = tanh tensor<fp16, [1, 4, 1, 32]>
1"
edit "an op less" 's/relu(x = b)/relu(x = a)/' "main:
removed  b = mul tensor<fp16, [1, 4, 1, 32]>
1"
edit "exchanged operands" 's/add(x = x, y = y)/add(x = y, y = x)/' "main:
changed  input y is now x
changed  input x is now y
1"


for seed in 1 2; do
    check "package $seed" anec models/gpt2.anel --random-weights $seed --set layers=1 --set heads=2 \
        --set dim=16 --set context=32 --set vocab=20 -q -o "$T/$seed.pkg"
done
check "a package and itself" anec diff "$T/1.pkg" "$T/1.pkg"
anec diff "$T/1.pkg" "$T/2.pkg" >"$T/told"
check "other weights" grep -q "^weight  *.*numbers differ, by" "$T/told"
check "and nothing else" test "$(grep -v ':$' "$T/told" | grep -cv '^weight')" -eq 0
check_error "a package and a program" 1 "compares with a package" anec diff "$T/1.pkg" "$T/a.mil"
finish
