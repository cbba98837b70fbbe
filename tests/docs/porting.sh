# docs/porting.md as a reader does it: its files are written, its commands run one after the other, and what
# it says they print is what they print, but for the digits of errors, which differ between machines.
. tests/lib.sh

mkdir "$T/work" "$T/steps"
ln -s "$R/models" "$T/work/models"
# Blocks: `anel` begins with a line "# FILE", `sh` is a step, `output` what the step before prints.
awk -v work="$T/work" -v steps="$T/steps" '
    /^```/ && kind == "" { kind = substr($0, 4); first = 1; lines = 0; if (kind == "sh") step++; next }
    /^```/ {
        if (kind == "anel" || kind == "sh" || kind == "output")
            close(file)
        kind = ""
        next
    }
    kind == "anel" && first { file = sprintf("%s/%02d.%s", steps, step + 1, substr($0, 3)) }
    kind == "sh" && first { file = sprintf("%s/%02d.sh", steps, step) }
    kind == "output" && first { file = sprintf("%s/%02d.out", steps, step) }
    { first = 0 }
    kind == "anel" || kind == "sh" || kind == "output" { print >file }' docs/porting.md

for step in "$T"/steps/*.sh; do
    number=$(basename "$step" .sh)
    for file in "$T/steps/$number".*.anel; do
        [ -f "$file" ] && cp "$file" "$T/work/$(basename "$file" | sed 's/^[0-9]*\.//')"
    done
    check "step $number" sh -ec "cd '$T/work'; . '$step'"
    if [ -f "$T/steps/$number.out" ]; then
        for side in "$T/steps/$number.out" "$T/stdout"; do
            sed 's/error [0-9][0-9.e+-]*/error */' "$side" >"$side.plain"
        done
        check_same "what step $number prints" "$T/steps/$number.out.plain" "$T/stdout.plain"
    fi
done
finish
