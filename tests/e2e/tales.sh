# The model that ships, from its source to a story.
. tests/lib.sh

check "compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/tales.pkg"
tell() { anerun "$T/tales.pkg" -q "$@"; }

tell --prompt "Once upon a time" --tokens 60 --seed 7 >"$T/one" 2>"$T/errors"
tell --prompt "Once upon a time" --tokens 60 --seed 7 --threads 1 >"$T/two" 2>>"$T/errors"
check_same "same seed, same text, any number of threads" "$T/one" "$T/two"
check "it is a text" grep -q '[a-z] [a-z]' "$T/one"
tell --prompt "Once upon a time" --tokens 60 --seed 8 >"$T/two"
check "another seed, another text" sh -c '! cmp -s "$1" "$2"' sh "$T/one" "$T/two"

# The bytes of this prompt let a smaller bucket be expected than its tokens need.
letters='q z x j q z x j q z x j q z x j q z x j q z x j q z x j q z x j q z x j q z x j'
tell --prompt "$letters" --greedy --tokens 8 --stats >"$T/one" 2>"$T/stats"
tell --prompt "$letters" --greedy --tokens 8 --threads 1 >"$T/two"
check "a prompt of short tokens" grep -q 'bucket 64' "$T/stats"
check_same "... goes on as it does on one thread" "$T/one" "$T/two"

printf 'Once upon a time' >"$T/prompt"
tell --prompt "Once upon a time" --greedy --tokens 40 >"$T/one"
tell --prompt-file "$T/prompt" --greedy --tokens 40 >"$T/two"
check_same "--prompt-file" "$T/one" "$T/two"
tell - --greedy --tokens 40 <"$T/prompt" >"$T/two"
check_same "standard input" "$T/one" "$T/two"
tell --prompt "Once upon a time" --temp 0 --tokens 40 >"$T/two"
check_same "temperature 0 is greedy" "$T/one" "$T/two"
tell --prompt "Once upon a time" --greedy --tokens 40 --stop "," >"$T/two"
check "--stop ends before the text" sh -c '! grep -q , "$1"' sh "$T/two"
check "what is before the stop is the same" sh -c '
    case $(cat "$1") in "$(cat "$2")"*) ;; *) exit 1; esac' sh "$T/one" "$T/two"
check "--tokenize" sh -c '
    test "$(anerun "$1" --prompt "Once upon a time" --tokenize)" = "$(cat tests/e2e/tales.ids)"
' sh "$T/tales.pkg"

tell --prompt "Once upon a time" --greedy --tokens 5 --stats >"$T/one" 2>"$T/stats"
check "one line of statistics" sh -c '
    test "$(wc -l <"$1")" -eq 1 &&
        grep -q "prompt 4 tokens, bucket 32, prefill .* ms; 5 tokens, .* tokens/s; cpu" "$1"' sh "$T/stats"
anerun "$T/tales.pkg" --prompt "Once" --greedy --tokens 400 --ignore-eos >"$T/one" 2>"$T/errors"
check "the context's end is said" grep -q "context of 256 tokens" "$T/errors"
words=$(i=0; while [ $i -lt 400 ]; do printf 'one two '; i=$((i + 1)); done)
check_error "a prompt that is too long" 1 "takes at most 256" tell --prompt "$words"
check "an empty prompt begins a story" tell --prompt "" --tokens 5 --greedy
finish
