# The syntax files know every keyword of the scanner, every primitive and every layer of std.anel.
. tests/lib.sh

{
    sed -n 's/^ *"\([a-z]*\)" *{ return.*/\1/p' frontend/anel/scan.re
    sed -n 's/^PRIMITIVE(\([a-z_]*\),.*/\1/p' frontend/anel/primitives.def
    sed -n 's/^ELEMENTWISE(\([a-z_0-9]*\),.*/\1/p' frontend/anel/primitives.def
    sed -n 's/^layer \([a-z_0-9]*\)(.*/\1/p' models/std.anel
} | sort -u >"$T/words"
check "there are words" test "$(wc -l <"$T/words")" -gt 60
for file in editors/vim/syntax/anel.vim editors/vscode/syntaxes/anel.tmLanguage.json; do
    tr -c 'a-z_0-9' '\n' <"$file" | sort -u >"$T/known"
    comm -23 "$T/words" "$T/known" >"$T/missing"
    if [ -s "$T/missing" ]; then not_ok "$file" "lacks $(tr '\n' ' ' <"$T/missing")"; else ok "$file"; fi
done
finish
