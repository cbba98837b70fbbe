# --explain, --stats, --list-passes and the profiles' errors.
. tests/lib.sh

sizes="--set layers=2 --set heads=2 --set dim=32 --set vocab=64"
# shellcheck disable=SC2086
check "explains" \
    anec models/gpt2.anel $sizes --random-weights 1 -q -o "$T/m.pkg" --explain --stats
cp "$T/stdout" "$T/said"
for text in 'attention_00 (attention)' 'mlp_00 (mlp)' \
    'begins: layer_norm before it is not listed by profile safe' \
    'ends: add behind it is the residual' 'sums stay below it' 'attentions fused 2' 'MLPs fused 1'; do
    check "says: $text" grep -q "$text" "$T/said"
done
anec --list-passes >"$T/passes"
check "lists the passes" grep -q '^fuse_attention ' "$T/passes"
check_error "unknown profile" 1 \
    "there is no profile \"m99\"; there are safe, a-series, cpu, m1, m2, m3, m4, m5" \
    anec models/gpt2.anel --random-weights 1 --profile m99 -o "$T/x.pkg"
printf 'op.sofmax = native\n' >"$T/bad.profile"
check_error "profile with an unknown op" 1 'bad.profile:1: there is no such op: "sofmax"' \
    anec models/gpt2.anel --random-weights 1 --profile "$T/bad.profile" -o "$T/x.pkg"
printf '# a comment\nlast_axis = 0\n' >"$T/bad.profile"
check_error "profile with a wrong number" 1 'bad.profile:2: a number from 1 to 2^40 is expected: "0"' \
    anec models/gpt2.anel --random-weights 1 --profile "$T/bad.profile" -o "$T/x.pkg"
check_error "profile that is not there" 1 "$T/none.profile" \
    anec models/gpt2.anel --random-weights 1 --profile "$T/none.profile" -o "$T/x.pkg"
check_error "unknown stage" 1 'there is no stage "fuse"; anec --list-passes lists them' \
    anec models/gpt2.anel --random-weights 1 -d fold,fuse -o "$T/x.pkg"
finish
