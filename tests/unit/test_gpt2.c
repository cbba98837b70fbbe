/* The reference itself: logits that transformers computed in double precision, and the layouts among each
 * other. */
#include <math.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "tests/support/libcheckpoint.h"
#include "tests/support/libgpt2.h"
#include "tests/unit/check.h"

static void compare_sequence(const Gpt2 *m, const json_t *ids, const json_t *rows)
{
    int count = (int)json_array_size(ids), vocab = gpt2_vocab(m), *id = xcalloc((size_t)count, sizeof *id);
    double *out = xcalloc((size_t)count * (size_t)vocab, sizeof *out), worst = 0;
    Error err;
    for (int i = 0; i < count; i++)
        id[i] = (int)json_integer_value(json_array_get(ids, (size_t)i));
    CHECK(gpt2_logits(m, id, count, out, &err));
    for (int t = 0; t < count; t++)
        for (int v = 0; v < vocab; v++) {
            const json_t *expected = json_array_get(json_array_get(rows, (size_t)t), (size_t)v);
            worst = fmax(worst, fabs(out[t * vocab + v] - json_number_value(expected)));
        }
    CHECK(worst < 1e-12);
    free(id);
    free(out);
}

static void test_published(void)
{
    const char *data = check_data();
    Error err;
    if (!data) {
        SKIP("no test data");
        return;
    }
    char *model = path_join(data, "hf-fixtures/tiny_gpt2.safetensors");
    char *logits = path_join(data, "hf-fixtures/tiny_gpt2_logits.json");
    json_t *expected = json_load_file(logits, 0, NULL), *ids = json_object_get(expected, "sequences"), *each;
    Gpt2 *m = gpt2_open(model, 2, &err);
    size_t i;
    CHECK(m && json_array_size(ids) == 3);
    json_array_foreach(ids, i, each) if (m)
        compare_sequence(m, each, json_array_get(json_object_get(expected, "logits"), i));
    CHECK(!gpt2_open(model, 0, &err)); /* without a config the heads are needed */
    CHECK(!gpt2_open(model, 3, &err));
    gpt2_close(m);
    json_decref(expected);
    free(model);
    free(logits);
}

/* Logits of three tokens of a made checkpoint into out. */
static bool run(CheckpointSpec spec, double *out)
{
    char folder[] = "/tmp/test_gpt2.XXXXXX";
    Error err;
    if (!mkdtemp(folder) || !checkpoint_write(&spec, folder, &err))
        return false;
    Gpt2 *m = gpt2_open(folder, 0, &err);
    bool ok = m && gpt2_vocab(m) == spec.vocab && gpt2_context(m) == spec.context &&
              gpt2_logits(m, (int[]){1, 2, 3}, 3, out, &err);
    gpt2_close(m);
    return dir_remove(folder, &err) && ok;
}

/* What must not change the values, and what must. */
static void test_made(void)
{
    enum { VOCAB = 300, COUNT = 3 * VOCAB };
    static double a[COUNT], b[COUNT];
    CheckpointSpec spec = checkpoint_spec(), other = spec;
    CHECK(run(spec, a));
    other.prefix = "transformer.";
    other.buffers = other.unaligned = true;
    CHECK(run(other, b) && memcmp(a, b, sizeof a) == 0);
    other = spec;
    other.linear = true;
    CHECK(run(other, b) && memcmp(a, b, sizeof a) != 0); /* other numbers, not a transpose */
    other = spec;
    other.separate_head = true;
    CHECK(run(other, b) && memcmp(a, b, sizeof a) != 0);
    other = spec;
    other.seed = 2;
    CHECK(run(other, b) && memcmp(a, b, sizeof a) != 0);
    other = spec;
    other.dtype = "bf16"; /* weights differ by at most 2^-9 of themselves */
    CHECK(run(other, b));
    double worst = 0, largest = 0;
    for (int i = 0; i < COUNT; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]));
        largest = fmax(largest, fabs(a[i]));
    }
    CHECK(worst > 0 && worst < 0.2);
    CHECK(largest > 4 && largest < 20);
    other = spec;
    other.broken = "shape";
    CHECK(!run(other, b));
    other.broken = "missing";
    CHECK(!run(other, b));
}

int main(void)
{
    test_published();
    test_made();
    return check_report();
}
