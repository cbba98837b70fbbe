/* Attention as one step: softmax(scale Q K^T + mask) V. Here over keys that were computed now (prefill);
 * decode.c has the form that reads a KV cache. */
#include "runtime/cpu/attention.h"

#include "base/half.h"

/* ---- the chain from the product with V back to Q and K ---- */

static bool is_last_axis(const Op *softmax)
{
    int64_t axis = -1;
    int rank = softmax->result[0]->type->rank;
    return (!op_arg(softmax, "axis") || arg_int(softmax, "axis", &axis)) && (axis == -1 || axis == rank - 1);
}

static bool flag_of(const Op *op, const char *key, bool *out)
{
    *out = false;
    return !op_arg(op, key) || arg_bool(op, key, out);
}

/* Whether v is a product of matrices, or one that was scaled. */
static bool leads_to_product(const Value *v)
{
    double factor;
    for (v = cpu_through_casts(v); v->def; v = cpu_through_casts(v)) {
        const Op *op = v->def;
        if (op->code == OP_MATMUL)
            return true;
        if (op->code != OP_MUL && op->code != OP_REAL_DIV)
            return false;
        v = cpu_scalar_const(op_arg(op, "x"), &factor) ? op_arg(op, "y") : op_arg(op, "x");
    }
    return false;
}

/* Takes one op off the front of the scores: a scale, or (before any scale is met) the mask. */
static const Value *peel(Scores *s, const Op *op)
{
    const Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    double factor;
    if (op->code == OP_ADD && !s->mask && !s->scaled) {
        bool swapped = leads_to_product(y) && !leads_to_product(x);
        s->mask = swapped ? x : y;
        return swapped ? y : x;
    }
    if (op->code == OP_MUL && cpu_scalar_const(x, &factor)) {
        s->scale *= factor;
        s->scaled = true;
        return y;
    }
    if ((op->code == OP_MUL || op->code == OP_REAL_DIV) && cpu_scalar_const(y, &factor)) {
        s->scale = op->code == OP_MUL ? s->scale * factor : s->scale / factor;
        s->scaled = true;
        return x;
    }
    return NULL;
}

static void take(Scores *s, const Value *v)
{
    s->inner[s->inners++] = v->def;
}

/* Behind casts, which join the group. */
static const Value *behind_casts(Scores *s, const Value *v)
{
    while (cpu_def_of(v, OP_CAST) && cpu_through_casts(v) != v && s->inners < SCORES_INNER) {
        take(s, v);
        v = op_arg(v->def, "x");
    }
    return v;
}

/* Every value of the list is the same one: a repetition that was written out. */
static const Value *same_pieces(const Op *concat)
{
    const Arg *pieces = op_find_arg(concat, "values");
    for (int i = 1; pieces && i < pieces->count; i++)
        if (pieces->values[i] != pieces->values[0])
            return NULL;
    return pieces && pieces->count ? pieces->values[0] : NULL;
}

/* Behind the repetition by which several query heads share a head of keys: [.., KV, 1, S, d] to
 * [.., KV, n, S, d], reshaped to [.., KV n, S, d]. Other values stay. */
static const Value *behind_repeat(const Value *v)
{
    const Value *whole = cpu_through_casts(v);
    const Op *reshape = cpu_def_of(whole, OP_RESHAPE);
    const Value *many = reshape ? op_arg(reshape, "x") : NULL;
    const Op *tile = cpu_def_of(many, OP_TILE), *concat = cpu_def_of(many, OP_CONCAT);
    const Value *one = tile ? op_arg(tile, "x") : concat ? same_pieces(concat) : NULL;
    if (!one || one->type->rank < 4 || one->type->rank != many->type->rank)
        return v;
    int r = one->type->rank, n = whole->type->rank;
    for (int i = 0; i < r; i++)
        if (one->type->dim[i] != (i == r - 3 ? 1 : many->type->dim[i]))
            return v;
    for (int i = 1; i <= 2; i++)
        if (n < 3 || whole->type->dim[n - i] != many->type->dim[r - i])
            return v;
    return one;
}

/* Elements of all axes but the last two. */
static int64_t head_count(const Type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank - 2; i++)
        n *= t->dim[i];
    return n;
}

/* [.., rows, columns], or turned. */
static bool ends_with(const Type *t, bool turned, int64_t rows, int64_t columns)
{
    int r = t->rank;
    return r >= 2 && t->dim[r - 2] == (turned ? columns : rows) && t->dim[r - 1] == (turned ? rows : columns);
}

static bool read_shapes(Scores *s, const Op *product, const Op *pv)
{
    const Type *q = s->q->type, *p = product->result[0]->type;
    int r = p->rank;
    if (r < 3 || q->rank != r || s->k->type->rank != r || s->v->type->rank != r ||
        pv->result[0]->type->rank != r)
        return false;
    s->k = behind_repeat(s->k);
    s->v = behind_repeat(s->v);
    s->heads = head_count(q);
    s->kv_heads = head_count(s->k->type);
    s->queries = p->dim[r - 2];
    s->keys = p->dim[r - 1];
    s->d = q->dim[s->q_turned ? r - 2 : r - 1];
    return s->kv_heads > 0 && head_count(s->v->type) == s->kv_heads && s->heads > 0 &&
           s->heads % s->kv_heads == 0 && s->d > 0 && s->queries > 0 && s->keys > 0 &&
           ends_with(s->k->type, s->k_turned, s->keys, s->d) &&
           ends_with(s->v->type, s->v_turned, s->keys, s->d);
}

bool cpu_match_scores(Lowering *l, const Op *pv, Scores *s)
{
    bool flip = false;
    *s = (Scores){.scale = 1};
    if (pv->code != OP_MATMUL || !flag_of(pv, "transpose_x", &flip) || flip ||
        !flag_of(pv, "transpose_y", &s->v_turned) || !dtype_is_float(pv->result[0]->type->dtype))
        return false;
    s->v = op_arg(pv, "y");
    const Value *at = behind_casts(s, op_arg(pv, "x"));
    const Op *softmax = cpu_def_of(at, OP_SOFTMAX);
    if (!softmax || !is_last_axis(softmax))
        return false;
    take(s, at);
    at = behind_casts(s, op_arg(softmax, "x"));
    while (at && at->def && at->def->code != OP_MATMUL && s->inners + 2 < SCORES_INNER) {
        const Value *next = peel(s, at->def);
        if (!next)
            return false;
        take(s, at);
        at = behind_casts(s, next);
    }
    const Op *product = at ? cpu_def_of(at, OP_MATMUL) : NULL;
    bool k_turned;
    if (!product || !flag_of(product, "transpose_x", &s->q_turned) ||
        !flag_of(product, "transpose_y", &k_turned))
        return false;
    take(s, at);
    s->k_turned = !k_turned; /* the product is of Q and K^T */
    s->q = op_arg(product, "x");
    s->k = op_arg(product, "y");
    return read_shapes(s, product, pv);
}

Match *cpu_scores_match(Lowering *l, const Op *root, const Scores *s, bool (*emit)(Lowering *, const Match *),
                        const void *own, size_t size)
{
    Match *m = cpu_match_new(l, root, emit, own, size);
    for (int i = 0; i < s->inners; i++)
        cpu_match_inner(m, s->inner[i]);
    cpu_match_outer(m, s->q);
    cpu_match_outer(m, s->k);
    cpu_match_outer(m, s->v);
    return m;
}

/* ---- prefill ---- */

/* One mask for all heads: [.., S, S] with nothing before. */
static bool is_shared_mask(const Value *mask, int64_t queries, int64_t keys)
{
    const Type *t = mask->type;
    if (t->rank < 2 || t->dim[t->rank - 2] != queries || t->dim[t->rank - 1] != keys)
        return false;
    return type_elements(t) == queries * keys && dtype_is_float(t->dtype);
}

static double mask_at(const void *data, bool half, int64_t i)
{
    return half ? (double)half_to_float(((const uint16_t *)data)[i]) : (double)((const float *)data)[i];
}

static bool row_is_causal(const void *data, bool half, int64_t row, int64_t n)
{
    if (half) { /* the usual case, and a large one: compared as it is */
        const uint16_t *m = (const uint16_t *)data + row * n, hidden = half_from_float((float)MASKED);
        uint16_t differs = 0;
        for (int64_t i = 0; i <= row; i++)
            differs |= m[i];
        for (int64_t i = row + 1; i < n; i++)
            differs |= m[i] ^ hidden;
        return differs == 0;
    }
    for (int64_t i = 0; i < n; i++)
        if (i <= row ? mask_at(data, half, row * n + i) != 0 : mask_at(data, half, row * n + i) > MASKED)
            return false;
    return true;
}

/* Whether a constant mask hides exactly what comes later. */
static bool mask_is_causal(Lowering *l, const View *view, int64_t n)
{
    const Block *b = &l->kernel->block[view->block];
    bool half = view->store == DT_FP16;
    if (b->home != HOME_CONST || (!half && view->store != DT_FP32))
        return false;
    const void *data = (const char *)b->constant + view->first * (half ? 2 : 4);
    for (int64_t row = 0; row < n; row++)
        if (!row_is_causal(data, half, row, n))
            return false;
    return true;
}

typedef struct PrefillStep {
    Prefill p; /* without addresses */
    bool mask; /* view 3 */
} PrefillStep;

static bool run_prefill(const Run *r, const CpuStep *s, Error *err)
{
    const PrefillStep *own = s->own;
    Prefill p = own->p;
    p.q = view_data(r, &s->view[0]);
    p.k = view_data(r, &s->view[1]);
    p.v = view_data(r, &s->view[2]);
    if (own->mask)
        p.mask.data = view_data(r, &s->view[3]);
    p.out = view_data(r, &s->out);
    compute_attention_prefill(r->compute, &p);
    return true;
}

static View swap_last(const View *v)
{
    int perm[IR_MAX_RANK];
    for (int i = 0; i < v->rank; i++)
        perm[i] = i;
    perm[v->rank - 1] = v->rank - 2;
    perm[v->rank - 2] = v->rank - 1;
    return view_transpose(v, perm);
}

/* [.., S, d] (or turned) as channel-major [heads * d, S]. */
static bool channel_major(Lowering *l, const Value *v, bool turned, View *out)
{
    View view;
    if (!cpu_value_f32(l, v, &view))
        return false;
    if (!turned)
        view = swap_last(&view);
    int64_t s = view.dim[view.rank - 1], dim[2] = {view_count(&view) / s, s};
    if (view_reshape(&view, 2, dim, out) && (out->stride[1] == 1 || s == 1) && out->stride[0] >= s)
        return true;
    view = cpu_dense_copy(l, v, &view, DT_FP32);
    return view_reshape(&view, 2, dim, out);
}

static bool emit_mask(Lowering *l, const Scores *s, PrefillStep *own, View *view)
{
    if (!s->mask)
        return true;
    if (!cpu_value_dense(l, s->mask, view))
        return false;
    own->p.causal = mask_is_causal(l, view, s->keys);
    own->mask = !own->p.causal;
    if (own->mask && view->store != DT_FP16 && view->store != DT_FP32 && !cpu_value_f32(l, s->mask, view))
        return false;
    own->p.mask.half = view->store == DT_FP16;
    own->p.ld_mask = (size_t)s->keys;
    return true;
}

static bool emit_prefill(Lowering *l, const Match *m)
{
    const Scores *s = m->own;
    const Value *out = m->root->result[0];
    size_t heads = (size_t)s->heads, kv_heads = (size_t)s->kv_heads, d = (size_t)s->d, n = (size_t)s->queries;
    PrefillStep own = {.p = {.heads = heads, .kv_heads = kv_heads, .d = d, .s = n, .scale = (float)s->scale}};
    View views[4];
    if (!channel_major(l, s->q, s->q_turned, &views[0]) || !channel_major(l, s->k, s->k_turned, &views[1]) ||
        !channel_major(l, s->v, s->v_turned, &views[2]) || !emit_mask(l, s, &own, &views[3]))
        return false;
    own.p.ldq = (size_t)views[0].stride[0];
    own.p.ldk = (size_t)views[1].stride[0];
    own.p.ldv = (size_t)views[2].stride[0];
    own.p.ldo = n;
    View shape = view_dense(0, DT_FP32, out->type->rank, out->type->dim), turned = swap_last(&shape);
    turned = view_dense(0, DT_FP32, turned.rank, turned.dim);
    turned = swap_last(&turned);
    View to = cpu_result_like(l, out, &turned);
    Compute *c = &l->kernel->device->compute;
    if (!cpu_reserve(l, compute_attention_prefill_room(c, kv_heads, d, n)))
        return false;
    const char *kind = own.p.causal ? "attention+causal" : own.mask ? "attention+mask" : "attention";
    CpuStep *step = cpu_step_add(l, run_prefill, kind, out, to, views, own.mask ? 4 : 3, &own, sizeof own);
    step->flops = 4.0 * (double)heads * (double)d * (double)n * (double)n * (own.p.causal ? 0.5 : 1);
    return true;
}

Match *cpu_match_prefill(Lowering *l, const Op *op)
{
    Scores s;
    if (!cpu_match_scores(l, op, &s) || s.queries != s.keys || cpu_node(l, op->result[0])->stored)
        return NULL;
    if (s.mask && !is_shared_mask(s.mask, s.queries, s.keys))
        return NULL;
    Match *m = cpu_scores_match(l, op, &s, emit_prefill, &s, sizeof s);
    cpu_match_outer(m, s.mask);
    return cpu_match_closed(l, m) ? m : NULL;
}
