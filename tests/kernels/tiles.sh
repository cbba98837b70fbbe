# The instructions of the AMX kernels, which no test here can execute: from the first tile that is loaded
# to the last product there is nothing but loads, products and addresses.
. tests/lib.sh

object="$B/obj/runtime/kernels/amx.o"
# count NAME FUNCTION LOADS PRODUCTS
count() {
    awk -v want="<$2>:" '
        $2 == want { inside = 1; next }
        inside && NF == 0 { inside = 0 }
        !inside { next }
        $2 == "tileloadd" { loads++ }
        $2 == "tdpbf16ps" { products++; others += since; since = 0; next }
        loads && $2 !~ /^(tileloadd|lea|mov|add|nop[wl]?)$/ { since++ }
        END { print loads + 0, products + 0, others + 0 }' "$T/all" >"$T/counts"
    echo "$3 $4 0" >"$T/expected"
    check_same "$1" "$T/expected" "$T/counts"
}

if ! objdump -d --no-show-raw-insn "$object" >"$T/all" 2>/dev/null || ! grep -q tilerelease "$T/all"; then
    skip "tiles" "no objdump, or a compiler or machine without AMX"
elif nm "$object" | grep -q -e __asan -e __ubsan; then
    skip "tiles" "built with sanitizers"
else
    count "32 columns: 12 loads for 20 products" tiles_tile 12 20
    count "16 columns: 8 loads for 10 products" tiles_tile_half 8 10
fi
finish
