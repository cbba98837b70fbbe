# make bench: decode and prefill of two model shapes with made-up weights, and decode of one with weights of 8
# bits, beside the peers that are there and the machine's limits. Leaves a table, JSON and a chart for each in
# $BUILD/bench/.
#
# Peers, each where its variables are set (docs/performance.md):
#   LLAMA_BENCH (or llama-bench in PATH), GPT2_GGUF, LLAMA_GGUF   GGUF files of the two shapes, F16
#   GPT2_Q8_GGUF                                                  and of the first in Q8_0
#   LLAMA2C, LLAMA2C_MODEL, LLAMA2C_TOKENIZER                     llama2.c, a model of the second shape
#   BENCH_PEER='NAME=COMMAND'                                     any other, as for anebench speed --peer;
#                                                                 {shape} becomes gpt2 or llama
#   BENCH_PEER_INT8='NAME=COMMAND'                                the same for weights of 8 bits
# BENCH_ARGS: options of anebench speed, such as '--rounds 9 --prefill 128 --threads 2'.
set -eu
BUILD=${BUILD:-build}
out=$BUILD/bench
mkdir -p "$out"

package() # NAME MODEL SET...: made once
{
    name=$1 model=$2
    shift 2
    if [ ! -d "$out/$name.pkg" ]; then
        "$BUILD/anec" "models/$model.anel" "$@" --random-weights 1 -q -o "$out/$name.pkg"
    fi
}

measure() # NAME SHAPE PEER OPTION...
{
    name=$1 shape=$2 peer=$3
    shift 3
    # shellcheck disable=SC2086 # BENCH_ARGS are words
    set -- ${BENCH_ARGS:-} "$@"
    if [ -n "$peer" ]; then
        set -- "$@" --peer "$(printf '%s' "$peer" | sed "s/{shape}/$shape/g")"
    fi
    "$BUILD/anebench" speed "$out/$name.pkg" --json "$out/$name.json" --svg "$out/$name.svg" "$@" |
        tee "$out/$name.txt"
}

package gpt2-124m gpt2
package gpt2-124m-int8 gpt2 --decode-weights int8
package stories-110m llama --set layers=12 --set heads=12 --set dim=768 --set inner=2048 --set context=1024 \
    --set vocab=32000

"$BUILD/anebench" limits --threads 1
"$BUILD/anebench" limits
echo
(
    unset LLAMA2C_MODEL
    if [ -n "${GPT2_GGUF:-}" ]; then export LLAMA_BENCH_MODEL="$GPT2_GGUF"; fi
    measure gpt2-124m gpt2 "${BENCH_PEER:-}"
)
echo
(
    unset LLAMA2C_MODEL LLAMA_BENCH_MODEL
    if [ -n "${GPT2_Q8_GGUF:-}" ]; then export LLAMA_BENCH_MODEL="$GPT2_Q8_GGUF"; fi
    measure gpt2-124m-int8 gpt2 "${BENCH_PEER_INT8:-}" --prefill 0
)
echo
if [ -n "${LLAMA_GGUF:-}" ]; then export LLAMA_BENCH_MODEL="$LLAMA_GGUF"; fi
measure stories-110m llama "${BENCH_PEER:-}"
echo "tables, JSON and charts are in $out/"
