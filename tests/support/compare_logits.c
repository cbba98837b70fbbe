/* compare_logits GOT EXPECTED VOCAB LIMIT: rows of VOCAB logits; GOT is float32 little-endian, EXPECTED the
 * same, or float64 where the file is twice as long, or `FILE.json:N`, the N-th sequence of {"logits":
 * [[[...]]]}. Prints the worst relative L2 error of a row; exit status 1 where it is above LIMIT. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"

static void die(const char *text)
{
    fprintf(stderr, "compare_logits: %s\n", text);
    exit(2);
}

static double *from_floats(const char *path, size_t *count, size_t like)
{
    char *data;
    Error err;
    if (!file_read(path, 0, &data, count, &err))
        die(err.text);
    bool wide = like && *count == 8 * like;
    *count /= wide ? 8 : 4;
    double *out = xcalloc(*count, sizeof *out);
    for (size_t i = 0; i < *count; i++) {
        float f;
        if (wide)
            memcpy(&out[i], data + 8 * i, 8);
        else
            memcpy(&f, data + 4 * i, 4), out[i] = (double)f;
    }
    free(data);
    return out;
}

static double *from_json(const char *path, size_t sequence, size_t *count)
{
    json_t *root = json_load_file(path, 0, NULL),
           *rows = json_array_get(json_object_get(root, "logits"), sequence);
    size_t vocab = json_array_size(json_array_get(rows, 0));
    if (!vocab)
        die("no such sequence in the JSON file");
    *count = json_array_size(rows) * vocab;
    double *out = xcalloc(*count, sizeof *out);
    for (size_t i = 0; i < *count; i++)
        out[i] = json_number_value(json_array_get(json_array_get(rows, i / vocab), i % vocab));
    json_decref(root);
    return out;
}

static double row_error(const double *got, const double *expected, size_t vocab)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < vocab; i++) {
        difference += (got[i] - expected[i]) * (got[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    return sqrt(difference / size);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: compare_logits GOT EXPECTED[:N] VOCAB LIMIT");
    size_t vocab = (size_t)atol(argv[3]), n, m;
    double *got = from_floats(argv[1], &n, 0), worst = 0;
    char *colon = strrchr(argv[2], ':');
    if (colon)
        *colon = 0;
    double *expected = colon ? from_json(argv[2], (size_t)atol(colon + 1), &m) : from_floats(argv[2], &m, n);
    if (n != m || !n || n % vocab)
        die("the files have different numbers of logits");
    for (size_t i = 0; i < n; i += vocab) {
        double e = row_error(got + i, expected + i, vocab);
        if (!(e <= worst)) /* a NaN counts as worst */
            worst = e;
    }
    printf("%.3g\n", worst);
    free(got);
    free(expected);
    return worst <= atof(argv[4]) ? 0 : 1;
}
