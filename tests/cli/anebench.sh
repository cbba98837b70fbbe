# anebench speed and limits on the shipped model, with a peer that is a script.
. tests/lib.sh

anec models/gpt2.anel --weights models/tales -q -o "$T/tales.pkg"
check "limits are numbers" anebench limits --threads 1 --size 16 --json
cp "$T/stdout" "$T/limits"
check "and positive ones" grep -Eq '"read_gb_s": [0-9]*[1-9][0-9.]*, "gflop_s": [0-9]*[1-9]' "$T/limits"

peer='echo {prefill} {decode} {threads} {prompt} >>"$T/peer"; echo "speed: 100.0 tok/s 3 ms"'
check "speed beside a peer" anebench speed "$T/tales.pkg" --prefill 16,32,100000 \
    --decode 8 --prompt 8 --threads 1 --rounds 3 \
    --peer "same=$peer" --peer 'broken=exit 3' --json "$T/o.json" --svg "$T/o.svg"
cp "$T/stdout" "$T/table"
printf '%s\n' '16 0 1 8' '32 0 1 8' '0 8 1 8' | sed 'p;p' >"$T/want"
check_same "the peer ran three rounds of each case, but none that the package cannot hold" "$T/want" "$T/peer"
check "a peer that fails is told of" grep -q '^broken, decode 8: failed with status 3' "$T/table"
check "its speed was read" grep -Eq '^decode 8 +1 +[0-9.]+ +[0-9]+ % +100\.0 +[0-9.]+x' "$T/table"
check "JSON has all rounds" test "$(grep -c '^ *100.0,*$' "$T/o.json")" = 9
check "the chart is SVG" grep -q '</svg>' "$T/o.svg"
check_error "no package" 1 "no such folder" anebench speed "$T/absent.pkg"
check_error "a context too short" 1 "the model's context is" anebench speed "$T/tales.pkg" --decode 100000
check_error "a peer without a command" 1 "wants NAME=COMMAND" anebench speed "$T/tales.pkg" --peer x
check_error "threads that are none" 1 "wants up to" anebench speed "$T/tales.pkg" --threads 0,x
finish
