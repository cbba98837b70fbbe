# Command lines: help, versions, and what is said of wrong ones.
. tests/lib.sh

for tool in anec anerun anebench aneprobe; do
    case $tool in anebench) first=limits ;; *) first=x ;; esac
    "$tool" --help >"$T/help" 2>&1
    check "$tool --help names its usage" grep -q "^usage: $tool" "$T/help"
    "$tool" --version >"$T/version" 2>&1
    check "$tool --version has a number" grep -q "^$tool [0-9]" "$T/version"
    check_error "$tool with nothing" 2 "Try '$tool --help'" "$tool"
    check_error "$tool with an unknown option" 2 "unknown option --nonsense" "$tool" $first --nonsense
    check_error "$tool with a misspelt option" 2 "did you mean" "$tool" $first --hlep
done
# Every option of a help is in its manual, and the other way round. A command's page is PROGRAM-COMMAND.1.
same_options() # PAGE PROGRAM [COMMAND]
{
    page=$1
    shift
    "$@" --help | sed '/^Commands/,$d;/^Example/,$d' | grep -o -e '--[a-z][a-z-]*' |
        grep -v -e '--help' -e '--version' | sort -u >"$T/help"
    sed 's/\\-/-/g' "$page" | grep -o -e '--[a-z][a-z-]*' |
        grep -v -e '--help' -e '--version' | sort -u >"$T/man"
    check_same "the manual of $* has the options of its help" "$T/help" "$T/man"
}

for tool in anec anerun anebench aneprobe; do
    same_options "man/$tool.1" "$tool"
    for command in $("$tool" --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'); do
        same_options "man/$tool-$command.1" "$tool" "$command"
        check_error "$tool $command with an unknown option" 2 "unknown option --nonsense" \
            "$tool" "$command" --nonsense
        check "$tool's manual refers to $tool-$command" grep -q "$tool\\\\-$command" "man/$tool.1"
    done
done

check_error "anec: no such file" 1 "No such file" anec "$T/absent.anel"
check_error "anec: no weights" 1 "give --weights" \
    anec models/gpt2.anel --set layers=1 --set heads=2 --set dim=8 --set context=32 --set vocab=16 \
    -o "$T/x.pkg"
check "anec: made-up weights for a real config" \
    anec models/gpt2.anel --weights models/tales --random-weights 1 -q -o "$T/made.pkg"
check "it has the tokenizer" anerun "$T/made.pkg" --prompt "Once" --tokenize
check_error "anec: --emit" 2 "is not ast" anec models/gpt2.anel --emit nonsense
check_error "anec: --set without a value" 1 "NAME=VALUE" anec models/gpt2.anel --set layers --emit ir
check_error "anec: an unknown profile" 1 "profile" \
    anec models/gpt2.anel --weights models/tales --profile nonsense -o "$T/x.pkg"
check "anec: --check" anec models/gpt2.anel --check
check "anec: --check with weights" anec models/gpt2.anel --check --weights models/tales
check_error "anec: --check finds what is missing" 1 "has no tensor" \
    anec models/gpt2.anel --check --weights models/tales --set layers=5
check_error "anerun: no prompt" 2 "give a prompt" anerun x
check_error "anerun: ids without logits" 2 "needs --logits" anerun x --ids 1,2
check_error "anerun: a number out of range" 2 "not a number from 0 to 1" anerun x --prompt a --top-p 2
check_error "anerun: an unknown device" 2 "is not auto, ane or cpu" anerun x --prompt a --device gpu
check_error "anerun: what cannot be required" 2 "what can be required" anerun x --prompt a --require gpu
if [ "$(uname -s)" != Darwin ]; then
    check_error "anerun: no Neural Engine" 1 "no Neural Engine here" \
        anerun "$T/made.pkg" --prompt a --device ane
    check_error "anerun: a Neural Engine is required" 1 "no Neural Engine here" \
        anerun "$T/made.pkg" --prompt a --require ane
    check_error "anerun: the environment asks for it" 1 "no Neural Engine here" \
        env ANEC_DEVICE=ane anerun "$T/made.pkg" --prompt a
fi
finish
