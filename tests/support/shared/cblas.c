/* A stand-in for a BLAS, built as a shared object: cblas_sgemm by its definition, in double precision, which
 * notes every argument that a real one would reject or misread. Written from the reference BLAS' description
 * of its arguments; it shares nothing with the kernels. */
#include <stdio.h>

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

extern int cblas_calls;
extern char cblas_complaint[256];
int cblas_calls;
char cblas_complaint[256]; /* the first */

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

static void complain(const char *what, long long number)
{
    if (!cblas_complaint[0])
        snprintf(cblas_complaint, sizeof cblas_complaint, "%s: %lld", what, number);
}

static int valid(int order, int ta, int tb, int m, int n, int k, int lda, int ldb, int ldc)
{
    if (order != ROW_MAJOR)
        complain("the order is not row-major", order);
    if (ta != NO_TRANS && ta != TRANS)
        complain("transposition of A", ta);
    if (tb != NO_TRANS && tb != TRANS)
        complain("transposition of B", tb);
    if (m <= 0 || n <= 0 || k <= 0)
        complain("a size is not positive", m < n ? (m < k ? m : k) : (n < k ? n : k));
    if (lda < (ta == TRANS ? m : k))
        complain("the rows of A overlap", lda);
    if (ldb < (tb == TRANS ? k : n))
        complain("the rows of B overlap", ldb);
    if (ldc < n)
        complain("the rows of C overlap", ldc);
    return !cblas_complaint[0];
}

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc)
{
    cblas_calls++;
    if (!valid(order, ta, tb, m, n, k, lda, ldb, ldc))
        return;
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            double sum = 0;
            for (long p = 0; p < k; p++)
                sum += (double)(ta == TRANS ? a[p * lda + i] : a[i * lda + p]) *
                       (tb == TRANS ? b[j * ldb + p] : b[p * ldb + j]);
            /* With beta 0 what C holds is not read: it may be anything. */
            double old = beta == 0 ? 0 : (double)beta * c[i * ldc + j];
            c[i * ldc + j] = (float)(alpha * sum + old);
        }
}
