#include "runtime/sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"

enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS, REPEAT_LAST_MAX = 1 << 24 };

/* A token that may still be picked. */
typedef struct Candidate {
    float logit;
    int32_t id;
    double weight; /* exp of the scaled distance to the highest logit: 0..1, not normalised */
} Candidate;

struct Sampler {
    SamplerOptions options;
    Pcg32 random;
    int vocab;
    float *logits;         /* a row after the repeat penalty */
    Candidate *candidates; /* in order of id */
    int count;
    /* The history. With a window: the last tokens in a ring, and how often each is in it. */
    int32_t *ring;
    int ring_size, ring_at; /* ring_size: tokens in it so far, at most the window */
    int32_t *times;
    int32_t *seen; /* the tokens with times > 0, seen_count of them; where each is: seen_at */
    int32_t *seen_at;
    int seen_count;
};

void pcg32_seed(Pcg32 *r, uint64_t seed, uint64_t stream)
{
    r->state = 0;
    r->increment = stream << 1 | 1;
    pcg32_next(r);
    r->state += seed;
    pcg32_next(r);
}

uint32_t pcg32_next(Pcg32 *r)
{
    uint64_t old = r->state;
    r->state = old * 6364136223846793005u + r->increment;
    uint32_t shifted = (uint32_t)((old >> 18 ^ old) >> 27), turn = (uint32_t)(old >> 59);
    return shifted >> turn | shifted << (-turn & 31);
}

/* 53 random bits, evenly spaced in [0, 1). */
static double uniform(Pcg32 *r)
{
    uint64_t high = pcg32_next(r) >> 5, low = pcg32_next(r) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

/* e^x for x <= 0, to about 2^-50: x = n ln 2 + r, |r| <= ln 2 / 2, and the Taylor series of e^r up to r^13
 * (the next term is below 2^-57). ln 2 is split so that n times its first part is exact. */
static double exp_down(double x)
{
    static const double factor[] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
        1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1};
    if (x < -700)
        return 0;
    int n = (int)(x * 1.4426950408889634 - 0.5);
    double r = x - n * 0x1.62e42feep-1 - n * 0x1.a39ef35793c76p-33, sum = factor[0];
    for (size_t i = 1; i < sizeof factor / sizeof factor[0]; i++)
        sum = sum * r + factor[i];
    uint64_t bits = (uint64_t)(1023 + n) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

SamplerOptions sampler_defaults(void)
{
    return (SamplerOptions){.temperature = 1, .top_p = 1, .repeat_penalty = 1, .repeat_last = 64};
}

static bool check_options(const SamplerOptions *o, Error *err)
{
    if (!(o->temperature >= 0 && o->temperature <= FLT_MAX))
        return error_set(err, "the temperature is %g; it must be 0 or more", (double)o->temperature);
    if (o->top_k < 0)
        return error_set(err, "top-k is %d; it must be 0 (off) or more", o->top_k);
    if (!(o->top_p >= 0 && o->top_p <= 1))
        return error_set(err, "top-p is %g; it must be between 0 and 1 (off)", (double)o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return error_set(err, "min-p is %g; it must be between 0 (off) and 1", (double)o->min_p);
    if (!(o->repeat_penalty > 0 && o->repeat_penalty <= FLT_MAX))
        return error_set(err, "the repeat penalty is %g; it must be above 0 (1: off)",
                         (double)o->repeat_penalty);
    if (o->repeat_last < -1 || o->repeat_last > REPEAT_LAST_MAX)
        return error_set(err, "the repeat penalty looks back %d tokens; it must be 0..%d, or -1 for all",
                         o->repeat_last, REPEAT_LAST_MAX);
    return true;
}

Sampler *sampler_new(const SamplerOptions *options, int vocab, Error *err)
{
    if (!check_options(options, err))
        return NULL;
    if (vocab < 1) {
        error_set(err, "a vocabulary of %d tokens cannot be sampled", vocab);
        return NULL;
    }
    Sampler *s = xcalloc(1, sizeof *s);
    size_t n = (size_t)vocab;
    s->options = *options;
    s->vocab = vocab;
    s->logits = xcalloc(n, sizeof *s->logits);
    s->candidates = xcalloc(n, sizeof *s->candidates);
    s->times = xcalloc(n, sizeof *s->times);
    s->seen = xcalloc(n, sizeof *s->seen);
    s->seen_at = xcalloc(n, sizeof *s->seen_at);
    if (options->repeat_last > 0)
        s->ring = xcalloc((size_t)options->repeat_last, sizeof *s->ring);
    sampler_reset(s, options->seed);
    return s;
}

void sampler_free(Sampler *s)
{
    if (!s)
        return;
    free(s->logits);
    free(s->candidates);
    free(s->times);
    free(s->seen);
    free(s->seen_at);
    free(s->ring);
    free(s);
}

void sampler_reset(Sampler *s, uint64_t seed)
{
    pcg32_seed(&s->random, seed, 54); /* any stream would do; the generator's own example uses 54 */
    memset(s->times, 0, (size_t)s->vocab * sizeof *s->times);
    s->seen_count = s->ring_size = s->ring_at = 0;
}

static void forget(Sampler *s, int32_t id)
{
    if (--s->times[id])
        return;
    int32_t last = s->seen[--s->seen_count];
    s->seen[s->seen_at[id]] = last;
    s->seen_at[last] = s->seen_at[id];
}

void sampler_accept(Sampler *s, int id)
{
    int window = s->options.repeat_last;
    if (id < 0 || id >= s->vocab || !window)
        return;
    if (window > 0) {
        if (s->ring_size == window)
            forget(s, s->ring[s->ring_at]);
        else
            s->ring_size++;
        s->ring[s->ring_at] = id;
        s->ring_at = (s->ring_at + 1) % window;
    } else if (s->times[id]) {
        return; /* all are remembered: once is enough, and the count cannot overflow */
    }
    if (!s->times[id]++) {
        s->seen_at[id] = s->seen_count;
        s->seen[s->seen_count++] = id;
    }
}

/* The highest of n > 0 numbers. *fit: none is NaN or +infinity. Eight maxima side by side do not wait for one
 * another. */
static float highest_of(const float *logits, int n, bool *fit)
{
    enum { LANES = 8 };
    float top[LANES];
    int broken[LANES] = {0};
    for (int k = 0; k < LANES; k++)
        top[k] = -INFINITY;
    for (int i = 0; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            float x = logits[i + k];
            broken[k] |= !(x < INFINITY);
            top[k] = x > top[k] ? x : top[k];
        }
    }
    for (int i = n - n % LANES; i < n; i++) {
        broken[0] |= !(logits[i] < INFINITY);
        top[0] = logits[i] > top[0] ? logits[i] : top[0];
    }
    *fit = !broken[0];
    for (int k = 1; k < LANES; k++) {
        *fit &= !broken[k];
        top[0] = top[k] > top[0] ? top[k] : top[0];
    }
    return top[0];
}

static bool check_logits(const float *logits, int count, Error *err)
{
    bool fit;
    if (highest_of(logits, count, &fit) == -INFINITY && fit)
        return error_set(err, "every logit is -infinity: no token may come");
    for (int i = 0; i < count && !fit; i++)
        if (!(logits[i] < INFINITY))
            return error_set(err, "the logit of token %d is %s; the model's numbers are broken", i,
                             isnan(logits[i]) ? "not a number" : "infinite");
    return true;
}

/* A penalty near 0 or without bound must not make numbers of what is none. */
static float penalised(float logit, float penalty)
{
    float changed = logit > 0 ? logit / penalty : logit * penalty;
    return logit == -INFINITY ? logit : changed > FLT_MAX ? FLT_MAX : changed < -FLT_MAX ? -FLT_MAX : changed;
}

static int highest(const float *logits, int count)
{
    bool fit;
    float top = highest_of(logits, count, &fit);
    int at = 0;
    while (logits[at] != top)
        at++;
    return at;
}

/* A number that orders as the logit does, with -0 and 0 the same. */
static uint32_t order_of(float logit)
{
    uint32_t bits = float_bits(logit + 0.0f);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* The mass that decides how many candidates stay: one each (top-k), or their weights (top-p). */
typedef double Mass(const Candidate *c);

static double one(const Candidate *c)
{
    return 1;
}

static double weight(const Candidate *c)
{
    return c->weight;
}

/* One round of keep_highest: of the candidates whose order starts with the bits of *prefix (those of
 * mask), looks at the digit at `shift` and puts the one in which the last to stay lies into *prefix. Lower
 * ones go. Returns the mass that is still wanted below the higher digits. */
static double narrow(Sampler *s, double wanted, Mass *mass, int shift, uint32_t mask, uint32_t *prefix)
{
    double sums[RADIX] = {0};
    int lowest = RADIX, digit = 0;
    for (int i = 0; i < s->count; i++) {
        uint32_t order = order_of(s->candidates[i].logit);
        if ((order & mask) != *prefix)
            continue;
        int at = (int)(order >> shift & (RADIX - 1));
        sums[at] += mass(&s->candidates[i]);
        lowest = at < lowest ? at : lowest;
        digit = at > digit ? at : digit;
    }
    while (digit > lowest && sums[digit] < wanted)
        wanted -= sums[digit--];
    *prefix |= (uint32_t)digit << shift;
    int kept = 0;
    for (int i = 0; i < s->count; i++)
        if (order_of(s->candidates[i].logit) >= *prefix)
            s->candidates[kept++] = s->candidates[i];
    s->count = kept;
    return wanted;
}

/* Keeps the highest candidates, of equal logits the lowest ids, until their mass reaches `wanted`: at
 * least one, and no more than needed. A radix selection: three rounds find the order of the last one to
 * stay, eleven bits each, so the time is linear whatever the logits are. */
static void keep_highest(Sampler *s, double wanted, Mass *mass)
{
    uint32_t prefix = 0, mask = 0;
    for (int shift = 32 - RADIX_BITS; shift > -RADIX_BITS; shift -= RADIX_BITS) {
        int at = shift < 0 ? 0 : shift; /* the last round sees a bit again, which the mask has settled */
        wanted = narrow(s, wanted, mass, at, mask, &prefix);
        mask |= (uint32_t)(RADIX - 1) << at;
    }
    int kept = 0;
    bool full = false; /* of those with the last order */
    for (int i = 0; i < s->count; i++) {
        Candidate c = s->candidates[i];
        bool last = order_of(c.logit) == prefix;
        if (last && full)
            continue;
        if (last)
            full = (wanted -= mass(&c)) <= 0;
        s->candidates[kept++] = c;
    }
    s->count = kept;
}

static double total_weight(const Sampler *s)
{
    double sum = 0;
    for (int i = 0; i < s->count; i++)
        sum += s->candidates[i].weight;
    return sum;
}

/* Of a row of logits, the candidates and their weights. */
static void choose_candidates(Sampler *s, const float *logits)
{
    const SamplerOptions *o = &s->options;
    double top = logits[highest(logits, s->vocab)];
    s->count = 0;
    for (int i = 0; i < s->vocab; i++)
        if (logits[i] > -INFINITY)
            s->candidates[s->count++] = (Candidate){logits[i], i, 0};
    if (o->top_k && o->top_k < s->count)
        keep_highest(s, o->top_k, one);
    for (int i = 0; i < s->count; i++)
        s->candidates[i].weight = exp_down((s->candidates[i].logit - top) / (double)o->temperature);
    if (o->top_p < 1)
        keep_highest(s, (double)o->top_p * total_weight(s), weight);
    int kept = 0;
    for (int i = 0; i < s->count; i++)
        if (s->candidates[i].weight >= (double)o->min_p) /* the highest weight is 1 */
            s->candidates[kept++] = s->candidates[i];
    s->count = kept;
}

static int draw(Sampler *s)
{
    double at = uniform(&s->random) * total_weight(s);
    int last = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->candidates[i].weight > 0)
            last = i;
        at -= s->candidates[i].weight;
        if (at < 0)
            break;
    }
    return s->candidates[last].id; /* rounding may leave a little over: the last one with any weight */
}

int sampler_pick(Sampler *s, const float *logits, Error *err)
{
    if (!check_logits(logits, s->vocab, err))
        return -1;
    if (s->options.repeat_penalty != 1 && s->seen_count) {
        memcpy(s->logits, logits, (size_t)s->vocab * sizeof *logits);
        for (int i = 0; i < s->seen_count; i++)
            s->logits[s->seen[i]] = penalised(logits[s->seen[i]], s->options.repeat_penalty);
        logits = s->logits;
    }
    if (s->options.greedy || s->options.temperature == 0)
        return highest(logits, s->vocab);
    choose_candidates(s, logits);
    return draw(s);
}
