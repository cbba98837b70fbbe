# A whole prompt through a BLAS: the same text, and the device says that it is used.
. tests/lib.sh

check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
prompt="Once upon a time, there was a little girl named Lily. She loved to play outside in the park.
Her dog came with her. One day she saw a big tree and wanted to climb it."

story() # ANEC_BLAS
{
    run env ANEC_BLAS="$1" anerun "$T/p.pkg" --prompt "$prompt" --tokens 8 --greedy --stats
}

story off
cp "$T/stdout" "$T/expected"
if [ "$status" -eq 0 ] && ! grep -q cblas "$T/stderr"; then
    ok "without one"
else
    not_ok "without one"
    show_output
fi
story "$B/tests/cblas.so"
if [ "$status" -eq 0 ] && cmp -s "$T/stdout" "$T/expected"; then
    ok "the same text"
else
    not_ok "the same text"
    show_output
fi
cp "$T/stderr" "$T/told"
check "the device names it" grep -q "threads*, [a-z0-9]* and /" "$T/told"
check_error "one that isn't there" 1 "ANEC_BLAS: $T/none: cannot be loaded" \
    env ANEC_BLAS="$T/none" anerun "$T/p.pkg" --prompt "$prompt"
finish
