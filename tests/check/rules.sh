# The rules: docs/check.md has every one as the program explains it; severities and names on the command line.
. tests/lib.sh

check "all rules are explained" anec check --explain all
awk '/^```$/ { inside = !inside; next } inside' docs/check.md >"$T/documented"
check_same "docs/check.md has them" "$T/documented" "$T/stdout"
check "and listed" anec check --list
cp "$T/stdout" "$T/list"
check "as many" test "$(wc -l <"$T/list")" -eq "$(grep -c '^  Source' "$T/documented")"
check "each rule once" test -z "$(cut -d' ' -f1 "$T/list" | sort | uniq -d)"
anec check --explain ane-last-axis-32 >"$T/one"
check "one rule's source" grep -q 'ironmill' "$T/one"
check_error "no such rule" 2 'no rule "ane-nothing"' anec check --explain ane-nothing
check_error "nothing to check" 2 'which program' anec check
check_error "absent" 1 'No such file' anec check "$T/absent.mil"
mkdir "$T/folder"
check_error "a folder of nothing" 1 'neither manifest.json' anec check "$T/folder"
check_error "no such profile" 2 'there is no profile "m99"' anec check --profile m99 "$T/absent.mil"

finish
