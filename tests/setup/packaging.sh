# What no build looks at: the formula, the workflow, the scripts; and what is installed on macOS is signed.
. tests/lib.sh

workflow=.github/workflows/ci.yml formula=packaging/homebrew/anec.rb

if command -v ruby >/dev/null 2>&1; then
    check "the formula is Ruby" ruby -c $formula
    check "the workflow is YAML" ruby -ryaml -e 'YAML.load_file(ARGV[0]).fetch("jobs").each_value { |job|
        job.fetch("runs-on") && job.fetch("steps").each { |s| s["run"] || s.fetch("uses") } }' $workflow
elif command -v python3 >/dev/null 2>&1 && python3 -c 'import yaml' 2>/dev/null; then
    skip "formula" "no ruby"
    check "the workflow is YAML" python3 -c 'import sys, yaml
for job in yaml.safe_load(open(sys.argv[1]))["jobs"].values():
    assert job["runs-on"] and all("run" in s or "uses" in s for s in job["steps"])' $workflow
else
    skip "formula and workflow" "neither ruby nor PyYAML"
fi

# Every target that the workflow and the formula ask for is there.
targets=$(sed -n '/make/{s/"//g;s/,//g;s/system make/ make/;s/&&/\
/g;p;}' $workflow $formula | sed -n 's/.*[: ]make //p' | tr ' ' '\n' | grep -E '^[a-z-]+$' | sort -u)
found=$(printf '%s\n' "$targets" | grep -c -E '^(install|test|setup|macos-check)$')
check "targets were found" test "$found" -eq 4
for target in $targets; do
    check "the Makefile has $target" grep -q -E "^$target:|^[a-z ]*[ ]$target[ a-z]*:" Makefile
done

# The packages that scripts/setup.sh installs with Homebrew are the formula's.
for package in bison re2c uthash jansson utf8proc protobuf-c; do
    check "the formula has $package" grep -q "depends_on \"$package\"" $formula
done

# Options of GNU's tools that macOS doesn't have, and shells other than sh.
find scripts tests examples .ci -type f \( -name '*.sh' -o -name run \) | sort >"$T/scripts"
gnu='sed -i|sed -r|readlink -f|date [^|]*%N|stat -c|grep -[a-zA-Z]*P|xargs -[rd]|cp -[a-z]*[aT]|head -n -'
gnu="$gnu|sort -V|mktemp --"
gnu="$gnu|find [^|]*-printf|base64 -w|echo -[en]|(^|[ ;])\\[\\[ | <\\(|[^|]\\|&|^ *(local|declare) |nproc\$"
while read -r script; do
    [ "$script" = tests/setup/packaging.sh ] && continue
    grep -n -E -e "$gnu" "$script" /dev/null
done <"$T/scripts" >"$T/found"
: >"$T/nothing"
check_same "no script needs GNU's tools or another shell" "$T/nothing" "$T/found"
if command -v dash >/dev/null 2>&1; then
    while read -r script; do
        dash -n "$script" || echo "$script"
    done <"$T/scripts" >"$T/found" 2>&1
    check_same "dash reads every script" "$T/nothing" "$T/found"
else
    skip "dash" "there is no dash"
fi

# Signing: a stand-in of codesign notes what it is asked for.
printf '#!/bin/sh\necho "$*" >>"%s"\n' "$T/signed" >"$T/codesign"
chmod +x "$T/codesign"
on=$(uname -s)
install_for() # SYSTEM
{
    env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -o all install SYSTEM="$1" BUILD="$B" \
        DESTDIR="$T/root" PREFIX=/usr CODESIGN="$T/codesign"
}
check "install for macOS" install_for Darwin
for tool in tools/*/main.c; do
    name=${tool#tools/}
    printf ' %s' "$T/root/usr/bin/${name%/main.c}"
done >"$T/names"
tr ' ' '\n' <"$T/names" | sort >"$T/wanted"
sed 's/^--force --sign -//' "$T/signed" | tr ' ' '\n' | sort >"$T/got"
check_same "every program is signed ad hoc, without entitlements" "$T/wanted" "$T/got"
rm -f "$T/signed"
check "install for Linux" install_for Linux
check "signs nothing" test ! -e "$T/signed"
check "what is installed runs on $on" "$T/root/usr/bin/anec" --version
check "and is removed" env -u MAKEFLAGS make --no-print-directory uninstall SYSTEM=Linux BUILD="$B" \
    DESTDIR="$T/root" PREFIX=/usr
find "$T/root" -type f >"$T/left"
check_same "all of it" "$T/nothing" "$T/left"
finish
