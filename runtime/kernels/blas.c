#include "runtime/kernels/blas.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/compute.h"

enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };

/* Below, a call and the conversion of the weights cost more than the matrix unit saves. An estimate: no Apple
 * chip has run this. */
#define LEAST_PRODUCTS 0x1p22
enum { LEAST_COLUMNS = 16 };

/* Weights that are not fp32 are converted so many at a time: 4 MB, a part of the second level cache. */
#define MOST_CONVERTED ((size_t)1 << 20)

#if defined(__APPLE__)
static const char own_library[] = "/System/Library/Frameworks/Accelerate.framework/Accelerate";
static const char own_name[] = "Accelerate";
#else
static const char own_library[] = "", own_name[] = "";
#endif

/* ---- finding one ---- */

BlasSgemm blas_find(const char *setting, Error *err)
{
    const char *path = setting && *setting ? setting : own_library;
    if (strcmp(path, "off") == 0 || !*path) {
        error_set(err, *path ? "ANEC_BLAS is off" : "this system has none of its own");
        return NULL;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        error_set(err, "%s: cannot be loaded: %s", path, dlerror());
        return NULL;
    }
    /* Accelerate keeps its current BLAS under a name of its own (macOS 13.3) beside the old one. */
    void *found = dlsym(library, "cblas_sgemm$NEWLAPACK");
    if (!found)
        found = dlsym(library, "cblas_sgemm");
    if (!found) {
        error_set(err, "%s: has no cblas_sgemm", path);
        dlclose(library);
        return NULL;
    }
    BlasSgemm sgemm;
    memcpy(&sgemm, &found, sizeof sgemm); /* ISO C has no cast between data and functions */
    return sgemm;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static BlasSgemm chosen;
static const char *name = "";
static Error why;

static void choose(void)
{
    const char *setting = getenv("ANEC_BLAS");
    chosen = blas_find(setting, &why);
    if (chosen)
        name = setting && *setting ? setting : own_name;
    if (chosen || !setting || !*setting || strcmp(setting, "off") == 0)
        why.text[0] = 0;
}

BlasSgemm blas_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const char *blas_name(void)
{
    pthread_once(&once, choose);
    return name;
}

const char *blas_complaint(void)
{
    pthread_once(&once, choose);
    return why.text[0] ? why.text : NULL;
}

/* ---- using it ---- */

static bool pays(const Compute *c, size_t m, size_t n, size_t k)
{
    return c->sgemm && n >= LEAST_COLUMNS && m && k && m <= INT_MAX && n <= INT_MAX && k <= INT_MAX &&
           (double)m * (double)n * (double)k >= LEAST_PRODUCTS;
}

/* Rows of such weights that are converted at a time. */
static size_t converted_rows(size_t m, size_t k)
{
    size_t rows = MOST_CONVERTED / k;
    return rows < 1 ? 1 : least(rows, m);
}

size_t blas_room(const Compute *c, size_t m, size_t n, size_t k)
{
    return pays(c, m, n, k) ? converted_rows(m, k) * k : 0;
}

typedef struct Job {
    const Compute *compute;
    const Linear *layer;
    size_t row, rows, n;
    float *y, *weights;
    size_t ldy;
} Job;

/* What the product is added to. */
static void fill_rows(void *ctx, int index, int count)
{
    const Job *j = ctx;
    size_t i, end;
    for (pool_range(j->layer->m, 1, index, count, &i, &end); i < end; i++) {
        float bias, *row = j->y + i * j->ldy;
        operand_floats(j->compute->kernels, j->layer->bias, i, 1, &bias);
        for (size_t k = 0; k < j->n; k++)
            row[k] = j->layer->accumulate ? row[k] + bias : bias;
    }
}

static void convert_rows(void *ctx, int index, int count)
{
    const Job *j = ctx;
    const Linear *l = j->layer;
    size_t i, end;
    for (pool_range(j->rows, 1, index, count, &i, &end); i < end; i++) {
        float *to = j->weights + i * l->k;
        if (l->scales) {
            Q8Rows row = linear_q8(l, j->row + i, 0);
            j->compute->kernels->q8_to_float(to, row.q, row.scales, l->k);
        } else {
            operand_floats(j->compute->kernels, l->w, (j->row + i) * l->ldw, l->k, to);
        }
    }
}

static void map_rows(void *ctx, int index, int count)
{
    const Job *j = ctx;
    size_t i, end;
    for (pool_range(j->layer->m, 1, index, count, &i, &end); i < end; i++) {
        float *row = j->y + i * j->ldy;
        j->compute->kernels->map[j->layer->map](row, row, j->n);
    }
}

static bool fits(size_t a, size_t b, size_t c)
{
    return a <= INT_MAX && b <= INT_MAX && c <= INT_MAX;
}

static void multiply(const Job *j, const float *w, size_t ldw, const float *x, size_t ldx)
{
    const Linear *l = j->layer;
    float beta = l->bias.data || l->accumulate ? 1 : 0;
    j->compute->sgemm(ROW_MAJOR, AS_IT_IS, AS_IT_IS, (int)j->rows, (int)j->n, (int)l->k, 1, w, (int)ldw, x,
                      (int)ldx, beta, j->y + j->row * j->ldy, (int)j->ldy);
}

bool blas_linear(Compute *c, const Linear *l, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    if (!pays(c, l->m, n, l->k) || !fits(l->ldw, ldx, ldy))
        return false;
    compute_reserve(c, compute_gemm_room(c, l->m, n, l->k));
    Job j = {.compute = c, .layer = l, .rows = l->m, .n = n, .y = y, .ldy = ldy, .weights = c->work};
    if (l->bias.data)
        compute_step(c, l->m * n, fill_rows, &j);
    bool converted = l->w.half || l->scales;
    if (!converted)
        multiply(&j, l->w.data, l->ldw, x, ldx);
    for (size_t most = converted_rows(l->m, l->k); converted && j.row < l->m; j.row += j.rows) {
        j.rows = least(most, l->m - j.row);
        compute_step(c, j.rows * l->k, convert_rows, &j);
        multiply(&j, j.weights, l->k, x, ldx);
    }
    if (l->map != MAP_NONE)
        compute_step(c, l->m * n, map_rows, &j);
    return true;
}

bool blas_gemm(Compute *c, const Gemm *g)
{
    if (!pays(c, g->m, g->n, g->k) || !fits(g->lda, g->ldb, g->ldc))
        return false;
    c->sgemm(ROW_MAJOR, g->a_transposed ? TRANSPOSED : AS_IT_IS, g->b_transposed ? TRANSPOSED : AS_IT_IS,
             (int)g->m, (int)g->n, (int)g->k, g->alpha, g->a, (int)g->lda, g->b, (int)g->ldb, 0, g->c,
             (int)g->ldc);
    return true;
}
