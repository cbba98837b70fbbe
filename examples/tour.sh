#!/bin/sh
# A tour of the tools on the model that ships: sh examples/tour.sh (after make). It writes into a temporary
# folder.
set -eu

cd "$(dirname "$0")/.."
bin=${BUILD:-build}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
say() { printf '\n== %s\n' "$1"; }

say "Compile: one program for each attention and MLP, for each sequence length; what each pass did"
"$bin/anec" models/gpt2.anel --weights models/tales -o "$out/tales.pkg" --stats

say "The package is data: a manifest, MIL text, weights"
find "$out/tales.pkg" -type f | sed "s,$out/,," | sort | head -n 12

say "Why programs begin and end where they do (the first lines of --explain)"
"$bin/anec" models/gpt2.anel --weights models/tales -o "$out/tales.pkg" --explain -q | head -n 10

say "What the Neural Engine would be given for the first MLP at 32 tokens (read, checked and printed by anec)"
"$bin/anec" "$out/tales.pkg/mil/mlp_00.s0032.mil" --emit mil | cut -c 1-100 | head -n 12

say "The same prompt and seed give the same text, on any number of threads"
"$bin/anerun" "$out/tales.pkg" --prompt "Once upon a time" --tokens 30 --seed 4 --threads 1
"$bin/anerun" "$out/tales.pkg" --prompt "Once upon a time" --tokens 30 --seed 4 --stats

say "Where the time goes (the first steps of --trace)"
"$bin/anerun" "$out/tales.pkg" --prompt "Once upon a time" --tokens 2 --trace 2>&1 >/dev/null | head -n 6

say "Another size without a checkpoint: GPT-2 with 2 layers of width 64 and made-up weights"
"$bin/anec" models/gpt2.anel --set layers=2 --set dim=64 --set heads=4 --set vocab=100 --set context=64 \
    --random-weights 1 -o "$out/made.pkg"
"$bin/anerun" "$out/made.pkg" --ids 1,2,3 --logits "$out/logits"
ls -l "$out/logits" | awk '{ print $5 " bytes: 3 rows of 100 float32" }'
