# What anec emitted, each time with one fault put in (mutations.txt): anec check names the right rule, on the
# right line.
. tests/lib.sh

anec models/gpt2.anel --weights models/tales -q -o "$T/good.pkg"
if command -v sha256sum >/dev/null; then hash=sha256sum; else hash="shasum -a 256"; fi

poke() # FILE OFFSET OCTAL
{
    printf "\\$3" | dd of="$1" bs=1 seek="$2" count=1 conv=notrunc 2>/dev/null
}

sign() # PACKAGE
{
    echo "$($hash "$1/manifest.json" | cut -d ' ' -f 1)  manifest.json" >"$1/manifest.sha256"
}

change_program() # NAME SED-SCRIPT: leaves x.mil, beside the good package
{
    sed "$2" "$T/good.pkg/mil/$1.mil" >"$T/x.mil"
    ln -s good.pkg/weights "$T/weights"
    subject=x.mil
    ! cmp -s "$T/good.pkg/mil/$1.mil" "$T/x.mil"
}

change_weights() # poke OFFSET OCTAL | cut SIZE
{
    cp "$T/good.pkg/mil/attention_00.s0032.mil" "$T/x.mil"
    cp -R "$T/good.pkg/weights" "$T/weights"
    subject=x.mil
    # shellcheck disable=SC2086 # words
    set -- $1
    case $1 in
    poke) poke "$T/weights/attention_00.bin" "$2" "$3" ;;
    cut) head -c "$2" "$T/good.pkg/weights/attention_00.bin" >"$T/weights/attention_00.bin" ;;
    esac
    ! cmp -s "$T/good.pkg/weights/attention_00.bin" "$T/weights/attention_00.bin"
}

change_package() # SED-SCRIPT | rm FILE | add FILE | poke FILE OFFSET OCTAL
{
    cp -R "$T/good.pkg" "$T/x.pkg"
    subject=x.pkg
    script=$1
    # shellcheck disable=SC2086 # words
    set -- $1
    case $1 in
    rm) rm "$T/x.pkg/$2" ;;
    add) cp "$T/good.pkg/mil/head.mil" "$T/x.pkg/$2" ;;
    poke) poke "$T/x.pkg/$2" "$3" "$4" ;;
    *)
        sed "$script" "$T/good.pkg/manifest.json" >"$T/x.pkg/manifest.json"
        sign "$T/x.pkg"
        ;;
    esac
    ! diff -r "$T/good.pkg" "$T/x.pkg" >/dev/null
}

change_repeated() # N TEXT
{
    many=${1%% *} text=${1#* }
    cp -R "$T/good.pkg/weights" "$T/weights"
    n=0
    while [ $n -lt 20 ]; do
        n=$((n + 1))
        ln "$T/weights/attention_00.bin" "$T/weights/f$n.bin"
    done
    awk -v n="$many" -v text="$text" '
        /^ *} -> \(result\)/ {
            for (i = 1; i <= n; i++) {
                line = text
                gsub(/#/, i, line)
                print line
            }
        }
        { print }' "$T/good.pkg/mil/attention_00.s0032.mil" >"$T/x.mil"
    subject=x.mil
}

change_padding() # SED-SCRIPT
{
    change_program attention_00.s0032 "$1" || return
    rm "$T/weights"
    cp -R "$T/good.pkg/weights" "$T/weights"
    poke "$T/weights/attention_00.bin" 68 013 # uint4
    poke "$T/weights/attention_00.bin" 88 007
}

change_twin() # same | poke OFFSET OCTAL
{
    cp "$T/good.pkg/mil/attention_00.s0032.mil" "$T/x.mil"
    ln -s good.pkg/weights "$T/weights"
    mkdir "$T/twin"
    cp "$T/x.mil" "$T/twin/x.mil"
    cp -R "$T/good.pkg/weights" "$T/twin/weights"
    subject="x.mil twin/x.mil"
    # shellcheck disable=SC2086 # words
    set -- $1
    [ "$1" = same ] || poke "$T/twin/weights/attention_00.bin" "$2" "$3"
}

change_layers() # N
{
    anec models/gpt2.anel --set "layers=$1" --set heads=1 --set dim=32 --set vocab=16 --set context=64 \
        --random-weights 1 -q -o "$T/x.pkg"
    subject=x.pkg
}

mutate() # FILE SCRIPT
{
    rm -rf "$T/x.pkg" "$T/x.mil" "$T/weights" "$T/twin"
    case $1 in
    a) change_program attention_00.s0032 "$2" ;;
    b) change_program attention_00.s0064 "$2" ;;
    m) change_program mlp_00.s0032 "$2" ;;
    d) change_program decode "$2" ;;
    w) change_weights "$2" ;;
    p) change_package "$2" ;;
    r) change_repeated "$2" ;;
    u) change_padding "$2" ;;
    t) change_twin "$2" ;;
    l) change_layers "$2" ;;
    *) false ;;
    esac
}

# Whether the findings have RULE on a line of x.mil with WORD.
reported() # RULE WORD
{
    awk -v rule="[$1]" -v word="$2" '
        FILENAME != ARGV[2] { line[FNR] = $0; next }
        substr($0, length($0) - length(rule) + 1) == rule {
            split($0, part, ":")
            if (word == "-" || index(line[part[2]], word)) found = 1
        }
        END { exit !found }' "$T/x.mil" "$T/findings"
}

count=0
while read -r name file rule word script; do
    case $name in '' | '#'*) continue ;; esac
    count=$((count + 1))
    if ! mutate "$file" "$script"; then
        not_ok "$name" "nothing was changed"
        continue
    fi
    status=0
    # shellcheck disable=SC2086 # one path or two
    (cd "$T" && anec check --all --notes --profile safe $subject) >"$T/findings" 2>&1 || status=$?
    [ -f "$T/x.mil" ] || : >"$T/x.mil"
    if [ "$status" -gt 1 ]; then
        not_ok "$name" "exit status $status"
    elif reported "$rule" "$word"; then
        ok "$name"
    else
        not_ok "$name" "no $rule on a line with $word"
        grep '\]$' "$T/findings" | head -n 5 | cut -c 1-200 | sed 's/^/    | /'
    fi
done <tests/check/mutations.txt
check "there are a hundred kinds" test "$count" -ge 100

# No rule is without a fault that it finds; but text has no way to write a name that is none (mil-name).
anec check --list | cut -d ' ' -f 1 | grep -v '^mil-name$' | sort >"$T/rules"
awk '!/^#/ && NF { print $3 }' tests/check/mutations.txt | sort -u >"$T/provoked"
comm -23 "$T/rules" "$T/provoked" >"$T/idle"
check "every rule is provoked: $(tr '\n' ' ' <"$T/idle")" test ! -s "$T/idle"

# The same faults in what nothing was done to: none.
for program in attention_00.s0032 mlp_00.s0032; do
    check "$program is clean" anec check --profile safe "$T/good.pkg/mil/$program.mil" \
        --weights-dir "$T/good.pkg"
done
finish
