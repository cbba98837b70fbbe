#!/usr/bin/env python3
"""Makes the checkpoints and logits beside this file: small random models in the tensor names and config keys of
Hugging Face transformers, and their logits in double precision by plain numpy, written from the published model
code and not from anything in this repository. Run by hand (python3 make.py) when a family is added; needs numpy.
make.py FILE.gguf OUT.json writes the logits of a Llama in GGUF, F32 and Q8_0."""
import json
import os
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, DIM, HEADS, HEAD, INNER, CONTEXT = 32, 32, 4, 8, 40, 64
IDS = [3, 17, 31, 0, 8, 8, 21, 5, 30, 12, 1, 26]


class Checkpoint:
    """Random tensors, as fp16 numbers so that storing them loses nothing."""

    def __init__(self, seed):
        self.random, self.tensors = np.random.default_rng(seed), {}

    def put(self, name, value):
        self.tensors[name] = value.astype(np.float16)
        return self.tensors[name].astype(np.float64)

    def linear(self, name, out, inputs, bias=True, spread=1.3):
        w = self.put(name + ".weight", self.random.normal(0, spread / np.sqrt(inputs), (out, inputs)))
        b = self.put(name + ".bias", self.random.normal(0, 0.2, out)) if bias else 0
        return lambda x: x @ w.T + b

    def layer_norm(self, name, size, epsilon):
        w = self.put(name + ".weight", 1 + self.random.normal(0, 0.2, size))
        b = self.put(name + ".bias", self.random.normal(0, 0.2, size))

        def run(x):
            mean = x.mean(-1, keepdims=True)
            return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + epsilon) * w + b
        return run

    def rms_norm(self, name, size, epsilon, offset=0):
        w = self.put(name + ".weight", 1 - offset + self.random.normal(0, 0.2, size)) + offset
        return lambda x: x / np.sqrt((x ** 2).mean(-1, keepdims=True) + epsilon) * w

    def table(self, name, rows, size, spread=1.0):
        return self.put(name, self.random.normal(0, spread, (rows, size)))

    def save(self, folder, config, logits):
        os.makedirs(folder, exist_ok=True)
        header, data = {}, b""
        for name, t in self.tensors.items():
            header[name] = {"dtype": "F16", "shape": list(t.shape), "data_offsets": [len(data), len(data) + t.nbytes]}
            data += t.tobytes()
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder + "/model.safetensors", "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + data)
        with open(folder + "/config.json", "w") as f:
            json.dump(config, f, indent=1)
        with open(folder + "/logits.json", "w") as f:
            rows = [[[float("%.9g" % v) for v in row] for row in logits]]
            json.dump({"sequences": [IDS], "logits": rows}, f)


erf = np.vectorize(__import__("math").erf)
ACTIVATIONS = {
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu_new": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def heads_of(x, heads):
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def rotary(x, dims, theta=10000.0, pairs=False, frequencies=None):
    """x [H, S, d]; the first `dims` elements turn, as halves or as pairs."""
    if frequencies is None:
        frequencies = theta ** (-np.arange(0, dims, 2) / dims)
    angle = np.arange(x.shape[1])[:, None] * frequencies[None, :]
    cos, sin = np.cos(angle), np.sin(angle)
    y = x.copy()
    a, b = (slice(0, dims, 2), slice(1, dims, 2)) if pairs else (slice(0, dims // 2), slice(dims // 2, dims))
    y[..., a] = x[..., a] * cos - x[..., b] * sin
    y[..., b] = x[..., b] * cos + x[..., a] * sin
    return y


def attend(q, k, v, scale, window=0, cap=0):
    share = len(q) // len(k)
    k, v = np.repeat(k, share, 0), np.repeat(v, share, 0)
    scores = q @ k.transpose(0, 2, 1) * scale
    if cap:
        scores = np.tanh(scores / cap) * cap
    at = np.arange(q.shape[1])
    hidden = at[None, :] > at[:, None]
    if window:
        hidden |= at[None, :] <= at[:, None] - window
    scores = np.where(hidden, -np.inf, scores)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    out = p / p.sum(-1, keepdims=True) @ v
    return out.transpose(1, 0, 2).reshape(q.shape[1], -1)


def gptneox(name, seed, parallel, part):
    c, x = Checkpoint(seed), None
    x = c.table("gpt_neox.embed_in.weight", VOCAB, DIM)[IDS]
    for i in range(2):
        at = f"gpt_neox.layers.{i}."
        norm1 = c.layer_norm(at + "input_layernorm", DIM, 1e-5)
        norm2 = c.layer_norm(at + "post_attention_layernorm", DIM, 1e-5)
        qkv = heads_of(c.linear(at + "attention.query_key_value", 3 * DIM, DIM)(norm1(x)), HEADS)
        q, k, v = qkv[..., :HEAD], qkv[..., HEAD:2 * HEAD], qkv[..., 2 * HEAD:]
        turned = int(HEAD * part)
        a = attend(rotary(q, turned), rotary(k, turned), v, HEAD ** -0.5)
        a = c.linear(at + "attention.dense", DIM, DIM)(a)
        up, down = c.linear(at + "mlp.dense_h_to_4h", INNER, DIM), c.linear(at + "mlp.dense_4h_to_h", DIM, INNER)
        x = x + a + down(ACTIVATIONS["gelu"](up(norm2(x if parallel else x + a))))
    x = c.layer_norm("gpt_neox.final_layer_norm", DIM, 1e-5)(x)
    logits = c.linear("embed_out", VOCAB, DIM, bias=False)(x)
    c.save(f"{HERE}/{name}", {
        "model_type": "gpt_neox", "hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "intermediate_size": INNER, "max_position_embeddings": CONTEXT, "vocab_size": VOCAB, "rotary_pct": part,
        "rotary_emb_base": 10000, "use_parallel_residual": parallel, "layer_norm_eps": 1e-5, "hidden_act": "gelu",
        "tie_word_embeddings": False}, logits)


def gptj(name, seed):
    c = Checkpoint(seed)
    x = c.table("transformer.wte.weight", VOCAB, DIM)[IDS]
    for i in range(2):
        at = f"transformer.h.{i}."
        n = c.layer_norm(at + "ln_1", DIM, 1e-5)(x)
        q, k, v = (heads_of(c.linear(f"{at}attn.{p}_proj", DIM, DIM, bias=False)(n), HEADS) for p in "qkv")
        a = attend(rotary(q, 4, pairs=True), rotary(k, 4, pairs=True), v, HEAD ** -0.5)
        a = c.linear(at + "attn.out_proj", DIM, DIM, bias=False)(a)
        up, down = c.linear(at + "mlp.fc_in", 4 * DIM, DIM), c.linear(at + "mlp.fc_out", DIM, 4 * DIM)
        x = x + a + down(ACTIVATIONS["gelu_new"](up(n)))
    x = c.layer_norm("transformer.ln_f", DIM, 1e-5)(x)
    logits = c.linear("lm_head", VOCAB, DIM)(x)
    c.save(f"{HERE}/{name}", {
        "model_type": "gptj", "n_embd": DIM, "n_layer": 2, "n_head": HEADS, "n_inner": None, "n_positions": CONTEXT,
        "rotary_dim": 4, "vocab_size": VOCAB, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
        "tie_word_embeddings": False}, logits)


def phi(name, seed, normed, groups):
    c = Checkpoint(seed)
    x = c.table("model.embed_tokens.weight", VOCAB, DIM)[IDS]
    for i in range(2):
        at = f"model.layers.{i}."
        n = c.layer_norm(at + "input_layernorm", DIM, 1e-5)(x)
        q = heads_of(c.linear(at + "self_attn.q_proj", DIM, DIM)(n), HEADS)
        k, v = (heads_of(c.linear(f"{at}self_attn.{p}_proj", groups * HEAD, DIM)(n), groups) for p in "kv")
        if normed:
            q = c.layer_norm(at + "self_attn.q_layernorm", HEAD, 1e-5)(q)
            k = c.layer_norm(at + "self_attn.k_layernorm", HEAD, 1e-5)(k)
        a = attend(rotary(q, 4), rotary(k, 4), v, HEAD ** -0.5)
        a = c.linear(at + "self_attn.dense", DIM, DIM)(a)
        up, down = c.linear(at + "mlp.fc1", INNER, DIM), c.linear(at + "mlp.fc2", DIM, INNER)
        x = x + a + down(ACTIVATIONS["gelu_new"](up(n)))
    x = c.layer_norm("model.final_layernorm", DIM, 1e-5)(x)
    logits = c.linear("lm_head", VOCAB, DIM)(x)
    c.save(f"{HERE}/{name}", {
        "model_type": "phi", "hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": HEADS,
        "num_key_value_heads": groups, "intermediate_size": INNER, "max_position_embeddings": CONTEXT,
        "vocab_size": VOCAB, "partial_rotary_factor": 0.5, "qk_layernorm": normed, "layer_norm_eps": 1e-5,
        "hidden_act": "gelu_new", "rope_theta": 10000.0, "tie_word_embeddings": False}, logits)


def gemma(name, seed, second):
    c, head, groups = Checkpoint(seed), 16, 2 if second else 1
    layers, cap, limit, window = (3, 5.0, 3.0, 4) if second else (2, 0, 0, 0)
    table = c.table("model.embed_tokens.weight", VOCAB, DIM, spread=DIM ** -0.5)
    x = table[IDS] * np.sqrt(DIM)
    for i in range(layers):
        at = f"model.layers.{i}."
        norm = lambda what: c.rms_norm(at + what, DIM, 1e-6, offset=1)
        n = norm("input_layernorm")(x)
        q = heads_of(c.linear(at + "self_attn.q_proj", HEADS * head, DIM, bias=False)(n), HEADS)
        k, v = (heads_of(c.linear(f"{at}self_attn.{p}_proj", groups * head, DIM, bias=False)(n), groups) for p in "kv")
        a = attend(rotary(q, head), rotary(k, head), v, (20 if second else head) ** -0.5,
                   window if i % 2 == 0 else 0, cap)
        a = c.linear(at + "self_attn.o_proj", DIM, HEADS * head, bias=False)(a)
        x = x + (norm("post_attention_layernorm")(a) if second else a)
        n = norm("pre_feedforward_layernorm" if second else "post_attention_layernorm")(x)
        gate = c.linear(at + "mlp.gate_proj", INNER, DIM, bias=False)
        up, down = c.linear(at + "mlp.up_proj", INNER, DIM, bias=False), c.linear(at + "mlp.down_proj", DIM, INNER, bias=False)
        m = down(ACTIVATIONS["gelu_new"](gate(n)) * up(n))
        x = x + (norm("post_feedforward_layernorm")(m) if second else m)
    logits = c.rms_norm("model.norm", DIM, 1e-6, offset=1)(x) @ table.T
    if limit:
        logits = np.tanh(logits / limit) * limit
    config = {
        "model_type": "gemma2" if second else "gemma", "hidden_size": DIM, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": groups, "head_dim": head, "intermediate_size": INNER,
        "max_position_embeddings": CONTEXT, "vocab_size": VOCAB, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "hidden_activation": "gelu_pytorch_tanh"}
    if second:
        config.update({"query_pre_attn_scalar": 20, "attn_logit_softcapping": cap, "final_logit_softcapping": limit,
                       "sliding_window": window})
    c.save(f"{HERE}/{name}", config, logits)


def llama3_frequencies(dims, theta, factor, low, high, length):
    """transformers' _compute_llama3_parameters."""
    f = theta ** (-np.arange(0, dims, 2) / dims)
    wave = 2 * np.pi / f
    smooth = (length / wave - low) / (high - low)
    middle = (1 - smooth) * f / factor + smooth * f
    return np.where(wave > length / low, f / factor, np.where(wave < length / high, f, middle))


def llama(name, seed, scaling, window_from=None, bias=False, newer=False):
    c, groups = Checkpoint(seed), 2
    x = c.table("model.embed_tokens.weight", VOCAB, DIM)[IDS]
    f = 100.0 ** (-np.arange(0, HEAD, 2) / HEAD)
    if scaling and scaling["rope_type"] == "linear":
        f = f / scaling["factor"]
    elif scaling:
        f = llama3_frequencies(HEAD, 100.0, scaling["factor"], scaling["low_freq_factor"],
                               scaling["high_freq_factor"], scaling["original_max_position_embeddings"])
    for i in range(2):
        at = f"model.layers.{i}."
        n = c.rms_norm(at + "input_layernorm", DIM, 1e-5)(x)
        q = heads_of(c.linear(at + "self_attn.q_proj", DIM, DIM, bias=bias)(n), HEADS)
        k, v = (heads_of(c.linear(f"{at}self_attn.{p}_proj", groups * HEAD, DIM, bias=bias)(n), groups) for p in "kv")
        near = 4 if window_from is not None and i >= window_from else 0
        a = attend(rotary(q, HEAD, frequencies=f), rotary(k, HEAD, frequencies=f), v, HEAD ** -0.5, near)
        x = x + c.linear(at + "self_attn.o_proj", DIM, DIM, bias=False)(a)
        n = c.rms_norm(at + "post_attention_layernorm", DIM, 1e-5)(x)
        gate, up = (c.linear(f"{at}mlp.{p}_proj", INNER, DIM, bias=False) for p in ("gate", "up"))
        x = x + c.linear(at + "mlp.down_proj", DIM, INNER, bias=False)(ACTIVATIONS["silu"](gate(n)) * up(n))
    logits = c.linear("lm_head", VOCAB, DIM, bias=False)(c.rms_norm("model.norm", DIM, 1e-5)(x))
    config = {
        "model_type": "qwen2" if bias else "llama", "hidden_size": DIM, "num_hidden_layers": 2,
        "num_attention_heads": HEADS, "num_key_value_heads": groups, "intermediate_size": INNER,
        "max_position_embeddings": CONTEXT, "vocab_size": VOCAB, "rms_norm_eps": 1e-5, "rope_theta": 100.0,
        "rope_scaling": scaling, "hidden_act": "silu", "tie_word_embeddings": False}
    if newer:  # as transformers 5 writes it
        del config["rope_theta"], config["rope_scaling"]
        config["rope_parameters"] = dict(scaling, rope_theta=100.0)
    if window_from is not None:
        config.update({"use_sliding_window": True, "sliding_window": 4, "max_window_layers": window_from})
    c.save(f"{HERE}/{name}", config, logits)


class Gguf:
    """The metadata and tensors of a GGUF file, version 3."""
    SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        self.data, self.at, self.keys, self.tensors = open(path, "rb").read(), 8, {}, {}
        tensors, keys = self.number("Q"), self.number("Q")
        for _ in range(keys):
            key = self.text()
            self.keys[key] = self.value(self.number("I"))
        infos = []
        for _ in range(tensors):
            name, rank = self.text(), self.number("I")
            shape = [self.number("Q") for _ in range(rank)][::-1]
            infos.append((name, shape, self.number("I"), self.number("Q")))
        start = (self.at + 31) // 32 * 32
        for name, shape, kind, offset in infos:
            self.tensors[name] = self.numbers(kind, start + offset, int(np.prod(shape))).reshape(shape)

    def number(self, code):
        (v,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize(code)
        return v

    def text(self):
        n = self.number("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, n = self.number("I"), self.number("Q")
            return [self.value(kind) for _ in range(n)]
        return self.number(self.SIZES[kind])

    def numbers(self, kind, at, n):
        if kind == 0:
            return np.frombuffer(self.data, "<f4", n, at).astype(np.float64)
        assert kind == 8  # Q8_0: a half scale and 32 bytes
        blocks = np.frombuffer(self.data, np.dtype([("d", "<f2"), ("q", "i1", 32)]), n // 32, at)
        return (blocks["d"].astype(np.float64)[:, None] * blocks["q"]).ravel()


def gguf_llama(path, out):
    g = Gguf(path)
    k = lambda key: g.keys["llama." + key]
    w = lambda name: g.tensors[name + ".weight"]
    heads, groups, epsilon = k("attention.head_count"), k("attention.head_count_kv"), k("attention.layer_norm_rms_epsilon")
    norm = lambda x, name: x / np.sqrt((x ** 2).mean(-1, keepdims=True) + epsilon) * w(name)
    ids = [i % k("vocab_size") for i in IDS][:k("context_length")]
    x, d = w("token_embd")[ids], k("embedding_length") // heads
    for i in range(k("block_count")):
        at = f"blk.{i}."
        n = norm(x, at + "attn_norm")
        q, key, v = (heads_of(n @ w(at + "attn_" + p).T, h) for p, h in (("q", heads), ("k", groups), ("v", groups)))
        theta = k("rope.freq_base")
        q, key = (rotary(t, d, theta, pairs=True) for t in (q, key))  # GGUF has the rows of q and k in pairs
        x = x + attend(q, key, v, d ** -0.5) @ w(at + "attn_output").T
        n = norm(x, at + "ffn_norm")
        x = x + (ACTIVATIONS["silu"](n @ w(at + "ffn_gate").T) * (n @ w(at + "ffn_up").T)) @ w(at + "ffn_down").T
    head = g.tensors.get("output.weight", w("token_embd"))
    logits = norm(x, "output_norm") @ head.T
    with open(out, "w") as f:
        json.dump({"sequences": [ids], "logits": [[[float("%.9g" % v) for v in row] for row in logits]]}, f)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        gguf_llama(*sys.argv[1:])
        sys.exit()
    gptneox("gptneox", 1, True, 0.5)
    gptneox("gptneox-serial", 2, False, 1.0)
    gptj("gptj", 3)
    phi("phi", 4, False, HEADS)
    phi("phi-normed", 5, True, 2)
    gemma("gemma", 6, False)
    gemma("gemma2", 7, True)
    llama("llama-linear", 8, {"rope_type": "linear", "factor": 4.0})
    llama("llama-llama3", 9, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                              "original_max_position_embeddings": 32})
    llama("llama-newer", 9, {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                             "original_max_position_embeddings": 32}, newer=True)
    llama("qwen2-window", 10, None, window_from=1, bias=True)
