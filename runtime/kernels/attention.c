/* Attention. The prefill computes scores with keys down and queries across, S = K^T Q, for nr queries at
 * a time: a column is one query, so the softmax runs along the vector lanes, and the result already is
 * the packed right-hand side of out = V S. K and V of a head are packed once and used by all its blocks
 * of queries. */
#include <math.h>
#include <string.h>

#include "runtime/kernels/compute.h"

enum { DEPTH = 256, GROUP = 16 };
#define MOST_PACKED ((size_t)4 << 20) /* floats of K and V */

/* Floats of each piece of the workspace; multiples of 16. */
typedef struct Sizes {
    size_t key_panels, value_panels; /* a kv head */
    size_t scores, query, out, mask; /* a thread */
    size_t sums;
} Sizes;

typedef struct Run {
    const Kernels *kernels;
    const Prefill *p;
    Sizes sizes;
    size_t first, group; /* the kv heads that are packed */
    float *packed, *scratch;
} Run;

static Sizes sizes_of(const Kernels *k, size_t d, size_t s)
{
    size_t mr = (size_t)k->mr, nr = (size_t)k->nr;
    Sizes z = {.key_panels = round_up(s, mr) * round_up(d, GROUP),
               .value_panels = round_up(d, mr) * round_up(s, GROUP)};
    z.key_panels = round_up(z.key_panels, 16);
    z.value_panels = round_up(z.value_panels, 16);
    z.scores = round_up(round_up(s, mr) * nr, 16);
    z.query = round_up(d * nr, 16);
    z.out = round_up(round_up(d, mr) * nr, 16);
    z.mask = DEPTH * nr + nr * DEPTH;
    z.sums = round_up(nr, 16);
    return z;
}

static size_t head_room(const Sizes *z)
{
    return z->key_panels + z->value_panels;
}

static size_t thread_room(const Sizes *z)
{
    return z->scores + z->query + z->out + z->mask + z->sums;
}

static size_t heads_at_once(const Sizes *z, size_t kv_heads)
{
    size_t most = MOST_PACKED / head_room(z);
    return most < 1 ? 1 : least(most, kv_heads);
}

size_t compute_attention_prefill_room(const Compute *c, size_t kv_heads, size_t d, size_t s)
{
    Sizes z = sizes_of(c->kernels, d, s);
    return heads_at_once(&z, kv_heads) * head_room(&z) + (size_t)pool_threads(c->pool) * thread_room(&z);
}

/* ---- packing ---- */

/* K[d,s] with keys as rows: panels of mr keys. A few of the d rows at a time, because they are far apart. */
static void pack_keys(const Kernels *k, float *to, const float *from, size_t ld, size_t d, size_t s)
{
    size_t mr = (size_t)k->mr, panel = round_up(d, GROUP);
    for (size_t p = 0; p < d; p += GROUP)
        for (size_t i = 0; i < s; i += mr)
            compute_pack_transposed(k, to + i * panel + p * mr, from + p * ld + i, ld, s - i,
                                    least(GROUP, d - p));
}

static void pack_values(const Kernels *k, float *to, const float *from, size_t ld, size_t d, size_t s)
{
    size_t mr = (size_t)k->mr;
    for (size_t i = 0; i < d; i += mr, to += mr * round_up(s, GROUP))
        k->pack_f32(to, from + i * ld, ld, least(mr, d - i), s);
}

static void pack_heads(void *ctx, int index, int count)
{
    const Run *r = ctx;
    const Prefill *p = r->p;
    size_t item, end;
    pool_range(2 * r->group, 1, index, count, &item, &end);
    for (; item < end; item++) {
        size_t at = item / 2, row = (r->first + at) * p->d;
        float *to = r->packed + at * head_room(&r->sizes);
        if (item % 2 == 0)
            pack_keys(r->kernels, to, p->k + row * p->ldk, p->ldk, p->d, p->s);
        else
            pack_values(r->kernels, to + r->sizes.key_panels, p->v + row * p->ldv, p->ldv, p->d, p->s);
    }
}

/* ---- one block of queries ---- */

/* S[keys,nr] = scale S + mask^T for the queries [q, q + nq). */
static void add_mask(const Run *r, float *scores, float *buffer, size_t keys, size_t q, size_t nq)
{
    const Kernels *k = r->kernels;
    const Prefill *p = r->p;
    size_t nr = (size_t)k->nr;
    float *rows = buffer + DEPTH * nr;
    memset(buffer, 0, DEPTH * nr * sizeof *buffer);
    for (size_t key = 0; key < keys; key += DEPTH) {
        size_t n = least(DEPTH, keys - key);
        for (size_t i = 0; i < nq; i++)
            operand_floats(k, p->mask, (q + i) * p->ld_mask + key, n, rows + i * DEPTH);
        k->transpose(buffer, nr, rows, DEPTH, nq, n);
        k->scale(scores + key * nr, scores + key * nr, p->scale, n * nr);
        k->add(scores + key * nr, scores + key * nr, buffer, n * nr);
    }
}

/* Hides the keys behind each query of a block that starts at q. */
static void hide_later(float *scores, size_t nr, size_t keys, size_t q)
{
    for (size_t key = q + 1; key < keys; key++)
        for (size_t i = 0; i < least(nr, key - q); i++)
            scores[key * nr + i] = -INFINITY;
}

/* out[d,nr] = V[d,keys] . S[keys,nr], in chunks of keys that stay in the first level cache. */
static void weigh_values(const Run *r, const float *panels, const float *scores, float *out, size_t keys)
{
    const Kernels *k = r->kernels;
    size_t mr = (size_t)k->mr, nr = (size_t)k->nr, panel = mr * round_up(r->p->s, GROUP);
    for (size_t key = 0; key < keys; key += DEPTH)
        for (size_t i = 0; i < r->p->d; i += mr)
            k->tile(least(DEPTH, keys - key), panels + i / mr * panel + key * mr, scores + key * nr,
                    out + i * nr, nr, NULL, key > 0, NULL);
}

static void query_block(const Run *r, float *scratch, size_t head, size_t q)
{
    const Kernels *k = r->kernels;
    const Prefill *p = r->p;
    const Sizes *z = &r->sizes;
    size_t mr = (size_t)k->mr, nr = (size_t)k->nr, nq = least(nr, p->s - q), keys = p->causal ? q + nq : p->s;
    const float *panels = r->packed + (head / (p->heads / p->kv_heads) - r->first) * head_room(z);
    float *scores = scratch, *query = scores + z->scores, *out = query + z->query, *mask = out + z->out;
    float *sums = mask + z->mask;
    k->pack_columns(query, p->q + head * p->d * p->ldq + q, p->ldq, p->d, nq);
    for (size_t i = 0; i < keys; i += mr)
        k->tile(p->d, panels + i * round_up(p->d, GROUP), query, scores + i * nr, nr, NULL, false, NULL);
    if (p->mask.data)
        add_mask(r, scores, mask, keys, q, nq);
    if (p->causal)
        hide_later(scores, nr, keys, q);
    k->softmax_block(scores, sums, p->mask.data ? 1 : p->scale, keys);
    weigh_values(r, panels + z->key_panels, scores, out, keys);
    for (size_t i = 0; i < nr; i++)
        sums[i] = 1 / sums[i];
    for (size_t i = 0; i < p->d; i++)
        k->mul(p->out + (head * p->d + i) * p->ldo + q, out + i * nr, sums, nq);
}

/* Threads take turns at the blocks of one head, beginning with another one at each head: under a causal
 * mask later blocks cost more. */
static void attend(void *ctx, int index, int count)
{
    const Run *r = ctx;
    const Prefill *p = r->p;
    size_t nr = (size_t)r->kernels->nr, share = p->heads / p->kv_heads;
    float *scratch = r->scratch + (size_t)index * thread_room(&r->sizes);
    for (size_t head = r->first * share; head < (r->first + r->group) * share; head++)
        for (size_t block = ((size_t)index + head) % (size_t)count; block * nr < p->s; block += (size_t)count)
            query_block(r, scratch, head, block * nr);
}

void compute_attention_prefill(Compute *c, const Prefill *p)
{
    Run r = {.kernels = c->kernels, .p = p, .sizes = sizes_of(c->kernels, p->d, p->s)};
    compute_reserve(c, compute_attention_prefill_room(c, p->kv_heads, p->d, p->s));
    size_t group = heads_at_once(&r.sizes, p->kv_heads);
    r.packed = c->work;
    r.scratch = c->work + group * head_room(&r.sizes);
    for (r.first = 0; r.first < p->kv_heads; r.first += group) {
        r.group = least(group, p->kv_heads - r.first);
        compute_step(c, r.group * p->d * p->s, pack_heads, &r);
        compute_step(c, r.group * p->d * p->s * p->s, attend, &r);
    }
}

/* ---- one query ---- */

typedef struct Step {
    const Kernels *kernels;
    const Decode *p;
    float *scores; /* room for the positions, a thread */
    size_t room;
} Step;

static void attend_one(void *ctx, int index, int count)
{
    const Step *s = ctx;
    const Decode *p = s->p;
    const Kernels *k = s->kernels;
    float *scores = s->scores + (size_t)index * s->room;
    size_t head, end, n = p->n - p->start, share = p->heads / p->kv_heads;
    pool_range(p->heads, 1, index, count, &head, &end);
    for (; head < end; head++) {
        size_t kv = head / share;
        k->matvec_f16(scores, p->k + kv * p->k_head + p->start * p->d, p->d, p->q + head * p->d, n, p->d);
        k->scale(scores, scores, p->scale, n);
        k->softmax_row(scores, scores, n);
        k->sum_rows_f16(p->out + head * p->d, p->v + kv * p->v_head + p->start * p->d, p->d, scores, n, p->d);
    }
}

size_t compute_attention_decode_room(const Compute *c, size_t n)
{
    return (size_t)pool_threads(c->pool) * round_up(n, 16);
}

void compute_attention_decode(Compute *c, const Decode *p)
{
    compute_reserve(c, compute_attention_decode_room(c, p->n - p->start));
    Step s = {c->kernels, p, c->work, round_up(p->n - p->start, 16)};
    compute_step(c, p->heads * p->d * (p->n - p->start), attend_one, &s);
}
