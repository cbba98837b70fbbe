# anebench fused on the CPU, and through the driver over a stand-in whose dispatches take two milliseconds.
. tests/lib.sh

check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
check "on the CPU" anebench fused "$T/p.pkg" --device cpu --rounds 2 --decode 4 --json "$T/cpu.json"
cp "$T/stdout" "$T/table"
programs=$(find "$T/p.pkg/mil" -name '*.s0032.mil' ! -name 'cpu.*' | wc -l)
rows=$(awk -v n="$programs" '$1 ~ /^(32|64|128|256)$/ && $2 == n { rows++ } END { print rows }' "$T/table")
check "a row for each bucket" test "$rows" -eq 4
check "and for decode" grep -q '^ *decode ' "$T/table"
check "a row for each chain" test "$(sed -n '/^ *blocks /,/^$/p' "$T/table" | grep -c '^ *[0-9]')" -eq 7
check "JSON has the rounds" grep -q '"rounds": 2' "$T/cpu.json"
check_error "no package" 2 "which package" anebench fused
check_error "an unknown device" 2 "is not auto, ane or cpu" anebench fused "$T/p.pkg" --device gpu
check_error "a context too short" 1 "is full" anebench fused "$T/p.pkg" --decode 100000 --no-chains --rounds 1
if [ "$(uname -s)" = Darwin ]; then
    skip "anebench fused over the stand-in" "it has the names of this system's own functions"
    finish
fi
check_error "no engine" 1 "no Neural Engine here" anebench fused "$T/p.pkg" --device ane

ANEC_STANDIN=tests/device/behaviours/slow_dispatch.chip TMPDIR=$T check "through the driver" \
    "$B/tests/anebench" fused "$T/p.pkg" --device ane --framework '' --rounds 3 --decode 4 \
    --json "$T/ane.json"
cp "$T/stdout" "$T/table"
check "it says so" grep -q 'Neural Engine' "$T/table"
# 24 dispatches of five milliseconds, or one: what is saved for each cut is at least half of one, however slow
# the arithmetic between them is.
awk '$1 == 24 && $5 > 120000 && $NF > 2500 { found = 1 } END { exit !found }' "$T/table" &&
    ok "24 programs cost 23 dispatches more than one" ||
    not_ok "24 programs cost 23 dispatches more than one" "$(cat "$T/table")"
# No prefill is faster than its dispatches.
awk -v n="$programs" '$1 == 32 && $2 == n && $3 > 2 * n { found = 1 } END { exit !found }' "$T/table" &&
    ok "a prefill of 32 has its dispatches" || not_ok "a prefill of 32 has its dispatches" "$(cat "$T/table")"
# The limits are the packages': eight programs where a process may compile three.
printf 'base = safe\ncompiles = 3\n' >"$T/three.profile"
check "for a system of three" \
    anec models/gpt2.anel --weights models/tales --profile "$T/three.profile" -q -o "$T/three.pkg"
printf 'compiles = 3\n' >"$T/three.chip"
ANEC_STANDIN="$T/three.chip" TMPDIR=$T check "beyond the budget" "$B/tests/anebench" fused "$T/three.pkg" \
    --device ane --framework '' --rounds 1 --decode 0 --no-chains
finish
