# One source file, -v file=NAME: see style.sh. Works with mawk, gawk and the awk of macOS.

function say(what) { print file ":" FNR ": " what }

# Bytes that continue a UTF-8 character take no column.
function columns(line)
{
    gsub(/[\200-\277]/, "", line)
    return length(line)
}

# The line without comments and without what is in quotes; `inside` remembers a comment over several lines.
function code(line,    out, at)
{
    gsub(/\\./, "", line)
    gsub(/'.'/, "''", line)
    out = ""
    while (line != "") {
        if (inside) {
            at = index(line, "*/")
            if (!at)
                return out
            line = substr(line, at + 2)
            inside = 0
        } else if (match(line, /"[^"]*"|\/\*|\/\//)) {
            out = out substr(line, 1, RSTART - 1)
            at = substr(line, RSTART, 2)
            line = substr(line, RSTART + RLENGTH)
            if (at == "//")
                return out
            inside = at == "/*"
        } else {
            return out line
        }
    }
    return out
}

# What a folder may include beside itself.
function allowed(from, to)
{
    if (from == "tools" || from == "tests" || from == "examples")
        return 1
    if (to == from || to == "base")
        return 1
    if (from == "base")
        return 0
    if (to == "ir")
        return 1
    if (from == "check")
        return to == "frontend/mil" || to == "frontend/mlpackage" || to == "runtime/manifest.h"
    return from == "runtime" && to == "frontend/mil"
}

function check_include(line,    path, parts, to)
{
    split(line, parts, "\"")
    path = parts[2]
    if (layer == "tests" || layer == "tools" || layer == "examples")
        return
    if (path !~ /\//) {
        say("include \"" path "\" is not from the root of the tree")
        return
    }
    split(path, parts, "/")
    to = parts[1]
    if ((layer == "runtime" || layer == "check") && to == "frontend" || layer == "check" && to == "runtime")
        to = to "/" parts[2]
    if (!allowed(layer, to))
        say(layer "/ may not include " to "/")
}

BEGIN {
    split(file, parts, "/")
    layer = parts[1]
    c = file ~ /\.(c|h|re|y|def)$/
    # base/arena.c ends the program when memory is out; base/diag.c writes to the stream it is given.
    library = c && layer != "tests" && layer != "tools" && layer != "examples" && file != "base/arena.c" && file != "base/diag.c"
}

/\t/ { say("tab") }
/[ \r]$/ { say("trailing blank") }
length($0) > 110 && columns($0) > 110 { say(columns($0) " columns, the limit is 110") }
/flat (switch|table)/ { flat = FNR; any_flat = 1 }
!c { next }

/^#[ ]*include "/ { check_include($0); next }

library {
    bare = code($0)
    if (match(bare, /(^|[^A-Za-z0-9_.>])(v?printf|puts|putchar|perror|_?exit|quick_exit)[ ]*\(/))
        say("a library calls " substr(bare, RSTART, RLENGTH - 1) ": only tools/ may print or exit")
    if (bare ~ /(^|[^A-Za-z0-9_.>])abort[ ]*\(/ && $0 !~ /\/\*/)
        say("a library calls abort without a comment on the line that says why this cannot happen")
    if (match(bare, /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/))
        say("a library uses stdout or stderr: only tools/ may print")
}

# A function's body stands between `{` and `}` in the first column; its name is in the last line that began
# there.
/^[A-Za-z_].*\(/ {
    name = $0
    sub(/\(.*/, "", name)
    sub(/.*[^A-Za-z0-9_]/, "", name)
}
/^\{/ { start = FNR }
/^\}/ && start {
    if (FNR - start > 101 && (!flat || flat < start - 8))
        say(name " is " FNR - start - 1 " lines long; 100 is the limit, unless it is a flat switch or a flat table and says so")
    start = 0
}

END {
    if (FNR > 800 && !any_flat)
        say(FNR " lines; 800 is the limit, unless it is a flat table and says so")
}
