# docs/language.md against the sources: its examples compile, its listing of GPT-2 is the file, and it knows
# every primitive, every layer of std.anel and every keyword.
. tests/lib.sh

manual=docs/language.md

# The indented block of the manual that begins with a line that matches.
block() # PATTERN
{
    awk -v pattern="$1" '
        !on && $0 ~ "^    " pattern { on = 1 }
        on && $0 !~ /^    / && $0 != "" { exit }
        on { sub(/^    /, ""); print }' "$manual"
}

block '# A bag of words' >"$T/tiny.anel"
check "the small model compiles" anec --emit ir "$T/tiny.anel"
{
    cat <<'MODEL'
import "std.anel"
model m(context = 64) {
  weight table [20, 16]
  angles = rope_angles(rope_frequencies(4))
  x = embed(table, token)
  x = mlp(attention(x, "a", 4, 2, 4, angles), "m", 24)
  logits = linear(x, table)
}
MODEL
    block 'layer attention\(x: \[S, D\], at, heads, groups'
} >"$T/llama.anel"
check "Llama's layers compile" anec --emit ir "$T/llama.anel"

block '# GPT-2 small' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$T/gpt2.anel"
check_same "the listing of GPT-2 is the file" "$T/gpt2.anel" models/gpt2.anel

mentioned() # WHAT NAME...
{
    what=$1
    shift
    for name; do
        grep -q "[\`(| ]$name[\`( ]" "$manual" || not_ok "$what $name is in the manual"
    done
    ok "$what: $#"
}

# "linear(x, weight, bias)" of each primitive, and of what the manual's tables say.
sed -n 's/^PRIMITIVE(\([a-z_]*\), "\(.*\)")/\1(\2)/p; s/^ELEMENTWISE(\([a-z_]*\),.*/\1(x)/p' \
    frontend/anel/primitives.def | sed 's/?//g; s/ /, /g' | sort >"$T/primitives"
sed -n '/^## Primitives/,/^## std/p' "$manual" | grep '^|' | tr '`|' '\n\n' |
    awk '{ gsub(/\) /, ")\n"); print }' |
    sed -n 's/ = [^,)]*//g; s/^ *\([a-z_]*([a-z, ]*)\).*/\1/p' | sort -u >"$T/described"
comm -23 "$T/primitives" "$T/described" >"$T/missing"
if [ -s "$T/missing" ]; then
    not_ok "each primitive is in the tables, with its parameters" "$(tr '\n' ' ' <"$T/missing")"
else
    ok "each primitive is in the tables, with its parameters"
fi

# Names hold no blanks.
# shellcheck disable=SC2046
mentioned primitive $(sed -n 's/^[PE][A-Z]*(\([a-z_]*\),.*/\1/p' frontend/anel/primitives.def)
# shellcheck disable=SC2046
mentioned layer $(sed -n 's/^layer \([a-z_0-9]*\)(.*/\1/p' models/std.anel)
# shellcheck disable=SC2046
mentioned keyword $(sed -n 's/^ *"\([a-z]*\)" *{ return.*/\1/p' frontend/anel/scan.re)
finish
