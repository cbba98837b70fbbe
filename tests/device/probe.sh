# Every probe against the stand-in with scripted behaviours; the profiles that come out steer the compiler.
. tests/lib.sh

S=tests/device/behaviours

# Programs of tools/ without an engine.
if [ "$(uname -s)" = Darwin ]; then
    skip "probes" "the stand-in has the names of this system's own functions"
    finish
fi
run aneprobe all
[ "$status" -eq 3 ] && ok "no engine: exit status 3" || not_ok "no engine: exit status $status"
aneprobe --list | grep -c '^[a-z]' >"$T/listed"
grep -c 'no Neural Engine here' "$T/stderr" >"$T/said"
check_same "every probe says so in a line" "$T/listed" "$T/said"
check_error "no such probe" 2 "there is no probe" aneprobe nonsense
check_error "no probe" 2 "which probe" aneprobe
check_error "a misspelt option" 2 "did you mean" aneprobe dispatch --jsn

# A row for each op that the table had when this was written; one that came since is only told of.
sed -n 's/^OP([A-Z0-9_]*, "\([a-z0-9_]*\)".*/\1/p' ir/ops.def | sort >"$T/ops"
tr '\n' ' ' <tools/aneprobe/ops.def |
    grep -o -E '(ROW\([A-Z_]+, *|[A-Z_]+\( *)[a-z][a-z0-9_]*[,)]' | sed 's/.*[( ]\([a-z0-9_]*\)[,)]/\1/' |
    grep -v -x -e op -e c -e n -e g -e family | sort >"$T/rows"
comm -13 "$T/ops" "$T/rows" >"$T/surplus"
: >"$T/none"
check_same "rows are of ops" "$T/none" "$T/surplus"
uniq -d "$T/rows" >"$T/twice"
check_same "an op has one row" "$T/none" "$T/twice"
comm -23 "$T/ops" "$T/rows" >"$T/missing"
while read -r op; do
    skip "op $op" "has no row in tools/aneprobe/ops.def yet"
done <"$T/missing"

probe() # SCRIPT [PROBE...]: what it finds in $T/SCRIPT.profile, .json and .html
{
    script=$1
    shift
    [ $# -gt 0 ] || set -- all
    ANEC_STANDIN=$S/$script.chip TMPDIR=$T check "$script: the probes get through" "$B/tests/aneprobe" "$@" \
        --framework '' --repeats 5 --json --profile "$T/$script.profile" --html "$T/$script.html"
    mv "$T/stdout" "$T/$script.json"
}

has() # SCRIPT LINE: the profile has this line, with where it comes from
{
    if grep -q "^$2 # M: aneprobe [a-z0-9-]*, h[0-9a-z]*, build [0-9A-Z]*, 20[0-9-]*" "$T/$1.profile"; then
        ok "$1: $2"
    else
        not_ok "$1: $2" "$(grep "^${2%% *} " "$T/$1.profile")"
    fi
}

near() # SCRIPT KEY WANTED: within 7%
{
    got=$(sed -n "s/^$2 = \([^ ]*\) .*/\1/p" "$T/$1.profile")
    if awk -v a="$got" -v b="$3" 'BEGIN { d = a / b; exit !(d > 0.93 && d < 1.07) }'; then
        ok "$1: $2 is near $3"
    else
        not_ok "$1: $2 is near $3" "it is ${got:-not there}"
    fi
}

says() # SCRIPT PROBE PATTERN: its verdict and text
{
    awk -v name="\"$2\"," '$1 == "\"name\":" && $2 == name { on = 1 }
        on && /"(verdict|text)"/ { print }
        /"lines"/ { on = 0 }' "$T/$1.json" >"$T/said"
    if tr '\n' ' ' <"$T/said" | grep -q "$3"; then
        ok "$1: $2 says $3"
    else
        not_ok "$1: $2 says $3" "$(cat "$T/said")"
    fi
}

# By the profile the shipped model compiles, nothing is wrong with the programs, and it says what it did.
steer() # SCRIPT
{
    check "$1: the model compiles by the profile" \
        anec models/gpt2.anel --weights models/tales --profile "$T/$1.profile" -q -o "$T/$1.pkg"
    check "$1: nothing is wrong with the programs" anec check "$T/$1.pkg" --profile "$T/$1.profile" --quiet
    check "$1: they run" anerun "$T/$1.pkg" --prompt "Once upon a time" --tokens 8 --greedy
    cp "$T/stdout" "$T/$1.story"
    ANEC_STANDIN=$S/$1.chip TMPDIR=$T check "$1: the chip takes them" "$B/tests/anebench" fused "$T/$1.pkg" \
        --device ane --framework '' --no-chains --rounds 1 --decode 0
    find "$T/$1.pkg/mil" -name '*_00*.mil' -exec cat {} + >"$T/$1.programs"
}

# ---- a chip that does everything: what is found is what was scripted ----

probe plain
check "plain: its line begins on the chip's family" grep -q '^base = m4$' "$T/plain.profile"
near plain cost.dispatch_us 95
near plain cost.compile_ms 62
near plain cost.tflops 18.6
near plain cost.matmul_tflops 5.7
near plain cost.int8_tops 35.1
near plain cost.weight_gbs 64
near plain cost.activation_gbs 24
near plain cost.sram_bytes 33554432
near plain cost.cut_us 95
says plain real-time '80.0 us in place of 95.0'
check "plain: by the real-time path" grep -q '^cost.dispatch_us ~ 80' "$T/plain.profile"
has plain "compiles = 110"
has plain "functions = 56"
has plain "outputs = concat"
has plain "equal_surfaces = false"
has plain "last_axis = 32"
has plain "conv_outputs = 65536"
has plain "weight_swaps = heeded"
has plain "op.gelu = native"
has plain "op.floor = seen"
has plain "op.scaled_dot_product_attention = seen"
has plain "accumulator = 64000"
says plain chaining '"yes"'
says plain qos 'all of 0 to 63'
says plain statistics 'the hardware took'
check "plain: nothing is broken" test -z "$(grep '"verdict": "broken"' "$T/plain.json")"
check "plain: a page with charts" grep -q '<polyline class="c0" points="' "$T/plain.html"
check "plain: that needs nothing else" test -z "$(grep -E 'https?:|src=|<link' "$T/plain.html")"
steer plain

# ---- no concat ----

probe no_concat outputs ops-shape inputs surface real-time statistics chaining qos quantised dispatch \
    ops-unary
has no_concat "outputs = separate"
has no_concat "op.concat = fails"
has no_concat "equal_surfaces = true"
has no_concat "surface_bytes = 49152"
has no_concat "op.constexpr_lut_to_dense = fails"
has no_concat "op.tile = decompose"
near no_concat cost.dispatch_us 220
says no_concat qos '25 of 64'
says no_concat real-time 'has no real-time evaluation'
says no_concat statistics 'has no statistics'
says no_concat chaining 'has no chains'
steer no_concat
check "no_concat: three outputs" grep -q -e '-> (out_00, out_01, out_02)' "$T/no_concat.programs"
check "no_concat: no concat" test -z "$(grep 'concat(' "$T/no_concat.programs")"
ANEC_STANDIN=$S/no_concat.chip TMPDIR=$T check_error "no_concat: not the programs of the other" 1 \
    InvalidMILProgram "$B/tests/anebench" fused "$T/plain.pkg" --device ane --framework '' --no-chains
check "plain: buckets share programs" grep -q '^ *func s0064' "$T/plain.programs"
check "plain: concat" grep -q 'concat(' "$T/plain.programs"

# ---- sums that overflow, wrong functions, longer rows ----

probe overflows
has overflows "accumulator = 1024"
has overflows "overflow = zero"
has overflows "op.gelu = decompose"
has overflows "op.silu = decompose"
has overflows "last_axis = 64"
has overflows "conv_outputs = 16384"
has overflows "op.scaled_dot_product_attention = disputed"
near overflows cost.dispatch_us 150
says overflows peak-conv 'too fast to tell'
says overflows sdpa-mask 'right without a mask'
steer overflows
check "overflows: no program of 32 tokens" test ! -e "$T/overflows.pkg/mil/attention_00.s0032.mil"
check "overflows: gelu is taken apart" sh -c "grep -q 'tanh(' '$T/overflows.programs'"
check "plain: gelu as it is" sh -c "grep -q 'gelu(' '$T/plain.programs'"
check_error "overflows: the other chip's programs would not do" 1 'ane-last-axis' \
    anec check "$T/plain.pkg" --profile "$T/overflows.profile" --quiet

# ---- weights that cannot be changed ----

probe old_weights swap-file swap-buffer inputs outputs statistics chaining real-time quantised surface sram \
    ops-reduce peak-matmul peak-int8 decode-attention
has old_weights "weight_swaps = ignored"
has old_weights "outputs = concat"
has old_weights "op.constexpr_blockwise_shift_scale = disputed"
has old_weights "op.constexpr_affine_dequantize = seen"
has old_weights "op.quantize = fails"
has old_weights "op.layer_norm = fails"
has old_weights "surface_bytes = 16384"
near old_weights cost.sram_bytes 8388608
says old_weights swap-buffer 'ignored'
says old_weights swap-file 'the old weights go on'
says old_weights inputs '"no"'
says old_weights outputs '1 outputs are right'
says old_weights real-time 'entitlement'
says old_weights statistics 'stays 0'
says old_weights chaining 'Code=15'
steer old_weights
check_same "all of them tell the same story" "$T/plain.story" "$T/no_concat.story"
check_same "and old weights too" "$T/plain.story" "$T/old_weights.story"

# ---- ops that others are made of ----

probe no_tanh ops-unary ops-binary ops-shape blobs convs channels axis
has no_tanh "blobs = 16"
has no_tanh "conv_blocks = 383"
has no_tanh "channels = 16384"
has no_tanh "axis = 32768"
has no_tanh "op.tanh = fails"
has no_tanh "op.gelu = decompose"
has no_tanh "op.slice_by_size = fails"
steer no_tanh
check "no_tanh: no MLP on the engine" test ! -e "$T/no_tanh.pkg/mil/mlp_00.s0032.mil"
check "no_tanh: no attention either, whose split is made of slices" \
    test ! -e "$T/no_tanh.pkg/mil/attention_00.s0032.mil"
check "and why" anec models/gpt2.anel --weights models/tales --profile "$T/no_tanh.profile" --explain
cp "$T/stdout" "$T/explained"
check "is explained" grep -q 'is written with .*, which profile no_tanh.profile has as: fails' "$T/explained"
check_same "the story stays" "$T/plain.story" "$T/no_tanh.story"

# ---- no way out for keys and values ----

probe one_output inputs outputs ops-shape surface accumulator swap-file sdpa-mask statistics chaining
has one_output "outputs = concat"
has one_output "op.concat = fails"
says one_output outputs '1 outputs are right'
says one_output inputs '"yes"'
says one_output sdpa-mask '"yes"'
steer one_output
check "one_output: attention stays on the CPU" test ! -e "$T/one_output.pkg/mil/attention_00.s0032.mil"
check "one_output: the MLP does not" test -e "$T/one_output.pkg/mil/mlp_00.s0032.mil"
check_same "and the story the same" "$T/plain.story" "$T/one_output.story"

# ---- a process that may compile twenty programs ----

cat >"$T/few.chip" <<'END'
chip = h16g
build = 1
compiles = 20
accumulator = 16384
products = fixed
smallest_product = 1.52587890625e-05
jitter_percent = 20
dispatch_us = 60
END
S=$T
status=0
ANEC_STANDIN=$T/few.chip TMPDIR=$T "$B/tests/aneprobe" compiles ops-unary ops-reduce accumulator products \
    dispatch --framework '' --json --profile "$T/few.profile" >"$T/few.json" || status=$?
[ "$status" -eq 1 ] && ok "few: exit status 1" || not_ok "few: exit status $status"
has few "compiles = 20"
has few "accumulator = 16384"
has few "overflow = inf"
has few "smallest_product = 1.52588e-05"
near few cost.dispatch_us 60
says few ops-unary 'broken.*nothing compiles any more'
check "few: no line of what was not asked" test -z "$(grep '^op.tanh ' "$T/few.profile")"
has few "op.reduce_max = seen"

# ---- a framework that fails, and scripts that are wrong ----

printf 'fail = load 99 the engine is out\n' >"$T/broken.chip"
run env ANEC_STANDIN="$T/broken.chip" TMPDIR="$T" "$B/tests/aneprobe" dispatch compile --framework ''
[ "$status" -eq 1 ] && ok "a framework that fails: exit status 1" || not_ok "a framework that fails: $status"
cp "$T/stdout" "$T/told"
check "a probe that does not get through is broken" grep -q '^dispatch  *broken .*the engine is out' "$T/told"
check "one that asks just that says no" grep -q '^compile  *no .*the engine is out' "$T/told"
printf 'dispatch_us = fast\n' >"$T/wrong.chip"
ANEC_STANDIN=$T/wrong.chip check_error "a wrong script" 2 'wrong.chip:1: a number from 0' \
    "$B/tests/aneprobe" dispatch --framework ''
printf 'nonsense = 3\n' >"$T/wrong.chip"
ANEC_STANDIN=$T/wrong.chip check_error "an unknown key" 2 'there is no such setting' \
    "$B/tests/aneprobe" dispatch --framework ''
check "nothing is left in the temporary folder" test -z "$(find "$T" -name model.mil)"
finish
