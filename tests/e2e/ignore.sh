# Tensors that the model does not use are an error that names them, unless it says that it leaves them alone.
. tests/lib.sh

"$B/tests/make_checkpoint" --break surplus --prefix transformer. "$T/w" || not_ok "a checkpoint"
set_all="--set layers=2 --set heads=2 --set dim=32 --set context=64 --set vocab=300"
# $set_all is several words.
# shellcheck disable=SC2086
check_error "a surplus tensor" 1 'c_gate.weight, .* is not used by the model' \
    anec models/gpt2.anel --weights "$T/w" $set_all -o "$T/p.pkg"
awk '{ print } /^  buckets/ { print "  ignore(\"h.0.mlp.c_ga\")" }' models/gpt2.anel >"$T/gpt2.anel"
# shellcheck disable=SC2086
check "ignored, by the beginning of its name, without the prefix" \
    anec "$T/gpt2.anel" --weights "$T/w" $set_all -q -o "$T/p.pkg"
sed 's/c_ga"/c_go"/' "$T/gpt2.anel" >"$T/other.anel"
# shellcheck disable=SC2086
check_error "another one ignored" 1 'is not used by the model' \
    anec "$T/other.anel" --weights "$T/w" $set_all -o "$T/q.pkg"
finish
