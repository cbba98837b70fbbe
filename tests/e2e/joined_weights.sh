# Joined weights that are split before the product: Phi-3, rewritten so, is the same model and as fast.
. tests/lib.sh

awk '
    /^  q, k, v = split\(dense/ {
        print "  weight w \"{at}.qkv_proj.weight\" [(heads + 2 * groups) * d, D]"
        print "  wq, wk, wv = split(w, [heads * d, groups * d, groups * d], axis = 0)"
        print "  q, k, v = linear(x, wq), linear(x, wk), linear(x, wv)"
        next
    }
    /^  gate, up = split\(dense/ {
        print "  weight w \"{at}.gate_up_proj.weight\" [2 * inner, D]"
        print "  gate = linear(x, slice(w, 0, inner, axis = 0))"
        print "  up = linear(x, slice(w, inner, 2 * inner, axis = 0))"
        next
    }
    { print }' models/phi3.anel >"$T/phi3.anel"
ids=$("$B/tests/make_family" phi3 "$T/made")
check "compiles" anec "$T/phi3.anel" --weights "$T/made" -q --explain -o "$T/p.pkg"
if [ "$(grep -c '^  [am][a-z]*_0[01] ([am]' "$T/stdout")" -eq 3 ]; then
    ok "both attentions and the MLP between them are fused"
else
    not_ok "both attentions and the MLP between them are fused"
    show_output
fi
for split in 0 5 99; do
    check "runs, $split prefilled" anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --prefill-only $split
    check "logits, $split prefilled" "$B/tests/compare_logits" "$T/got" "$T/made/logits" 96 5e-3
done
finish
