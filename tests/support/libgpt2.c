#include "tests/support/libgpt2.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"

/* A matrix widened to double, as [in, out] where it is a projection. */
typedef struct Matrix {
    double *x; /* NULL: absent */
    int rows, columns;
} Matrix;

typedef struct Layer {
    Matrix ln_1_weight, ln_1_bias, ln_2_weight, ln_2_bias;
    Matrix attn_weight, attn_bias, attn_proj_weight, attn_proj_bias;
    Matrix fc_weight, fc_bias, proj_weight, proj_bias;
} Layer;

struct Gpt2 {
    int layers, heads, dim, vocab, context;
    bool linear;
    double eps;
    Matrix wte, wpe, ln_weight, ln_bias, head;
    Layer *layer;
};

/* ---- the file ---- */

typedef struct Reader {
    unsigned char *data;
    size_t size, base; /* base: where tensor data begins */
    json_t *header;
    char prefix[128];
} Reader;

static double element(const unsigned char *p, const char *dtype, size_t i)
{
    if (strcmp(dtype, "F32") == 0) {
        float f;
        memcpy(&f, p + 4 * i, 4);
        return f;
    }
    unsigned u = (unsigned)p[2 * i] | (unsigned)p[2 * i + 1] << 8;
    if (strcmp(dtype, "BF16") == 0) {
        double mantissa = u & 0x7f, sign = u & 0x8000 ? -1 : 1;
        int e = (int)(u >> 7 & 255);
        return e ? sign * ldexp(128 + mantissa, e - 134) : sign * ldexp(mantissa, -133);
    }
    double mantissa = u & 0x3ff, sign = u & 0x8000 ? -1 : 1;
    int e = (int)(u >> 10 & 31);
    return e ? sign * ldexp(1024 + mantissa, e - 25) : sign * ldexp(mantissa, -24);
}

/* Absent tensors give x == NULL; `turn` swaps the axes of a Linear. */
static Matrix read_matrix(const Reader *r, const char *name, bool turn)
{
    char full[256];
    Matrix m = {0};
    snprintf(full, sizeof full, "%s%s", strcmp(name, "lm_head.weight") == 0 ? "" : r->prefix, name);
    json_t *t = json_object_get(r->header, full), *shape = json_object_get(t, "shape");
    if (!t)
        return m;
    int rank = (int)json_array_size(shape);
    int a = rank > 1 ? (int)json_integer_value(json_array_get(shape, 0)) : 1;
    int b = (int)json_integer_value(json_array_get(shape, (size_t)(rank > 1)));
    const char *dtype = json_string_value(json_object_get(t, "dtype"));
    size_t begin = (size_t)json_integer_value(json_array_get(json_object_get(t, "data_offsets"), 0));
    size_t room = r->base + begin <= r->size ? r->size - r->base - begin : 0;
    if ((size_t)a * (size_t)b * (strcmp(dtype, "F32") == 0 ? 4 : 2) > room)
        return m; /* cut short: as good as absent */
    m.rows = turn ? b : a;
    m.columns = turn ? a : b;
    m.x = xmalloc((size_t)a * (size_t)b * sizeof *m.x);
    for (int i = 0; i < a; i++)
        for (int j = 0; j < b; j++) {
            double x = element(r->data + r->base + begin, dtype, (size_t)i * (size_t)b + (size_t)j);
            m.x[turn ? (size_t)j * (size_t)a + (size_t)i : (size_t)i * (size_t)b + (size_t)j] = x;
        }
    return m;
}

static void find_prefix(Reader *r)
{
    static const char wte[] = "wte.weight";
    const char *key;
    json_t *value;
    json_object_foreach(r->header, key, value)
    {
        size_t length = strlen(key), n = sizeof wte - 1;
        if (length >= n && length - n < sizeof r->prefix && strcmp(key + length - n, wte) == 0) {
            memcpy(r->prefix, key, length - n);
            r->prefix[length - n] = 0;
            return;
        }
    }
}

static bool open_reader(Reader *r, const char *file, Error *err)
{
    if (!file_read(file, 0, (char **)&r->data, &r->size, err))
        return false;
    size_t n = 0;
    for (int i = 7; i >= 0 && r->size > 8; i--)
        n = n << 8 | r->data[i];
    r->base = 8 + n;
    r->header = n && n <= r->size - 8 ? json_loadb((char *)r->data + 8, n, 0, NULL) : NULL;
    if (!r->header)
        return error_set(err, "%s: the reference reader cannot read it", file);
    find_prefix(r);
    return true;
}

/* ---- the model ---- */

static bool layer_name(char *out, size_t size, int i, const char *rest)
{
    return snprintf(out, size, "h.%d.%s", i, rest) < (int)size;
}

static bool read_layer(Gpt2 *m, const Reader *r, int i, Error *err)
{
    Layer *l = &m->layer[i];
    const struct {
        const char *name;
        Matrix *into;
        bool projection;
    } parts[] = {
        {"ln_1.weight", &l->ln_1_weight, false},
        {"ln_1.bias", &l->ln_1_bias, false},
        {"ln_2.weight", &l->ln_2_weight, false},
        {"ln_2.bias", &l->ln_2_bias, false},
        {"attn.c_attn.weight", &l->attn_weight, true},
        {"attn.c_attn.bias", &l->attn_bias, false},
        {"attn.c_proj.weight", &l->attn_proj_weight, true},
        {"attn.c_proj.bias", &l->attn_proj_bias, false},
        {"mlp.c_fc.weight", &l->fc_weight, true},
        {"mlp.c_fc.bias", &l->fc_bias, false},
        {"mlp.c_proj.weight", &l->proj_weight, true},
        {"mlp.c_proj.bias", &l->proj_bias, false},
    };
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        char name[64];
        layer_name(name, sizeof name, i, parts[k].name);
        *parts[k].into = read_matrix(r, name, parts[k].projection && m->linear);
        if (!parts[k].into->x && strstr(name, ".weight"))
            return error_set(err, "no %s", name);
    }
    bool fits = l->attn_weight.rows == m->dim && l->attn_weight.columns == 3 * m->dim &&
                l->attn_proj_weight.rows == m->dim && l->attn_proj_weight.columns == m->dim &&
                l->fc_weight.rows == m->dim && l->proj_weight.rows == l->fc_weight.columns &&
                l->proj_weight.columns == m->dim;
    return fits || error_set(err, "h.%d: the shapes do not fit together", i);
}

static bool read_model(Gpt2 *m, const Reader *r, Error *err)
{
    m->wte = read_matrix(r, "wte.weight", false);
    m->wpe = read_matrix(r, "wpe.weight", false);
    m->ln_weight = read_matrix(r, "ln_f.weight", false);
    m->ln_bias = read_matrix(r, "ln_f.bias", false);
    m->head = read_matrix(r, "lm_head.weight", false);
    Matrix attn = read_matrix(r, "h.0.attn.c_attn.weight", false);
    m->linear = attn.rows == 3 * attn.columns;
    free(attn.x);
    if (!m->wte.x || !m->wpe.x || !m->ln_weight.x || !attn.x)
        return error_set(err, "not a GPT-2 checkpoint");
    m->vocab = m->wte.rows;
    m->dim = m->wte.columns;
    m->context = m->wpe.rows;
    for (Matrix probe;; m->layers++, free(probe.x)) {
        char name[64];
        layer_name(name, sizeof name, m->layers, "ln_1.weight");
        if (!(probe = read_matrix(r, name, false)).x)
            break;
    }
    m->layer = xcalloc((size_t)m->layers, sizeof *m->layer);
    for (int i = 0; i < m->layers; i++)
        if (!read_layer(m, r, i, err))
            return false;
    return true;
}

static void read_config(Gpt2 *m, const char *file, int heads)
{
    char *dir = path_dir(file), *path = path_join(dir, "config.json");
    json_t *config = json_load_file(path, 0, NULL), *eps = json_object_get(config, "layer_norm_epsilon");
    m->eps = json_is_number(eps) ? json_number_value(eps) : 1e-5;
    m->heads = heads > 0 ? heads : (int)json_integer_value(json_object_get(config, "n_head"));
    json_decref(config);
    free(path);
    free(dir);
}

Gpt2 *gpt2_open(const char *path, int heads, Error *err)
{
    char *file = file_is_dir(path) ? path_join(path, "model.safetensors") : xstrdup(path);
    Reader r = {0};
    Gpt2 *m = xcalloc(1, sizeof *m);
    read_config(m, file, heads);
    bool ok = open_reader(&r, file, err) && read_model(m, &r, err);
    if (ok && (m->heads < 1 || m->dim % m->heads))
        ok = error_set(err, "%s: the number of heads is needed", file);
    json_decref(r.header);
    free(r.data);
    free(file);
    if (ok)
        return m;
    gpt2_close(m);
    return NULL;
}

void gpt2_close(Gpt2 *m)
{
    if (!m)
        return;
    for (int i = 0; m->layer && i < m->layers; i++)
        for (size_t k = 0; k < sizeof(Layer) / sizeof(Matrix); k++)
            free(((Matrix *)&m->layer[i])[k].x);
    free(m->wte.x);
    free(m->wpe.x);
    free(m->ln_weight.x);
    free(m->ln_bias.x);
    free(m->head.x);
    free(m->layer);
    free(m);
}

int gpt2_vocab(const Gpt2 *m)
{
    return m->vocab;
}

int gpt2_context(const Gpt2 *m)
{
    return m->context;
}

/* ---- the forward pass; rows are tokens ---- */

static void layer_norm(const Gpt2 *m, const double *x, const Matrix *weight, const Matrix *bias, double *y,
                       int rows)
{
    for (int r = 0; r < rows; r++, x += m->dim, y += m->dim) {
        double mean = 0, variance = 0;
        for (int i = 0; i < m->dim; i++)
            mean += x[i] / m->dim;
        for (int i = 0; i < m->dim; i++)
            variance += (x[i] - mean) * (x[i] - mean) / m->dim;
        for (int i = 0; i < m->dim; i++)
            y[i] = (x[i] - mean) / sqrt(variance + m->eps) * weight->x[i] + (bias->x ? bias->x[i] : 0);
    }
}

/* y = x W + b, W [in, out]; the caller frees. */
static double *project(const double *x, const Matrix *w, const Matrix *b, int rows)
{
    double *y = xcalloc((size_t)rows * (size_t)w->columns, sizeof *y);
    for (int r = 0; r < rows; r++) {
        double *to = y + (size_t)r * (size_t)w->columns;
        for (int i = 0; i < w->rows; i++)
            for (int j = 0; j < w->columns; j++)
                to[j] += x[(size_t)r * (size_t)w->rows + (size_t)i] *
                         w->x[(size_t)i * (size_t)w->columns + (size_t)j];
        for (int j = 0; b->x && j < w->columns; j++)
            to[j] += b->x[j];
    }
    return y;
}

/* One head's output for token t: a mean of the values up to t, weighted by softmax(q k / sqrt(size)). */
static void attend(const double *qkv, int dim, int size, int head, int t, double *out)
{
    const double *q = qkv + (size_t)t * 3 * (size_t)dim + head * size;
    double *score = xmalloc(((size_t)t + 1) * sizeof *score), top = -INFINITY, sum = 0;
    for (int s = 0; s <= t; s++) {
        const double *k = qkv + (size_t)s * 3 * (size_t)dim + dim + head * size;
        score[s] = 0;
        for (int i = 0; i < size; i++)
            score[s] += q[i] * k[i] / sqrt(size);
        top = fmax(top, score[s]);
    }
    for (int s = 0; s <= t; s++)
        sum += score[s] = exp(score[s] - top);
    for (int i = 0; i < size; i++)
        out[i] = 0;
    for (int s = 0; s <= t; s++) {
        const double *v = qkv + (size_t)s * 3 * (size_t)dim + 2 * dim + head * size;
        for (int i = 0; i < size; i++)
            out[i] += score[s] / sum * v[i];
    }
    free(score);
}

static void add(double *x, double *y, size_t count) /* frees y */
{
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
    free(y);
}

static double gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

static void run_layer(const Gpt2 *m, const Layer *l, double *x, int rows)
{
    size_t count = (size_t)rows * (size_t)m->dim;
    int size = m->dim / m->heads;
    double *norm = xmalloc(count * sizeof *norm);
    layer_norm(m, x, &l->ln_1_weight, &l->ln_1_bias, norm, rows);
    double *qkv = project(norm, &l->attn_weight, &l->attn_bias, rows);
    double *mixed = xmalloc(count * sizeof *mixed);
    for (int t = 0; t < rows; t++)
        for (int h = 0; h < m->heads; h++)
            attend(qkv, m->dim, size, h, t, mixed + (size_t)t * (size_t)m->dim + h * size);
    add(x, project(mixed, &l->attn_proj_weight, &l->attn_proj_bias, rows), count);
    layer_norm(m, x, &l->ln_2_weight, &l->ln_2_bias, norm, rows);
    double *wide = project(norm, &l->fc_weight, &l->fc_bias, rows);
    for (size_t i = 0; i < (size_t)rows * (size_t)l->fc_weight.columns; i++)
        wide[i] = gelu(wide[i]);
    add(x, project(wide, &l->proj_weight, &l->proj_bias, rows), count);
    free(norm);
    free(qkv);
    free(mixed);
    free(wide);
}

bool gpt2_logits(const Gpt2 *m, const int *ids, int count, double *out, Error *err)
{
    size_t dim = (size_t)m->dim;
    if (count < 1 || count > m->context)
        return error_set(err, "1 to %d tokens are expected", m->context);
    for (int t = 0; t < count; t++)
        if (ids[t] < 0 || ids[t] >= m->vocab)
            return error_set(err, "token %d is not in [0, %d)", ids[t], m->vocab);
    double *x = xmalloc((size_t)count * dim * sizeof *x), *norm = xmalloc((size_t)count * dim * sizeof *norm);
    for (int t = 0; t < count; t++)
        for (size_t i = 0; i < dim; i++)
            x[(size_t)t * dim + i] = m->wte.x[(size_t)ids[t] * dim + i] + m->wpe.x[(size_t)t * dim + i];
    for (int i = 0; i < m->layers; i++)
        run_layer(m, &m->layer[i], x, count);
    layer_norm(m, x, &m->ln_weight, &m->ln_bias, norm, count);
    const Matrix *head = m->head.x ? &m->head : &m->wte;
    for (int t = 0; t < count; t++)
        for (int v = 0; v < m->vocab; v++) {
            double sum = 0;
            for (size_t i = 0; i < dim; i++)
                sum += norm[(size_t)t * dim + i] * head->x[(size_t)v * dim + i];
            out[(size_t)t * (size_t)m->vocab + (size_t)v] = sum;
        }
    free(x);
    free(norm);
    return true;
}
