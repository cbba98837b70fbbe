# anerun run: inputs of all kinds, open shapes, states, and what users get wrong.
. tests/lib.sh

mil=tests/run/inputs/shapes.mil

out() # NAME TEXT: what the last command printed
{
    if [ "$(cat "$T/stdout")" = "$2" ]; then
        ok "$1"
    else
        not_ok "$1" "expected $2"
        show_output
    fi
}

run anerun run $mil -q --func main --in x=ones@2,2 --in s=3 --print --out s="$T/s.npy"
out "open shapes, a state, computed shapes" 'sums tensor<fp32, [2]>
    2 2
filled tensor<fp32, [2]>
    0.5 0.5
places tensor<int32, [4, 2]>
    0 0
    0 1
    1 0
    1 1'
run anerun run $mil -q --func main --in x=1 --in s="$T/s.npy" --print --out s="$T/s2.npy"
out "the default shape" 'sums tensor<fp32, [2]>
    3 3
filled tensor<fp32, [3]>
    0.5 0.5 0.5
places tensor<int32, [6, 2]>
    0 0
    0 1
    1 0
    1 1
    2 0
    2 1'
# the state was 3, then 3 + 2, then 5 + 3
run anerun run $mil -q --func main --in x=0@1,2 --in s="$T/s2.npy" --out s="$T/s3.npy"
printf '\223NUMPY\001\000\166\000' >"$T/want.npy"
printf "%-117s\n" "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }" >>"$T/want.npy"
printf '\000\110\000\110' >>"$T/want.npy"
check "arrays are written as numpy writes them" cmp "$T/s3.npy" "$T/want.npy"
check "states keep their contents" cmp "$T/s2.npy" "$T/s3.npy"
check "the same seed" anerun run $mil -q --func main --in x=random:7@4,2 --out sums="$T/a.npy"
check "the same numbers" anerun run $mil -q --func main --in x=random:7@4,2 --out sums="$T/b.npy"
check "are the same" cmp "$T/a.npy" "$T/b.npy"
check "another seed" anerun run $mil -q --func main --in x=random:8@4,2 --out sums="$T/b.npy"
if cmp -s "$T/a.npy" "$T/b.npy"; then not_ok "is another"; else ok "is another"; fi
run anerun run $mil -q --func main --in x=2@1,2 --trace
if grep -q 'reduce_sum .*sums .*\[2, 2\]$' "$T/stderr"; then
    ok "a trace"
else
    not_ok "a trace"
    show_output
fi

check_error "a missing input" 1 'input x is missing' anerun run $mil -q --func main
check_error "its type is listed" 1 'input  x tensor<fp32, \[?, 2\]>' anerun run $mil -q --func main
check_error "an input that is not there" 1 'there is no such input' \
    anerun run $mil -q --func main --in z=1
check_error "an output that is not there" 1 'there is no such output' \
    anerun run $mil -q --func main --in x=1 --out q=q
check_error "a shape that does not fit" 1 'the shape 2,3 does not fit' \
    anerun run $mil -q --func main --in x=1@2,3
check_error "no shape" 1 'is no shape' anerun run $mil -q --func main --in x=1@2,x
check_error "a file of another shape" 1 'holds tensor<fp16, \[2\]>' \
    anerun run $mil -q --func main --in x="$T/s.npy"
check_error "no file" 1 'nothing.npy' anerun run $mil -q --func main --in x=nothing.npy
check_error "no array" 1 'it is no .npy file' anerun run $mil -q --func main --in x=$mil
check_error "which function" 1 'there is no function up: its functions are main, big, odd' \
    anerun run $mil -q --func up
check_error "too large for memory" 1 'y is tensor<fp32, \[100000, 100000\]>: too large for the 64 MB' \
    anerun run $mil -q --memory 64 --func big --in n=100000@2
check_error "a negative length" 1 'has the length -1' anerun run $mil -q --func big --in n=-1
check_error "an unknown op" 1 'mystery' anerun run $mil -q --func odd --in x=1
check_error "numerics" 2 'expected fp32, stored or ane' anerun run $mil --numerics fp8
check_error "no program" 2 'which program' anerun run
