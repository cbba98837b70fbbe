# What holds a macOS program to its list of imports, on what LLVM's tools print.
. tests/lib.sh

bin=$T/bin
mkdir -p "$bin"
cat >"$T/list" <<'END'
# one comment
library System /usr/lib/libSystem.B.dylib
_free _malloc # and another
library jansson /opt/homebrew/opt/jansson/lib/libjansson.4.dylib
_json_true
END

# The program under test is the text that the two tools print of it.
tool() # NAME FILE
{
    printf '#!/bin/sh\ncat "%s"\n' "$2" >"$bin/$1"
    chmod +x "$bin/$1"
}
tool nm "$T/symbols"
tool otool "$T/libraries"

imports() # STATUS NAME EXPECTED-LINE...
{
    wanted=$1 name=$2
    shift 2
    : >"$T/expected"
    for line; do echo "p: $line" >>"$T/expected"; done
    run env NM="$bin/nm" OTOOL="$bin/otool" LIST="$T/list" sh scripts/macos-imports.sh p
    if [ "$status" -eq "$wanted" ] && cmp -s "$T/stdout" "$T/expected"; then
        ok "$name"
    else
        not_ok "$name" "exit status $status, expected $wanted and:"
        cat "$T/expected"
        show_output
    fi
}

cat >"$T/symbols" <<'END'
                 (undefined) external _free (from libSystem)
                 (undefined) external _json_true (from libjansson)
                 (undefined) weak external _malloc (from libSystem)
END
cat >"$T/libraries" <<'END'
p:
    /usr/lib/libSystem.B.dylib (compatibility version 1.0.0, current version 1351.0.0)
    /opt/homebrew/opt/jansson/lib/libjansson.4.dylib (compatibility version 1.0.0, current version 1.0.0)
END
imports 0 "what is listed passes"

echo "                 (undefined) external _ptrace (from libSystem)" >>"$T/symbols"
imports 1 "a symbol that is not listed" "imports _ptrace from System"

sed '$d' "$T/symbols" >"$T/kept"
{
    cat "$T/kept"
    echo "                 (undefined) external _free (from libjansson)"
} >"$T/symbols"
imports 1 "a listed symbol out of another library" "imports _free from jansson"

cp "$T/kept" "$T/symbols"
echo "    /usr/lib/libobjc.A.dylib (compatibility version 1.0.0, current version 228.0.0)" >>"$T/libraries"
imports 1 "a library that is not listed" "loads /usr/lib/libobjc.A.dylib"

: >"$T/symbols"
imports 1 "a program without imports is no program" \
    "loads /usr/lib/libobjc.A.dylib" "its imports cannot be read"

printf '#!/bin/sh\nexit 1\n' >"$bin/nm"
imports 1 "a file that nm cannot read" "its imports cannot be read"
finish
