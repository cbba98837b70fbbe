#!/bin/sh
# scripts/macos-imports.sh PROGRAM...: what Mach-O programs import and packaging/macos/imports.txt doesn't
# list: `PROGRAM: imports SYMBOL from LIBRARY`, `PROGRAM: loads INSTALL-NAME`. Exits with 1 if there is any.
# Environment: NM, OTOOL (LLVM's or Apple's), LIST.
set -u

list=${LIST:-$(dirname "$0")/../packaging/macos/imports.txt}
nm=${NM:-llvm-nm} otool=${OTOOL:-llvm-otool}
status=0

# A line of nm -m: `(undefined) external _free (from libSystem)`, some with `weak` or more in between.
imports() # PROGRAM
{
    "$nm" -m -u "$1" || return
    echo "end of symbols"
    "$otool" -L "$1" || return
    echo "end of libraries"
}

for program; do
    imports "$program" | awk -v program="$program" -v list="$list" '
        BEGIN {
            while ((getline line <list) > 0) {
                sub(/#.*/, "", line)
                n = split(line, word, " ")
                if (word[1] == "library") {
                    library = word[2]
                    path[word[3]] = 1
                } else {
                    for (i = 1; i <= n; i++)
                        known[word[i], library] = 1
                }
            }
            close(list)
        }
        function complain(what) {
            print program ": " what
            bad = 1
        }
        /^end of / { ends++; next }
        $1 == "(undefined)" {
            from = symbol = ""
            for (i = 2; i <= NF; i++) {
                if ($i == "(from")
                    from = $(i + 1)
                else if ($i ~ /^_|^dyld_/)
                    symbol = $i
            }
            sub(/\)$/, "", from)
            sub(/^lib/, "", from)
            symbols++
            if (!((symbol, from) in known))
                complain("imports " symbol " from " from)
            next
        }
        ends == 1 && /compatibility version/ {
            libraries++
            if (!($1 in path))
                complain("loads " $1)
        }
        END {
            if (ends != 2 || !symbols || !libraries)
                complain("its imports cannot be read")
            exit bad
        }' || status=1
done
exit $status
