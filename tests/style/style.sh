# The style check over this tree, and over a tree of small offences.
. tests/lib.sh

check "style of the tree" env BUILD="$B" sh scripts/style.sh

tree=$T/tree
offence() # NAME FILE PATTERN: the file's text is standard input
{
    rm -rf "$tree"
    mkdir -p "$tree/$(dirname "$2")"
    cat >"$tree/$2"
    run env ROOT="$tree" BUILD="$B" sh scripts/style.sh
    if [ "$status" -eq 1 ] && grep -q -e "$2:.*$3" "$T/stdout"; then
        ok "$1"
    else
        not_ok "$1" "exit status $status, nothing like '$2:.*$3'"
        show_output
    fi
}

printf 'int a;\n\tint b;\n' | offence "tab" base/x.c "tab"
printf 'int a; \n' | offence "trailing blank" base/x.c "trailing"
printf 'int a;' | offence "no newline at the end" base/x.c "newline"
printf '// %0120d\n' 1 | offence "long line" base/x.c "columns"
printf 'int a;\r\n' | offence "carriage return" ir/x.h "trailing"
printf '#include "ir/ir.h"\n' | offence "base includes ir" base/x.c "base/ may not include ir/"
printf '#include "passes/p.h"\n' |
    offence "frontend includes passes" frontend/anel/x.c "may not include passes/"
printf '#include "frontend/anel/p.h"\n' |
    offence "runtime includes the language" runtime/x.c "may not include frontend/anel/"
printf '#include "p.h"\n' | offence "include that is not from the root" runtime/x.c "from the root"
printf 'void f(void)\n{\n    printf("x");\n}\n' | offence "a library prints" passes/x.c "printf"
printf 'void f(void)\n{\n    exit(1);\n}\n' | offence "a library exits" backend/x.c "exit"
printf 'void f(void)\n{\n    abort();\n}\n' | offence "a library aborts" ir/x.c "abort without"
printf 'size_t f(void);\n' | offence "header that needs another" base/x.h "alone"
printf '/* see /wor''k/x */\n' | offence "a path of one machine" ir/x.c "path"
printf 'if true; then\n' | offence "broken shell script" scripts/x.sh "shell"
{
    printf 'void f(void)\n{\n'
    yes '    g();' | head -n 120
    printf '}\n'
} | offence "long function" ir/x.c "f is 12[0-9] lines"
yes 'int a;' | head -n 801 | offence "long file" ir/x.c "801 lines"

rm -rf "$tree"
mkdir -p "$tree/base" "$tree/ir" "$tree/tools"
cat >"$tree/base/x.h" <<'EOF2'
#ifndef BASE_X_H
#define BASE_X_H
void log_to(int n, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* not printf("") */
#endif
EOF2
{
    printf '#include "base/x.h"\n/* flat switch: one case for each op */\nvoid f(void)\n{\n'
    yes '    g("exit(1)");' | head -n 120
    printf '    abort(); /* a mistake in this program */\n}\n'
} >"$tree/ir/x.c"
printf '#include "ir/x.h"\nint main(void)\n{\n    printf("x");\n    exit(0);\n}\n' >"$tree/tools/x.c"
check "what is allowed passes" env ROOT="$tree" BUILD="$B" sh scripts/style.sh
finish
