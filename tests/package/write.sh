# How a package is written: the same bytes every time, all or nothing, and never over something else.
. tests/lib.sh

compile() { anec models/gpt2.anel --weights models/tales -q -o "$1"; }
check "compiles" compile "$T/a.pkg"
check "compiles again" compile "$T/b.pkg"
check "the same bytes" diff -r "$T/a.pkg" "$T/b.pkg"
check "replaces a package" compile "$T/a.pkg"
check "the same bytes after that" diff -r "$T/a.pkg" "$T/b.pkg"
check "the hash is what sha256sum reads" sh -c '
    command -v sha256sum >/dev/null || exit 0
    cd "$1" && sha256sum -c manifest.sha256' sh "$T/a.pkg"
check "data only" sh -c '! find "$1" -type f -perm -u+x | grep .' sh "$T/a.pkg"

mkdir "$T/mine" && echo keep >"$T/mine/notes"
check_error "a folder that is no package" 1 "not a package" compile "$T/mine"
check "it is left as it was" grep -q keep "$T/mine/notes"
echo keep >"$T/file"
check_error "a file in its place" 1 "not a package" compile "$T/file"
check "it is left as it was, too" grep -q keep "$T/file"
check_error "a folder that does not exist" 1 "error: " compile "$T/absent/a.pkg"

if [ "$(id -u)" -ne 0 ]; then
    mkdir "$T/closed" && chmod 555 "$T/closed"
    check_error "a folder that cannot be written" 1 "ermission" compile "$T/closed/a.pkg"
else
    skip "a folder that cannot be written" "root may write anywhere"
fi

# A full disk: a file size limit stands in for it, with the same path through the code.
check_error "a disk that is full" 1 "error: " sh -c 'trap "" XFSZ; ulimit -f 200
    anec models/gpt2.anel --weights models/tales -q -o "$1"' sh "$T/full.pkg"
check "nothing is left of it" sh -c '! ls -a "$1" | grep full' sh "$T"

# Killed while writing, at several moments: the old package stays whole, and the next run cleans up.
left=0
for delay in 0 0.005 0.01 0.02 0.04 0.08; do
    anec models/gpt2.anel --weights models/tales -q -o "$T/b.pkg" &
    pid=$!
    sleep "$delay"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    diff -r "$T/a.pkg" "$T/b.pkg" >/dev/null || left=1
done
if [ "$left" -eq 0 ]; then ok "killed while writing"; else not_ok "killed while writing"; fi
check "compiles after that" compile "$T/b.pkg"
check "nothing is left behind" sh -c '! ls -a "$1" | grep "tmp"' sh "$T"
finish
