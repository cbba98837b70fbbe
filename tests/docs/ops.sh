# The table of ops in docs/mil.md is that of ir/ops.def: `spelling`, first opset, operands. To renew it:
#   sh tests/docs/ops.sh --print
ops_table()
{
    sed '/^\/\*.*\*\/$/d; /^\/\*/,/\*\//d; /^#/d' ir/ops.def | tr '\n' ' ' | sed 's/" *"//g; s/OP(/\
OP(/g' | awk -F'"' '
        /^OP\(/ && $0 !~ /F_MODEL/ {
            split($3, field, /, */)
            printf "| `%s` | %s | %s |\n", $2, field[2], $4
        }' | sed 's/ |$/ |/; s/|  |/| |/' | LC_ALL=C sort
}

if [ "${1:-}" = --print ]; then
    ops_table
    exit
fi
. tests/lib.sh
ops_table >"$T/wanted"
sed -n '/^| op | ios | operands |/,/^$/p' docs/mil.md | sed '1,2d; /^$/d' >"$T/written"
check "there are rows" test "$(wc -l <"$T/wanted")" -gt 100
check "docs/mil.md has the ops of ir/ops.def" diff "$T/wanted" "$T/written"
