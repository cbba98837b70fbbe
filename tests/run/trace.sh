# anerun --trace: every step, and the kinds of steps beside the machine's limits.
. tests/lib.sh

anec models/gpt2.anel --weights models/tales -q -o "$T/tales.pkg"
check "a trace" anerun "$T/tales.pkg" --prompt "Once upon" --greedy --tokens 5 --threads 1 --trace
cp "$T/stderr" "$T/trace"
check "steps have names, times and ranges" \
    grep -Eq '^logits +matvec +[0-9.]+ us +[0-9.]+ GB/s +[0-9.]+ GFLOP/s +\[-?[0-9.]+, [0-9.]+\]' "$T/trace"
layers=$(sed -n 's/.*"n_layer": *\([0-9]*\).*/\1/p' models/tales/config.json)
check "attention of 4 decodes is summed up" \
    grep -Eq "^attention\+cache +$((4 * layers)) .* [0-9]+ % of (bandwidth|arithmetic)$" "$T/trace"
check "the limits stand below" \
    grep -Eq '^this machine, 1 thread: reads [0-9.]+ GB/s, computes [0-9]+' "$T/trace"
finish
