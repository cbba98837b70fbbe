/* The sampler: published random numbers, which tokens may come at all, and how often each does. */
#include <math.h>

#include "runtime/sampler.h"
#include "tests/unit/check.h"

enum { SMALL = 8, LARGE = 50257 };

/* The output of pcg32-demo (pcg-random.org, C library 0.94), seed 42 and stream 54. */
static void test_pcg32(void)
{
    static const uint32_t expected[] = {0xa15c02b7, 0x7b47f409, 0xba1d3330,
                                        0x83d2f293, 0xbfa4784b, 0xcbed606e};
    Pcg32 r;
    pcg32_seed(&r, 42, 54);
    for (int i = 0; i < 6; i++)
        CHECK(pcg32_next(&r) == expected[i]);
}

static Sampler *make(SamplerOptions options, int vocab)
{
    Error err = {""};
    Sampler *s = sampler_new(&options, vocab, &err);
    if (!s)
        printf("%s\n", err.text);
    CHECK(s != NULL);
    return s;
}

/* How often each of SMALL tokens comes in n picks. */
static void count_picks(SamplerOptions options, const float *logits, int n, int counts[SMALL])
{
    Error err = {""};
    Sampler *s = make(options, SMALL);
    memset(counts, 0, SMALL * sizeof *counts);
    int picked = 0;
    for (int i = 0; i < n; i++) {
        int id = sampler_pick(s, logits, &err);
        if (id < 0 || id >= SMALL)
            break;
        counts[id]++;
        picked++;
    }
    CHECK(picked == n);
    sampler_free(s);
}

/* Pearson's statistic against the probabilities weight[i] / sum; weight 0 must not come at all. */
static double chi_square(const int counts[SMALL], const double weight[SMALL], int n)
{
    double sum = 0, chi = 0;
    for (int i = 0; i < SMALL; i++)
        sum += weight[i];
    for (int i = 0; i < SMALL; i++) {
        double expected = n * weight[i] / sum;
        if (weight[i] > 0)
            chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        else if (counts[i])
            return INFINITY;
    }
    return chi;
}

static const float logits8[SMALL] = {0.5f, -1, 2, 0, 1.5f, -3, 1, -0.25f};

/* 24.32 is passed by chance once in 1000 with 7 degrees of freedom; fewer degrees, less often. */
static void check_distribution(SamplerOptions options, const float *logits, const double weight[SMALL])
{
    int counts[SMALL];
    for (uint64_t seed = 1; seed <= 3; seed++) {
        options.seed = seed;
        count_picks(options, logits, 20000, counts);
        double chi = chi_square(counts, weight, 20000);
        if (chi >= 24.32)
            printf("chi square %g, seed %d\n", chi, (int)seed);
        CHECK(chi < 24.32);
    }
}

static void softmax_weights(double weight[SMALL], double temperature)
{
    for (int i = 0; i < SMALL; i++)
        weight[i] = exp((double)logits8[i] / temperature);
}

static void test_temperature(void)
{
    double weight[SMALL];
    SamplerOptions o = sampler_defaults();
    softmax_weights(weight, 1);
    check_distribution(o, logits8, weight);
    o.temperature = 0.5f;
    softmax_weights(weight, 0.5);
    check_distribution(o, logits8, weight);
    o.temperature = 4;
    softmax_weights(weight, 4);
    check_distribution(o, logits8, weight);
    o.temperature = 0.001f; /* only the highest is left */
    check_distribution(o, logits8, (const double[SMALL]){[2] = 1});
}

/* The order of logits8 is 2 4 6 0 3 7 1 5. */
static void test_top_k(void)
{
    double weight[SMALL];
    SamplerOptions o = sampler_defaults();
    softmax_weights(weight, 1);
    o.top_k = 8;
    check_distribution(o, logits8, weight);
    o.top_k = 3;
    check_distribution(o, logits8, (const double[SMALL]){[2] = weight[2], [4] = weight[4], [6] = weight[6]});
    o.top_k = 1;
    check_distribution(o, logits8, (const double[SMALL]){[2] = 1});
    o.top_k = 3; /* equal logits: the lowest ids; 0 and -0 are equal */
    const float equal[SMALL] = {-1, -0.0f, 0, -0.0f, 0, 0, -5, 0};
    check_distribution(o, equal, (const double[SMALL]){[1] = 1, [2] = 1, [3] = 1});
}

/* Probabilities 0.4 0.3 0.15 0.1 0.05; the limits lie well between their sums. */
static void test_top_p(void)
{
    const double p[SMALL] = {0.1, 0.4, 0.05, 0.3, 0.15};
    float logits[SMALL];
    for (int i = 0; i < SMALL; i++)
        logits[i] = p[i] > 0 ? (float)log(p[i]) : -INFINITY;
    SamplerOptions o = sampler_defaults();
    check_distribution(o, logits, p);
    o.top_p = 0.75f; /* 0.4 + 0.3 is not enough yet */
    check_distribution(o, logits, (const double[SMALL]){[1] = 0.4, [3] = 0.3, [4] = 0.15});
    o.top_p = 0.65f;
    check_distribution(o, logits, (const double[SMALL]){[1] = 0.4, [3] = 0.3});
    o.top_p = 0.1f;
    check_distribution(o, logits, (const double[SMALL]){[1] = 1});
    o.top_p = 0;
    check_distribution(o, logits, (const double[SMALL]){[1] = 1});
    o.top_p = 0.55f; /* of what top-k leaves: 0.4 is 57% of 0.7 */
    o.top_k = 2;
    check_distribution(o, logits, (const double[SMALL]){[1] = 1});
    o = sampler_defaults();
    o.top_p = 0.5f; /* of eight equal ones four */
    check_distribution(o, (const float[SMALL]){0}, (const double[SMALL]){1, 1, 1, 1});
}

static void test_min_p(void)
{
    double weight[SMALL];
    SamplerOptions o = sampler_defaults();
    softmax_weights(weight, 1);
    o.min_p = 0.3f; /* e^-1 = 0.37 stays, e^-1.5 = 0.22 goes */
    check_distribution(o, logits8, (const double[SMALL]){[2] = weight[2], [4] = weight[4], [6] = weight[6]});
    o.min_p = 1;
    check_distribution(o, logits8, (const double[SMALL]){[2] = 1});
    o.min_p = 0.3f;
    o.temperature = 2; /* after the temperature: e^-1 is now three logits lower */
    softmax_weights(weight, 2);
    check_distribution(
        o, logits8,
        (const double[SMALL]){weight[0], 0, weight[2], weight[3], weight[4], 0, weight[6], weight[7]});
}

static int pick_once(SamplerOptions options, const float *logits)
{
    Error err = {""};
    Sampler *s = make(options, SMALL);
    int id = sampler_pick(s, logits, &err);
    sampler_free(s);
    return id;
}

static void test_greedy(void)
{
    SamplerOptions o = sampler_defaults();
    o.greedy = true;
    CHECK(pick_once(o, logits8) == 2);
    CHECK(pick_once(o, (const float[SMALL]){-1, 3, 2, 3, 3}) == 1);
    CHECK(pick_once(o, (const float[SMALL]){-0.0f, 0}) == 0);
    CHECK(pick_once(o, (const float[SMALL]){-INFINITY, -INFINITY, -3e38f, -INFINITY, -INFINITY, -INFINITY,
                                            -INFINITY, -INFINITY}) == 2);
    o.greedy = false;
    o.temperature = 0;
    CHECK(pick_once(o, logits8) == 2);
}

static int greedy_after(Sampler *s, const float *logits, int accepted)
{
    Error err = {""};
    if (accepted >= 0)
        sampler_accept(s, accepted);
    return sampler_pick(s, logits, &err);
}

static void test_repeat_penalty(void)
{
    SamplerOptions o = sampler_defaults();
    o.greedy = true;
    o.repeat_penalty = 2;
    o.repeat_last = 2;
    const float positive[SMALL] = {5, 6, 4, 3, -9, -9, -9, -9};
    Sampler *s = make(o, SMALL);
    CHECK(greedy_after(s, positive, -1) == 1);
    CHECK(greedy_after(s, positive, 1) == 0);    /* 6 / 2 = 3 */
    CHECK(greedy_after(s, positive, 1) == 0);    /* twice in the window, once punished: 3, not 1.5 */
    CHECK(greedy_after(s, positive, 0) == 2);    /* 1 and 0 */
    CHECK(greedy_after(s, positive, 7) == 1);    /* 1 has left the window */
    CHECK(greedy_after(s, positive, 9999) == 1); /* no token: not accepted */
    sampler_reset(s, 0);
    CHECK(greedy_after(s, positive, -1) == 1);
    sampler_free(s);

    const float negative[SMALL] = {-3, -2, -8, -8, -8, -8, -8, -INFINITY};
    s = make(o, SMALL);
    CHECK(greedy_after(s, negative, -1) == 1);
    CHECK(greedy_after(s, negative, 1) == 0); /* -2 * 2 = -4 */
    CHECK(greedy_after(s, negative, 7) == 0); /* -infinity stays what it is */
    sampler_free(s);

    o.repeat_last = -1;
    s = make(o, SMALL);
    for (int i = 0; i < 1000; i++)
        sampler_accept(s, i ? 3 : 1);
    CHECK(greedy_after(s, positive, -1) == 0); /* 1 is remembered */
    sampler_free(s);

    o.repeat_last = 0;
    s = make(o, SMALL);
    CHECK(greedy_after(s, positive, 1) == 1);
    sampler_free(s);
}

static void check_logits_error(SamplerOptions o, const float *logits, const char *expected)
{
    Error err = {""};
    Sampler *s = make(o, SMALL);
    CHECK(sampler_pick(s, logits, &err) == -1);
    CHECK_TEXT(err.text, expected);
    sampler_free(s);
}

static void check_options_error(SamplerOptions o, int vocab, const char *expected)
{
    Error err = {""};
    Sampler *s = sampler_new(&o, vocab, &err);
    CHECK(s == NULL);
    CHECK_TEXT(err.text, expected);
    sampler_free(s);
}

static void test_errors(void)
{
    SamplerOptions o = sampler_defaults();
    check_logits_error(o, (const float[SMALL]){0, 1, NAN},
                       "the logit of token 2 is not a number; the model's numbers are broken");
    check_logits_error(o, (const float[SMALL]){INFINITY},
                       "the logit of token 0 is infinite; the model's numbers are broken");
    const float none[SMALL] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY,
                               -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    check_logits_error(o, none, "every logit is -infinity: no token may come");
    o.greedy = true;
    check_logits_error(o, (const float[SMALL]){[7] = NAN},
                       "the logit of token 7 is not a number; the model's numbers are broken");

    check_options_error(sampler_defaults(), 0, "a vocabulary of 0 tokens cannot be sampled");
    o = sampler_defaults();
    o.temperature = -0.5f;
    check_options_error(o, SMALL, "the temperature is -0.5; it must be 0 or more");
    o = sampler_defaults();
    o.temperature = NAN;
    check_options_error(o, SMALL, "the temperature is nan; it must be 0 or more");
    o = sampler_defaults();
    o.top_k = -1;
    check_options_error(o, SMALL, "top-k is -1; it must be 0 (off) or more");
    o = sampler_defaults();
    o.top_p = 1.5f;
    check_options_error(o, SMALL, "top-p is 1.5; it must be between 0 and 1 (off)");
    o = sampler_defaults();
    o.min_p = -1;
    check_options_error(o, SMALL, "min-p is -1; it must be between 0 (off) and 1");
    o = sampler_defaults();
    o.repeat_penalty = 0;
    check_options_error(o, SMALL, "the repeat penalty is 0; it must be above 0 (1: off)");
    o = sampler_defaults();
    o.repeat_last = -2;
    check_options_error(o, SMALL,
                        "the repeat penalty looks back -2 tokens; it must be 0..16777216, or -1 for all");
}

/* Logits for a vocabulary of real size, and with values that an overflow could spoil. */
static void fill(float *logits, uint64_t seed)
{
    Pcg32 r;
    pcg32_seed(&r, seed, 1);
    for (int i = 0; i < LARGE; i++)
        logits[i] = (float)(pcg32_next(&r) >> 8) * 0x1p-20f - 8;
    logits[17] = -3e38f;
    logits[18] = -INFINITY;
}

static void test_seeds(void)
{
    static float logits[LARGE];
    Error err = {""};
    SamplerOptions o = sampler_defaults();
    o.seed = 1234;
    Sampler *a = make(o, LARGE), *b = make(o, LARGE);
    int same = 0, moved = 0, first[50];
    for (int i = 0; i < 50; i++) {
        fill(logits, (uint64_t)i);
        first[i] = sampler_pick(a, logits, &err);
        same += first[i] == sampler_pick(b, logits, &err);
    }
    CHECK(same == 50);
    sampler_reset(b, 1235);
    sampler_reset(a, 1234);
    same = 0;
    for (int i = 0; i < 50; i++) {
        fill(logits, (uint64_t)i);
        moved += first[i] != sampler_pick(b, logits, &err);
        same += first[i] == sampler_pick(a, logits, &err);
    }
    CHECK(same == 50);
    CHECK(moved > 40);
    sampler_free(a);
    sampler_free(b);
}

/* Worked out in Python, in double precision: the same on every machine. */
static void test_fixed_picks(void)
{
    static const int expected[] = {4, 1, 4, 6, 3, 0, 4, 2, 2, 2, 6, 2, 2, 3, 2, 4};
    Error err = {""};
    SamplerOptions o = sampler_defaults();
    o.seed = 7;
    Sampler *s = make(o, SMALL);
    for (int i = 0; i < 16; i++)
        CHECK(sampler_pick(s, logits8, &err) == expected[i]);
    sampler_free(s);
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Whatever is picked of a large row, it is among the highest k, and the nucleus of top-p, found by sorting.
 */
static void test_large(void)
{
    static float logits[LARGE], sorted[LARGE];
    Error err = {""};
    int outside = 0;
    for (int n = 0; n < 30; n++) {
        SamplerOptions o = sampler_defaults();
        fill(logits, (uint64_t)n + 100);
        memcpy(sorted, logits, sizeof logits);
        qsort(sorted, LARGE, sizeof *sorted, descending);
        double total = 0, sum = 0;
        for (int i = 0; i < LARGE; i++)
            total += exp((double)sorted[i] - (double)sorted[0]);
        int nucleus = 0;
        while (sum < 0.2 * total)
            sum += exp((double)sorted[nucleus++] - (double)sorted[0]);
        o.seed = (uint64_t)n;
        o.top_k = n % 2 ? 40 : 0;
        o.top_p = n % 2 ? 1 : 0.2f;
        float limit = sorted[n % 2 ? 39 : nucleus]; /* one more for the rounding of 0.2f */
        Sampler *s = make(o, LARGE);
        for (int i = 0; i < 20; i++)
            outside += logits[sampler_pick(s, logits, &err)] < limit;
        sampler_free(s);
    }
    CHECK(outside == 0);
}

int main(void)
{
    test_pcg32();
    test_temperature();
    test_top_k();
    test_top_p();
    test_min_p();
    test_greedy();
    test_repeat_penalty();
    test_errors();
    test_seeds();
    test_fixed_picks();
    test_large();
    return check_report();
}
