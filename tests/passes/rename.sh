# Fusion looks at structure: a model with every layer and variable renamed gives the same programs.
. tests/lib.sh

# Replaces whole identifiers outside of quotes.
rename()
{
    awk -v map="attention=alpha mlp=beta x=u0 q=u1 k=u2 v=u3 s=u4 o=u5 h=u6 i=u7 at=u8 scale=u9 inner=ua" '
    BEGIN { n = split(map, m, " "); for (j = 1; j <= n; j++) { split(m[j], p, "="); to[p[1]] = p[2] } }
    {
        out = ""; quoted = 0; word = ""
        for (j = 1; j <= length($0) + 1; j++) {
            c = substr($0, j, 1)
            if (c ~ /[A-Za-z_0-9]/ && c != "") { word = word c; continue }
            if ((!quoted || brace) && word in to) word = to[word]
            out = out word c; word = ""
            if (c == "\"") { quoted = !quoted; brace = 0 }
            if (c == "{") brace = 1
            if (c == "}") brace = 0
        }
        print out
    }' "$1"
}
mkdir "$T/models"
rename models/gpt2.anel >"$T/models/gpt2.anel"
check "everything is renamed" sh -c '
    ! grep -E "attention\(|mlp\(| x = | q, k, v" "$1"' sh "$T/models/gpt2.anel"
check "compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/a.pkg"
check "compiles, renamed" anec "$T/models/gpt2.anel" --weights models/tales -q -o "$T/b.pkg"
check "the same package" diff -r "$T/a.pkg" "$T/b.pkg"
check "two programs a layer and bucket" sh -c 'test "$(ls "$1"/mil | grep -c "s0064")" -eq 8' sh "$T/a.pkg"
finish
