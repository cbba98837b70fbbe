# anerun run --numerics ane: what it says, its exit status, the profile.
. tests/lib.sh

mil=tests/run/inputs/overflow.mil

said() # NAME TEXT: a line of standard error
{
    check "$1" grep -Fqx "$2" "$T/said"
}

run_with() # STATUS OPTION...
{
    want=$1
    shift
    anerun run $mil "$@" >"$T/printed" 2>"$T/said"
    status=$?
    check "exit status $want: $*" test $status -eq "$want"
}

run_with 0 --in x=1 --numerics ane
said "nothing overflows" "numerics of the ane, profile safe: nothing overflows"
run_with 0 --in x=200 --numerics ane --print
said "the sum is named" \
    "$mil: matmul sum: 1 sum up to 51200: the accumulator ends at 32768"
said "the summary" "numerics of the ane, profile safe: 1 element of 1 value would overflow"
check "infinite" grep -q 'inf' "$T/printed"
run_with 1 --in x=200 --numerics ane --strict-numerics
run_with 0 --in x=1 --numerics ane --strict-numerics
run_with 0 --in x=200 --numerics ane --profile m3 --print
check "zero on M3" grep -q '40000 40000' "$T/printed"
run_with 0 --in x=300 --numerics ane
said "values beyond fp16" "$mil: mul square: 4 elements up to 90000: fp16 ends at 65504"
run_with 0 --in x=200 --numerics stored
check "nothing is said elsewhere" test ! -s "$T/said"
check_error "no engine" 2 "has no engine" anerun run $mil --in x=1 --numerics ane --profile cpu
check_error "no such profile" 2 "there is no profile" anerun run $mil --in x=1 --numerics ane --profile nope
check_error "--profile alone" 2 "need --numerics ane" anerun run $mil --in x=1 --profile m4
check_error "no such numerics" 2 "expected fp32, stored or ane" anerun run $mil --in x=1 --numerics exact
finish
