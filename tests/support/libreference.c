#include "tests/support/libreference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "base/text.h"

/* ---- weights ---- */

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t seed_of(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

const double *ref_weight(Ref *r, const char *name, int a, int b, double spread, double centre)
{
    for (int i = 0; i < r->tensors; i++)
        if (strcmp(r->tensor[i].name, name) == 0)
            return r->tensor[i].data;
    int n = a * (b ? b : 1);
    RefTensor t = {.name = arena_str(&r->arena, name, strlen(name)), .rank = b ? 2 : 1, .shape = {a, b}};
    uint64_t state = seed_of(name);
    if (r->loud && b && strstr(name, r->loud))
        spread *= r->gain;
    t.data = arena_many(&r->arena, (size_t)n, double);
    for (int i = 0; i < n; i++) {
        double uniform = (double)(mix(&state) >> 11) / 4503599627370496.0 - 1; /* from -1 to 1 */
        t.data[i] = (double)half_to_float(half_from_float((float)(centre + uniform * sqrt(3) * spread)));
    }
    arena_push(&r->arena, r->tensor, r->tensors, r->tensors_cap, t);
    return t.data;
}

static void describe(const Ref *r, Text *header)
{
    size_t offset = 0;
    text_putc(header, '{');
    for (int i = 0; i < r->tensors; i++) {
        const RefTensor *t = &r->tensor[i];
        size_t n = (size_t)t->shape[0] * (size_t)(t->rank == 2 ? t->shape[1] : 1) * 4;
        bool apart = strncmp(t->name, "lm_head.", 8) == 0 || strncmp(t->name, "embed_out.", 10) == 0;
        const char *prefix = apart ? "" : r->prefix;
        text_printf(header, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%d", i ? "," : "", prefix, t->name,
                    t->shape[0]);
        if (t->rank == 2)
            text_printf(header, ",%d", t->shape[1]);
        text_printf(header, "],\"data_offsets\":[%zu,%zu]}", offset, offset + n);
        offset += n;
    }
    text_putc(header, '}');
    while (header->size % 8)
        text_putc(header, ' ');
}

static bool put(FileWriter *w, const Ref *r, const Text *header, Error *err)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header->size >> 8 * i);
    if (!file_write(w, length, sizeof length, err) || !file_write(w, header->data, header->size, err))
        return false;
    for (int i = 0; i < r->tensors; i++) {
        const RefTensor *t = &r->tensor[i];
        int n = t->shape[0] * (t->rank == 2 ? t->shape[1] : 1);
        for (int k = 0; k < n; k++) {
            float f = (float)t->data[k];
            if (!file_write(w, &f, sizeof f, err))
                return false;
        }
    }
    return true;
}

bool ref_write(const Ref *r, const char *dir, Error *err)
{
    Text header = {0};
    char *path = path_join(dir, "model.safetensors");
    FileWriter *w = file_create(path, err);
    free(path);
    if (!w)
        return false;
    describe(r, &header);
    bool ok = put(w, r, &header, err);
    text_free(&header);
    if (ok)
        return file_close(w, err);
    file_abandon(w);
    return false;
}

void ref_free(Ref *r)
{
    arena_free(&r->arena);
}

static double *rows(Ref *r, int width)
{
    return arena_many(&r->arena, (size_t)r->count * (size_t)width, double);
}

static const char *joined(Ref *r, const char *name, const char *part)
{
    return arena_printf(&r->arena, "%s.%s", name, part);
}

/* ---- products ---- */

double *ref_embed(Ref *r, const char *name, int count, int width, const int *ids, int offset)
{
    const double *table = ref_weight(r, joined(r, name, "weight"), count, width, 1, 0);
    double *out = rows(r, width);
    for (int t = 0; t < r->count; t++)
        for (int i = 0; i < width; i++)
            out[t * width + i] = table[(ids ? ids[t] : t + offset) * width + i];
    return out;
}

double *ref_linear(Ref *r, const double *x, const char *name, int in, int out, int flags)
{
    bool turned = flags & REF_CONV1D;
    const double *w =
        ref_weight(r, joined(r, name, "weight"), turned ? in : out, turned ? out : in, 1 / sqrt(in), 0);
    const double *b = flags & REF_BIAS ? ref_weight(r, joined(r, name, "bias"), out, 0, 0.2, 0) : NULL;
    double *y = rows(r, out);
    for (int t = 0; t < r->count; t++)
        for (int o = 0; o < out; o++) {
            double sum = b ? b[o] : 0;
            for (int i = 0; i < in; i++)
                sum += x[t * in + i] * (turned ? w[i * out + o] : w[o * in + i]);
            y[t * out + o] = sum;
        }
    return y;
}

double *ref_head(Ref *r, const double *x, const double *table, int width, int vocab)
{
    double *y = rows(r, vocab);
    for (int t = 0; t < r->count; t++)
        for (int v = 0; v < vocab; v++) {
            double sum = 0;
            for (int i = 0; i < width; i++)
                sum += x[t * width + i] * table[v * width + i];
            y[t * vocab + v] = sum;
        }
    return y;
}

/* ---- by row ---- */

static void norm_part(const double *x, double *y, int width, RefNorm kind, double epsilon)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < width && kind != REF_RMS && kind != REF_RMS_1P; i++)
        mean += x[i] / width;
    for (int i = 0; i < width; i++)
        variance += (x[i] - mean) * (x[i] - mean) / width;
    for (int i = 0; i < width; i++)
        y[i] = (x[i] - mean) / sqrt(variance + epsilon);
}

double *ref_norm(Ref *r, const double *x, const char *name, int parts, int width, RefNorm kind,
                 double epsilon)
{
    int n = parts * width;
    bool less = kind == REF_LAYER_1P || kind == REF_RMS_1P, shared = kind == REF_RMS_1P || parts == 1;
    const double *w = NULL, *b = NULL;
    if (kind != REF_LAYER_PLAIN)
        w = ref_weight(r, joined(r, name, "weight"), shared ? width : parts, shared ? 0 : width, 0.3, !less);
    if (kind == REF_LAYER || kind == REF_LAYER_1P)
        b = ref_weight(r, joined(r, name, "bias"), n, 0, 0.2, 0);
    double *y = rows(r, n);
    for (int t = 0; t < r->count; t++) {
        for (int p = 0; p < parts; p++)
            norm_part(x + t * n + p * width, y + t * n + p * width, width, kind, epsilon);
        for (int i = 0; i < n; i++)
            y[t * n + i] = y[t * n + i] * (w ? w[shared ? i % width : i] + less : 1) + (b ? b[i] : 0);
    }
    return y;
}

static double activated(double x, RefActivation kind)
{
    switch (kind) {
    case REF_GELU: return x * 0.5 * (1 + erf(x / sqrt(2)));
    case REF_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case REF_GELU_QUICK: return x / (1 + exp(-1.702 * x));
    case REF_RELU: return x > 0 ? x : 0;
    case REF_RELU2: return x > 0 ? x * x : 0;
    case REF_SILU: return x / (1 + exp(-x));
    }
    abort();
}

double *ref_activation(Ref *r, const double *x, int width, RefActivation kind)
{
    double *y = rows(r, width);
    for (int i = 0; i < r->count * width; i++)
        y[i] = activated(x[i], kind);
    return y;
}

double *ref_sum(Ref *r, const double *a, const double *b, double factor, int width)
{
    double *y = rows(r, width);
    for (int i = 0; i < r->count * width; i++)
        y[i] = a[i] + factor * b[i];
    return y;
}

double *ref_product(Ref *r, const double *a, const double *b, int width)
{
    double *y = rows(r, width);
    for (int i = 0; i < r->count * width; i++)
        y[i] = a[i] * b[i];
    return y;
}

double *ref_scaled(Ref *r, const double *a, double factor, int width)
{
    double *y = rows(r, width);
    for (int i = 0; i < r->count * width; i++)
        y[i] = a[i] * factor;
    return y;
}

double *ref_clipped(Ref *r, const double *a, double bound, int width)
{
    double *y = rows(r, width);
    for (int i = 0; i < r->count * width; i++)
        y[i] = a[i] > bound ? bound : a[i] < -bound ? -bound : a[i];
    return y;
}

double *ref_columns(Ref *r, const double *x, int from, int first, int stride, int groups, int width)
{
    double *y = rows(r, groups * width);
    for (int t = 0; t < r->count; t++)
        for (int g = 0; g < groups; g++)
            for (int j = 0; j < width; j++)
                y[(t * groups + g) * width + j] = x[t * from + first + g * stride + j];
    return y;
}

/* ---- positions ---- */

const double *ref_frequencies(Ref *r, int dims, double theta)
{
    double *f = arena_many(&r->arena, (size_t)dims / 2, double);
    for (int j = 0; j < dims / 2; j++)
        f[j] = pow(theta, -2.0 * j / dims);
    return f;
}

double *ref_rotate(Ref *r, const double *x, int heads, int d, int pairs, const double *frequency,
                   bool interleaved)
{
    double *y = rows(r, heads * d);
    memcpy(y, x, (size_t)(r->count * heads * d) * sizeof *y);
    for (int t = 0; t < r->count; t++)
        for (int h = 0; h < heads; h++)
            for (int j = 0; j < pairs; j++) {
                int row = (t * heads + h) * d;
                int a = row + (interleaved ? 2 * j : j), b = row + (interleaved ? 2 * j + 1 : j + pairs);
                double c = cos(t * frequency[j]), s = sin(t * frequency[j]);
                y[a] = x[a] * c - x[b] * s;
                y[b] = x[b] * c + x[a] * s;
            }
    return y;
}

const double *ref_slopes(Ref *r, int heads, double most)
{
    double *slope = arena_many(&r->arena, (size_t)heads, double);
    int n = 1;
    while (2 * n <= heads)
        n *= 2;
    for (int h = 0; h < heads; h++)
        slope[h] = h < n ? pow(2, -most / n * (h + 1)) : pow(2, -most / (2 * n) * (2 * (h - n) + 1));
    return slope;
}

/* ---- attention ---- */

static void attend(const RefAttention *a, double cap, int t, int h, const double *q, const double *k,
                   const double *v, double *score, double *out)
{
    int g = h / (a->heads / a->groups), width = a->groups * a->d, from = 0;
    double most = -INFINITY, sum = 0;
    if (a->window && t - a->window + 1 > 0)
        from = t - a->window + 1;
    for (int s = from; s <= t; s++) {
        score[s] = 0;
        for (int i = 0; i < a->d; i++)
            score[s] += q[(t * a->heads + h) * a->d + i] * k[s * width + g * a->d + i];
        score[s] *= a->scale;
        if (cap > 0)
            score[s] = cap * tanh(score[s] / cap);
        score[s] += (a->slopes ? a->slopes[h] * s : 0);
        most = fmax(most, score[s]);
    }
    for (int s = from; s <= t; s++)
        sum += score[s] = exp(score[s] - most);
    for (int i = 0; i < a->d; i++) {
        out[i] = 0;
        for (int s = from; s <= t; s++)
            out[i] += score[s] / sum * v[s * width + g * a->d + i];
    }
}

double *ref_attention_capped(Ref *r, const RefAttention *a, double cap, const double *q, const double *k,
                             const double *v)
{
    double *out = rows(r, a->heads * a->d), *score = arena_many(&r->arena, (size_t)r->count, double);
    for (int t = 0; t < r->count; t++)
        for (int h = 0; h < a->heads; h++)
            attend(a, cap, t, h, q, k, v, score, out + (t * a->heads + h) * a->d);
    return out;
}

double *ref_attention(Ref *r, const RefAttention *a, const double *q, const double *k, const double *v)
{
    return ref_attention_capped(r, a, 0, q, k, v);
}
