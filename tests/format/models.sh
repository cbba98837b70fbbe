# The shipped models are in the usual layout; rewriting a file keeps what it means; input from a pipe.
. tests/lib.sh

check "the shipped models are formatted" anec format --check models/*.anel
sed 's/^ *//; s/ *= */=/' models/llama.anel >"$T/flat.anel"
anec format --check "$T/flat.anel" >"$T/found" && echo clean >"$T/found"
echo "$T/flat.anel" >"$T/expected"
check_same "a flat file is found" "$T/expected" "$T/found"
check "it is rewritten" anec format --in-place "$T/flat.anel"
check "and is formatted now" anec format --check "$T/flat.anel"
anec models/llama.anel --emit ast >"$T/before"
anec "$T/flat.anel" --emit ast >"$T/after"
check_same "with the same tree" "$T/before" "$T/after"
anec --format - <models/gpt2.anel >"$T/piped"
check_same "standard input" models/gpt2.anel "$T/piped"
check_error "no file" 2 "which files" anec format
finish
