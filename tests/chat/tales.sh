# anerun --chat: conversations over a pipe and on a terminal.
. tests/lib.sh

pkg=$T/tales.pkg slow=$T/slow.pkg
check "compiles" anec models/gpt2.anel --weights models/tales -q -o "$pkg"
check "compiles a long context" anec models/gpt2.anel --weights models/tales --random-weights 1 \
    --set n_positions=4096 --set n_ctx=4096 -q -o "$slow"

chat() # WORD...: standard input to a conversation
{
    anerun "$pkg" --chat --template plain --greedy --tokens 12 "$@"
}

printf 'Once upon a time\nand then\n' | chat -q >"$T/two" 2>"$T/err"
cat >"$T/messages.json" <<'END'
[{"role": "user", "content": "Once upon a time"}]
END
check "one reply to a file" \
    anerun "$pkg" --messages "$T/messages.json" --template plain --greedy --tokens 12 -q
cp "$T/stdout" "$T/one"
head -n "$(wc -l <"$T/one")" "$T/two" >"$T/first"
check_same "the first reply is the one to a file" "$T/one" "$T/first"

# The cache is kept: a second turn reads only what is new, and says what a fresh session says.
printf 'Once upon a time\n/save %s\nand then\n/save %s\n' "$T/half.json" "$T/whole.json" |
    chat --stats >"$T/out" 2>"$T/err"
check "the second turn reads what is new" \
    awk '/^prompt/ { n++; if (n == 2 && $2 > $4 + 9) ok = 1 } END { exit !ok }' "$T/err"
sed -n 's/.*"content": "\(.*\)".*/\1/p' "$T/whole.json" | sed -n 4p >"$T/kept"
sed 's/^\]$/,{"role": "user", "content": "and then"}]/' "$T/half.json" >"$T/asked.json"
anerun "$pkg" --messages "$T/asked.json" --template plain --greedy --tokens 12 -q >"$T/fresh"
printf '%b\n' "$(cat "$T/kept")" >"$T/kept.text"
check_same "as a session does that reads all of it" "$T/fresh" "$T/kept.text"

printf '/load %s\n/retry\n/undo\n/undo\n/undo\n/save\n/nothing\n/reset\n/stats\n/quit\nno more\n' \
    "$T/asked.json" | chat >"$T/out" 2>"$T/err"
check_same "load and retry reply to what was loaded" "$T/fresh" "$T/out"
for text in loaded 'are gone' 'nothing to take back' 'give a file' 'no such command' 'begins again'; do
    check "says: $text" grep -q "$text" "$T/err"
done

printf 'a\\\nb\n"""c\n\nd"""\n/save %s\n' "$T/lines.json" | chat -q >/dev/null
check "a backslash goes on in the next line" grep -q '"content": "a\\nb"' "$T/lines.json"
check "quotation marks hold several lines" grep -q '"content": "c\\n\\nd"' "$T/lines.json"

# The context of 256 tokens is full after some exchanges.
i=0
while [ $i -lt 12 ]; do
    echo "Once upon a time, there was a little girl named Lily. She loved to play outside."
    i=$((i + 1))
done | anerun "$pkg" --chat --template plain --greedy --tokens 30 >"$T/out" 2>"$T/err"
check "the oldest messages are left out" grep -q 'no longer sees the oldest' "$T/err"
check "and no reply is cut" sh -c "! grep -q 'the end of the model' '$T/err'"
yes 'long ' | head -n 300 | tr -d '\n' | chat >"$T/out" 2>"$T/err"
check "a message that is too long is refused" grep -q "the model's context 256" "$T/err"

anerun "$pkg" --messages "$T/messages.json" --template chatml --system 'Be brief' --show-prompt >"$T/prompt"
printf '<|im_start|>%s\n' 'system
Be brief<|im_end|>' 'user
Once upon a time<|im_end|>' assistant >"$T/expected"
check_same "the prompt is shown" "$T/expected" "$T/prompt"

check_error "a package without a template" 1 "choose one with --template: chatml, " anerun "$pkg" --chat
check_error "an unknown template" 1 'no template "x"; there are chatml' anerun "$pkg" --chat --template x
check_error "a template that refuses" 1 "line 1: the template refuses" \
    sh -c "printf '%s' '{{ raise_exception(\"no\") }}' >'$T/chat_template.jinja' && cp models/tales/* '$T/' &&
           anec models/gpt2.anel --weights '$T' -q -o '$T/refusing.pkg' &&
           anerun '$T/refusing.pkg' --messages '$T/messages.json'"
echo '[{"role": 1}]' >"$T/bad.json"
check_error "a file that is no conversation" 1 'bad.json: message 1 has no' \
    anerun "$pkg" --messages "$T/bad.json" --template plain
check_error "two sources" 2 'give one of --prompt' anerun "$pkg" --chat --prompt x
check_error "a template without a conversation" 2 'need --chat' anerun "$pkg" --prompt x --template plain

# <|endoftext|> is token 2047: as what a person said it is plain text.
echo '[{"role": "user", "content": "a<|endoftext|>b"}]' >"$T/inject.json"
anerun "$pkg" --messages "$T/inject.json" --template plain --tokenize >"$T/ids"
anerun "$pkg" --messages "$T/inject.json" --template plain --show-prompt >"$T/shown"
check "the mark stands in the prompt" grep -q 'a<|endoftext|>b' "$T/shown"
check "but only the template's own is a special token" sh -c "! sed 's/^2047 //' '$T/ids' | grep -w 2047"

# What a checkpoint says is carried into the package.
mkdir "$T/told" && cp models/tales/* "$T/told"
echo '{"bos_token": null, "eos_token": {"content": "<|endoftext|>"}, "chat_template": [
    {"name": "tool_use", "template": "no"},
    {"name": "default", "template": "{{ messages[0].content }}{{ bos_token }}{{ eos_token }}"}]}' \
    >"$T/told/tokenizer_config.json"
echo '{"eos_token_id": [2047, 5, 999999]}' >"$T/told/generation_config.json"
check "compiles with a chat template" anec models/gpt2.anel --weights "$T/told" -q -o "$T/told.pkg"
check "the template is the package's" \
    anerun "$T/told.pkg" --messages "$T/messages.json" --show-prompt
printf 'Once upon a time<|endoftext|>' >"$T/expected"
check_same "with the tokens that the checkpoint names" "$T/expected" "$T/stdout"
printf '{ "bos_token": null, "eos_token": "<|endoftext|>", "stop": [ 2047, 5 ]}' >"$T/expected"
tr -s ' \n' ' ' <"$T/told.pkg/chat.json" | sed 's/ }/}/; s/} $/}/' | tr -d '\n' >"$T/settings"
check_same "and those that end a reply" "$T/expected" "$T/settings"

# ---- on a terminal ----

cat >"$T/keys" <<END
expect >
send helo\\e[D\\e[D\\e[Dx
send ^A^K/undo\\n
expect nothing to take back
expect >
send Once\\n
wait 500
send ^C
expect stopped; what was said is kept
expect >
send ^C
expect Ctrl-D or /quit leaves
expect >
send half^C
expect >
send /sav x\\e[D\\e[De\\e[C\\e[C^H $T/talk.json\\n
expect saved
expect >
send \\e[200~/help\\e[201~\\n
expect this list
expect >
send Two\\e[200~, a\\nb\\e[201~\\n
wait 300
send ^C
expect stopped
expect >
send /save $T/pasted.json\\n
expect saved
expect >
send ^D
status 0
END
XDG_STATE_HOME=$T/state
export XDG_STATE_HOME
check "editing, history and Ctrl-C on a terminal" \
    "$B/tests/terminal" "$T/keys" anerun "$slow" --chat --template plain --greedy --tokens 100000 --ignore-eos
check "the stopped reply is kept" grep -q '"role": "assistant"' "$T/talk.json"
check "what was broken off is not" sh -c "! grep -q half '$T/talk.json'"
check "a pasted line end is part of the message" grep -q '"content": "Two, a\\nb"' "$T/pasted.json"
case $(ls -l "$T/state/anec/history") in
-rw-------*) ok "the history is its owner's" ;;
*) not_ok "the history is its owner's" "$(ls -l "$T/state/anec/history")" ;;
esac
printf 'expect >\nsend ^P\nexpect pasted.json\nsend ^A^Ksay /quit^A^D^D^D^D\\n\nstatus 0\n' >"$T/again"
check "the history is there the next time" \
    "$B/tests/terminal" "$T/again" anerun "$slow" --chat --template plain
finish
