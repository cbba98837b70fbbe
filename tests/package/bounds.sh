# What anec itself may take: time that grows with the layers and no faster, and memory that does not grow with
# the weights.
. tests/lib.sh

# The least of several runs: of a machine that is busy, too. The programs alone, without their files.
took() # LAYERS RUNS: milliseconds, user and system
{
    "$B/tests/usage" "$2" anec models/gpt2.anel --set layers="$1" --set dim=48 --set heads=4 --set vocab=100 \
        --random-weights 1 --emit mil -q -o "$T/$1.mil" | awk '{ print $1 + $3 }'
}

grows() # 3 times the layers take 3 times as long; twice that would be on the way to their square
{
    for runs in 3 6 12; do
        few=$(took 32 "$runs") many=$(took 96 "$runs")
        echo "32 layers: $few ms, 96 layers: $many ms"
        awk "BEGIN { exit !($few > 0 && $many < 4.5 * $few) }" && return
    done
    return 1
}
check "time in proportion to the layers" grows

# The limit of data counts what a process writes to, and no mapped checkpoint. 60 MB of it are less than the
# large checkpoint has, and much more than the small one needs.
shape() # FOLDER LAYERS
{
    mkdir "$T/$1"
    cat >"$T/$1/config.json" <<END
{"model_type": "llama", "num_hidden_layers": $2, "num_attention_heads": 8, "num_key_value_heads": 2,
 "hidden_size": 1024, "intermediate_size": 2816, "vocab_size": 512, "max_position_embeddings": 128,
 "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
END
    awk -v layers="$2" '
        function add(name, rows, columns) {
            bytes = 2 * rows * (columns ? columns : 1)
            form = "\"%s\":{\"dtype\":\"F16\",\"shape\":[%d%s],\"data_offsets\":[%d,%d]}"
            entry = sprintf(form, name, rows, columns ? "," columns : "", at, at + bytes)
            text = text (text ? "," : "") entry
            at += bytes
        }
        BEGIN {
            add("model.embed_tokens.weight", 512, 1024)
            add("model.norm.weight", 1024)
            for (i = 0; i < layers; i++) {
                p = "model.layers." i "."
                add(p "input_layernorm.weight", 1024)
                add(p "post_attention_layernorm.weight", 1024)
                add(p "self_attn.q_proj.weight", 1024, 1024)
                add(p "self_attn.k_proj.weight", 256, 1024)
                add(p "self_attn.v_proj.weight", 256, 1024)
                add(p "self_attn.o_proj.weight", 1024, 1024)
                add(p "mlp.gate_proj.weight", 2816, 1024)
                add(p "mlp.up_proj.weight", 2816, 1024)
                add(p "mlp.down_proj.weight", 1024, 2816)
            }
            n = length("{" text "}")
            printf "%03o %03o %d\n", n % 256, int(n / 256), at
            print "{" text "}"
        }' >"$T/header"
    read -r low high size <"$T/header"
    {
        printf "\\$low\\$high\\000\\000\\000\\000\\000\\000"
        sed 1d "$T/header" | tr -d '\n'
        dd if=/dev/zero bs=1048576 count=$((size / 1048576 + 1)) 2>/dev/null | head -c "$size"
    } >"$T/$1/model.safetensors"
}

within() # FOLDER: compiled with 60 MB of data
{
    (ulimit -d 61440 && anec models/llama.anel --weights "$T/$1" -q -o "$T/$1.pkg")
}

shape small 1
shape large 6
if [ "$(uname)" = Linux ] && within small >/dev/null 2>&1; then
    check "the checkpoint is larger than the limit" \
        sh -c '[ "$(wc -c <"$1")" -gt 125829120 ]' sh "$T/large/model.safetensors"
    check "memory that does not grow with the weights" within large
else
    skip "memory that does not grow with the weights" "no limit of data here that a small model keeps"
fi
finish
