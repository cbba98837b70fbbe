# What becomes one program: by --fuse, by the profile's ops and limits, and by its costs.
. tests/lib.sh

explained() # NAME OPTION...: $T/said
{
    what=$1
    shift
    check "$what: compiles" anec --random-weights 1 --explain -o "$T/p.pkg" "$@"
    cp "$T/stdout" "$T/said"
    cp "$T/stderr" "$T/warned"
    rm -rf "$T/p.pkg"
}

# The MLP behind the last attention is the head's.
programs() # NAME COUNT
{
    check "$1: $2 programs" grep -q "^$2 ANE programs for each bucket, one dispatch each;" "$T/said"
}

profile() # NAME LINE...
{
    name=$T/$1.profile
    shift
    printf '%s\n' "$@" >"$name"
}

check "a stage" sh -c 'anec --list-passes | grep -q "^grow "'

# GPT-2's shape: 12 layers.
explained "GPT-2, safe" models/gpt2.anel
programs "GPT-2, safe" 23
check "safe does not speak for norms" \
    grep -q 'block  *12 programs, .*; not by itself: norms need layer_norm' "$T/said"
check "and says nothing of what was not asked for" sh -c '! grep -q warning "$1"' sh "$T/warned"
explained "GPT-2, pairs" models/gpt2.anel --fuse pair --profile m5
programs "GPT-2, pairs" 23
explained "GPT-2, blocks" models/gpt2.anel --fuse block
programs "GPT-2, blocks" 12
check "what safe does not say is warned of" \
    grep -q 'norms need layer_norm, which profile safe has as seen' "$T/warned"
check "no CPU but around the last attention" grep -q '; 3 CPU functions' "$T/said"
check "why it begins" grep -q 'begins: its input comes from block_00' "$T/said"
check "predicted microseconds of a program" grep -q '^    predicted [0-9][0-9]* us' "$T/said"
explained "GPT-2, a limit" models/gpt2.anel --fuse 3
programs "GPT-2, a limit" 12
check "the limit is named" grep -q 'at most 1 block is a program: .*blobs are 16' "$T/warned"
explained "GPT-2, m5, blocks" models/gpt2.anel --fuse block --profile m5
programs "GPT-2, m5, blocks" 12
check "native norms need no warning" sh -c '! grep -q warning "$1"' sh "$T/warned"
check "native norms" grep -q ' layer_norm 2,' "$T/said"
for n in 2 3 4 5 6; do
    explained "GPT-2, m5, $n" models/gpt2.anel --fuse $n --profile m5
    programs "GPT-2, m5, $n" $(((12 + n - 1) / n))
done
explained "GPT-2, m5, 12" models/gpt2.anel --fuse 12 --profile m5
programs "GPT-2, m5, 12" 2
check "12 blocks are too many constants" \
    grep -q 'at most 10 blocks are a program: .*blobs are 128' "$T/warned"
explained "GPT-2, m5" models/gpt2.anel --profile m5
programs "GPT-2, m5" 6
check "what fits on the chip is chosen" grep -q '2 blocks  *6 programs, .* <- the least' "$T/said"

# The costs decide.
profile dear 'base = m5' 'cost.dispatch_us = 5000' 'cost.cut_us = 6000'
explained "dear dispatches" models/gpt2.anel --profile "$T/dear.profile"
programs "dear dispatches" 2
for chip in 15:12 64:3; do # a block has 14 MB of weights
    profile chip 'base = m5' "cost.sram_bytes = ${chip%:*}000000"
    explained "${chip%:*} MB on the chip" models/gpt2.anel --profile "$T/chip.profile"
    programs "${chip%:*} MB on the chip" "${chip#*:}"
done
profile cheap 'base = m5' 'op.layer_norm = seen' 'cost.dispatch_us = 1' 'cost.cut_us = 1' \
    'cost.rms_norm_us = 1'
explained "dear norms" models/gpt2.anel --profile "$T/cheap.profile" --set layers=4
programs "dear norms" 7
profile native 'op.layer_norm = native' 'op.rsqrt = native' 'op.reduce_mean = native'
explained "safe with norms" models/gpt2.anel --profile "$T/native.profile"
programs "safe with norms" 12

# What a profile has as failing is never forced.
profile nopow 'op.pow = fails'
explained "no pow" models/gpt2.anel --profile "$T/nopow.profile" --fuse block --set layers=2
programs "no pow" 3
check "why not" \
    grep -q 'stay programs of their own: layer_norm beside a program is written with pow' "$T/warned"
profile narrow 'base = m5' 'channels = 3000' 'conv_outputs = 3072'
explained "few channels" models/gpt2.anel --profile "$T/narrow.profile" --fuse 2 --set layers=2
programs "few channels" 2
check "channels are named" grep -q "the profile's channels are 3000" "$T/warned"
profile light 'base = m5' 'weights_bytes = 16000000'
explained "few weights" models/gpt2.anel --profile "$T/light.profile" --fuse 2 --set layers=2
programs "few weights" 2
profile shallow 'base = m5' 'conv_blocks = 5'
explained "few convs" models/gpt2.anel --profile "$T/shallow.profile" --fuse 2 --set layers=2
programs "few convs" 2
explained "no engine" models/gpt2.anel --profile cpu --fuse block --set layers=2
programs "no engine" 0

check_error "no such form" 2 'auto, pair, block or a number' \
    anec models/gpt2.anel --random-weights 1 --fuse all
check_error "no blocks" 2 'auto, pair, block or a number' anec models/gpt2.anel --random-weights 1 --fuse 0
check_error "half a number" 2 'auto, pair, block or a number' \
    anec models/gpt2.anel --random-weights 1 --fuse 2x
finish
