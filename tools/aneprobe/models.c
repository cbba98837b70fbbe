/* Probes of what language models are made of. */
#include <stdlib.h>

#include "tools/aneprobe/probes.h"

/* ---- attention ---- */

enum { HEADS = 2, TOKENS = 64, HEAD = 64, MASKED_HALF = 0xf0e2 /* -10000 */ };

static Node build_slice(Draft *b, const Node *x, int64_t first, Node shape)
{
    Node begin = draft_ints(b, (int64_t[]){0, first, 0, 0}, 4), size = draft_ints(b, shape.dim, 4);
    return draft_op(b, shape, "slice_by_size(begin = %s, size = %s, x = %s)", begin.name, size.name, x->name);
}

static Node build_causal_mask(Draft *b)
{
    static uint16_t mask[TOKENS * TOKENS];
    for (int q = 0; q < TOKENS; q++)
        for (int k = 0; k < TOKENS; k++)
            mask[q * TOKENS + k] = k <= q ? 0 : MASKED_HALF;
    return draft_bytes(b, DT_FP16, node4(1, 1, TOKENS, TOKENS), mask, sizeof mask);
}

static void build_sdpa(Draft *b, bool masked)
{
    Node x = draft_input4(b, "x", node4(1, 3 * HEADS, TOKENS, HEAD)), part[3], y;
    Node one = node4(1, HEADS, TOKENS, HEAD);
    for (int i = 0; i < 3; i++)
        part[i] = build_slice(b, &x, i * HEADS, one);
    if (masked) {
        Node mask = build_causal_mask(b);
        y = draft_op(b, one, "scaled_dot_product_attention(attn_mask = %s, key = %s, query = %s, value = %s)",
                     mask.name, part[1].name, part[0].name, part[2].name);
    } else {
        y = draft_op(b, one, "scaled_dot_product_attention(key = %s, query = %s, value = %s)", part[1].name,
                     part[0].name, part[2].name);
    }
    draft_output(b, &y);
}

bool probe_sdpa_mask(Lab *lab, Result *r, Error *err)
{
    static const char op[] = "op.scaled_dot_product_attention";
    Draft b = {0}, plain = {0};
    Outcome masked, bare;
    Error why = {{0}}, why_bare = {{0}};
    build_sdpa(&b, true);
    build_sdpa(&plain, false);
    if (!try_program(lab, &b, 0, &masked, &why, err) || !try_program(lab, &plain, 0, &bare, &why_bare, err))
        return false;
    if (masked == OUTCOME_RIGHT)
        result_yes(r, true, "the mask is heeded");
    else if (bare == OUTCOME_RIGHT)
        result_yes(r, false, "right without a mask; with one: %s", why.text);
    else
        result_yes(r, false, "%s, and without a mask: %s", why.text, why_bare.text);
    result_line(r, true, op,
                masked == OUTCOME_RIGHT ? "seen"
                : bare == OUTCOME_RIGHT ? "disputed"
                                        : "fails",
                masked == OUTCOME_RIGHT ? "" : "with a mask");
    return true;
}

/* ---- the head ---- */

bool probe_lm_head(Lab *lab, Result *r, Error *err)
{
    static const int outputs[] = {4096, 8192, 16384, 24576, 32768, 50304, 65536};
    enum { SIZES = sizeof outputs / sizeof *outputs, INPUTS = 64, LENGTH = 64 };
    int most = 0;
    Error why = {{0}};
    for (int i = 0; i < SIZES; i++) {
        Draft b = {0};
        Outcome o;
        Node x = draft_input(&b, "x", INPUTS, LENGTH);
        Node w = draft_weight(&b, node4(outputs[i], INPUTS, 1, 1), (Fill){FILL_RANDOM, 0.1});
        Node y = draft_conv(&b, &x, &w);
        draft_output(&b, &y);
        if (!try_program(lab, &b, 0, &o, &why, err))
            return false;
        if (o != OUTCOME_RIGHT)
            break;
        most = outputs[i];
    }
    if (!most) {
        result_yes(r, false, "not even 4096 outputs: %s", why.text);
        return true;
    }
    result_number(r, most, "outputs", "%s%d outputs in one conv%s%s",
                  most == outputs[SIZES - 1] ? "at least " : "", most,
                  most == outputs[SIZES - 1] ? "" : "; more: ", most == outputs[SIZES - 1] ? "" : why.text);
    result_line_number(r, true, "conv_outputs", most, "the next size that was tried fails");
    return true;
}

/* ---- one token ---- */

enum { WIDTH = 768, SHORTEST = 64, KEYS = 1024, DECODE_HEADS = 12 };

static bool time_decode(Lab *lab, Result *r, Draft *b, const char *what, Error *err)
{
    Bench x;
    Timing t;
    Error why;
    if (!bench_prepare(&x, lab, b, err)) {
        bench_close(&x);
        return false;
    }
    if (!bench_load(&x, &why) || !bench_time(&x, NULL, &t, &why)) {
        result_yes(r, false, "%s", why.text);
    } else {
        result_number(r, t.median, "us", "%.1f us for %s: %.0f tokens/s for 12 layers of it", t.median, what,
                      t.median > 0 ? 1e6 / (12 * t.median) : 0);
        result_spread(r, t.least, t.most);
    }
    bench_close(&x);
    return true;
}

bool probe_decode_ffn(Lab *lab, Result *r, Error *err)
{
    Draft b = {0};
    Node x = draft_input(&b, "x", WIDTH, SHORTEST);
    Node up = draft_weight(&b, node4(4 * WIDTH, WIDTH, 1, 1), (Fill){FILL_RANDOM, 0.05});
    Node down = draft_weight(&b, node4(WIDTH, 4 * WIDTH, 1, 1), (Fill){FILL_RANDOM, 0.02});
    Node h = draft_conv(&b, &x, &up);
    h = draft_unary(&b, "tanh", &h);
    Node y = draft_conv(&b, &h, &down);
    draft_output(&b, &y);
    return time_decode(lab, r, &b, "one MLP of 768 channels", err);
}

bool probe_decode_attention(Lab *lab, Result *r, Error *err)
{
    Draft b = {0};
    int64_t head = WIDTH / DECODE_HEADS;
    Node q = draft_input4(&b, "a", node4(1, DECODE_HEADS, SHORTEST, head));
    Node k = draft_input4(&b, "b", node4(1, DECODE_HEADS, KEYS, head));
    Node v = draft_input4(&b, "c", node4(1, DECODE_HEADS, KEYS, head));
    Node s = draft_matmul(&b, &q, &k, true), axis = draft_value(&b, "int32", "-1");
    s = draft_op(&b, s, "softmax(axis = %s, x = %s)", axis.name, s.name);
    Node y = draft_matmul(&b, &s, &v, false);
    draft_output(&b, &y);
    return time_decode(lab, r, &b, "one attention of 12 heads over 1024 keys", err);
}
