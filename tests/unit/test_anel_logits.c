/* What the graphs of models/ *mean*: evaluated op by op, before any pass, they give the logits of an
 * independent reference: GPT-2 in double precision on small checkpoints made here, and the published logits
 * of Hugging Face's implementations where the data is at hand. */
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/anel/anel.h"
#include "frontend/weights/bind.h"
#include "tests/support/libcheckpoint.h"
#include "tests/support/libgpt2.h"
#include "tests/support/libgraph.h"
#include "tests/unit/check.h"

typedef struct Loaded {
    Source source;
    Weights *weights;
    Module *module;
    AnelModel model;
    Bound *bound;
} Loaded;

static bool has_tensor(void *context, const char *name)
{
    return weights_resolve(context, name) != NULL;
}

static void unload(Loaded *l)
{
    bound_free(l->bound);
    module_free(l->module);
    weights_close(l->weights);
    free((void *)(uintptr_t)l->source.text);
}

/* `config`: instead of the one beside the weights; may be NULL. */
static bool load(Loaded *l, const char *model, const char *weights, json_t *config, const char *const *sets,
                 int set_count)
{
    Diags diags = {.out = stdout};
    Error err = {""};
    char *text;
    *l = (Loaded){.weights = weights_open(weights, &err)};
    if (!l->weights || !file_read(model, 0, &text, &l->source.size, &err)) {
        printf("%s\n", err.text);
        return false;
    }
    l->source.name = model;
    l->source.text = text;
    AnelOptions o = {.config = anel_config_json,
                     .config_context = config ? config : weights_config(l->weights),
                     .has_tensor = has_tensor,
                     .tensor_context = l->weights,
                     .sets = sets,
                     .set_count = set_count};
    l->module = anel_compile(&l->source, &o, &l->model, &diags);
    l->bound = l->module ? bind_weights(l->module->func[0], l->weights, &diags) : NULL;
    return l->bound != NULL;
}

/* The largest relative L2 error of a row. */
static double worst_row(const double *got, const double *wanted, int rows, int64_t length)
{
    double worst = 0;
    for (int r = 0; r < rows; r++) {
        double difference = 0, size = 0;
        for (int64_t i = r * length; i < (r + 1) * length; i++) {
            difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
            size += wanted[i] * wanted[i];
        }
        double error = sqrt(difference / size);
        if (!(error <= worst))
            worst = error;
    }
    return worst;
}

static double *run(const Loaded *l, const int *ids, int count)
{
    Error err;
    WeightSource source = bound_source(l->bound);
    double *out = xcalloc((size_t)count * (size_t)l->model.vocab, sizeof *out);
    if (graph_logits(l->module->func[0], &source, ids, count, out, &err))
        return out;
    printf("%s\n", err.text);
    free(out);
    return NULL;
}

/* ---- GPT-2, checkpoints made here ---- */

static double compare_gpt2(const CheckpointSpec *spec)
{
    enum { COUNT = 12 };
    static const int ids[COUNT] = {7, 0, 12, 12, 99, 3, 250, 1, 64, 31, 2, 5};
    char dir[] = "/tmp/anel-logits-XXXXXX";
    double worst = INFINITY, *wanted = xcalloc((size_t)COUNT * (size_t)spec->vocab, sizeof *wanted),
           *got = NULL;
    Error err = {""};
    Loaded l = {0};
    Gpt2 *reference = NULL;
    bool ok = mkdtemp(dir) && checkpoint_write(spec, dir, &err) && (reference = gpt2_open(dir, 0, &err)) &&
              gpt2_logits(reference, ids, COUNT, wanted, &err);
    if (!ok)
        printf("%s\n", err.text);
    if (ok && load(&l, "models/gpt2.anel", dir, NULL, NULL, 0) && (got = run(&l, ids, COUNT)))
        worst = worst_row(got, wanted, COUNT, spec->vocab);
    gpt2_close(reference);
    unload(&l);
    free(got);
    free(wanted);
    if (!dir_remove(dir, &err))
        printf("%s\n", err.text);
    return worst;
}

static void test_gpt2(void)
{
    CheckpointSpec spec = checkpoint_spec();
    CHECK(compare_gpt2(&spec) < 1e-12);
    spec.separate_head = true;
    spec.heads = 4;
    CHECK(compare_gpt2(&spec) < 1e-12);
    spec.linear = true;
    spec.prefix = "transformer.";
    CHECK(compare_gpt2(&spec) < 1e-12);
    spec = checkpoint_spec();
    spec.buffers = spec.unaligned = true;
    spec.inner = 40;
    spec.dtype = "f16";
    CHECK(compare_gpt2(&spec) < 1e-12);
}

/* ---- Hugging Face's fixtures ---- */

static double compare_sequence(const Loaded *l, const json_t *ids, const json_t *rows)
{
    int count = (int)json_array_size(ids), id[256];
    int64_t vocab = l->model.vocab;
    if (count < 1 || count > 256)
        return INFINITY;
    for (int i = 0; i < count; i++)
        id[i] = (int)json_integer_value(json_array_get(ids, (size_t)i));
    double *wanted = xcalloc((size_t)count * (size_t)vocab, sizeof *wanted), *got = run(l, id, count);
    for (int64_t i = 0; i < count * vocab; i++)
        wanted[i] =
            json_number_value(json_array_get(json_array_get(rows, (size_t)(i / vocab)), (size_t)(i % vocab)));
    double worst = got ? worst_row(got, wanted, count, vocab) : INFINITY;
    free(wanted);
    free(got);
    return worst;
}

static json_t *read_json(const char *folder, const char *name, const char *end)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/hf-fixtures/tiny_%s%s", folder, name, end);
    return json_load_file(path, 0, NULL);
}

/* Their numbers are those of a computation in single precision. */
static void compare_fixture(const char *folder, const char *name, const char *model, const char *const *sets,
                            int set_count)
{
    char weights[1024];
    Loaded l;
    snprintf(weights, sizeof weights, "%s/hf-fixtures/tiny_%s.safetensors", folder, name);
    json_t *logits = read_json(folder, name, "_logits.json"),
           *config = read_json(folder, name, "_config.json");
    if (!logits || !file_exists(weights)) {
        SKIP("the fixture is absent");
    } else {
        bool ok =
            load(&l, model, weights, config ? config : json_object_get(logits, "config"), sets, set_count);
        CHECK(ok);
        json_t *sequences = json_object_get(logits, "sequences"), *rows = json_object_get(logits, "logits");
        CHECK(json_array_size(sequences) > 0);
        for (size_t i = 0; ok && i < json_array_size(sequences); i++)
            CHECK(compare_sequence(&l, json_array_get(sequences, i), json_array_get(rows, i)) < 1e-6);
        unload(&l);
    }
    json_decref(logits);
    json_decref(config);
}

static void test_fixtures(void)
{
    static const char *const gpt2[] = {"vocab=11", "context=16"}; /* which its config does not say */
    const char *folder = check_data();
    if (!folder) {
        SKIP("no folder of test data");
        return;
    }
    compare_fixture(folder, "gpt2", "models/gpt2.anel", gpt2, 2);
    compare_fixture(folder, "gptneo", "models/gptneo.anel", NULL, 0);
    compare_fixture(folder, "llama", "models/llama.anel", NULL, 0);
    compare_fixture(folder, "qwen2", "models/llama.anel", NULL, 0);
    compare_fixture(folder, "mistral", "models/mistral.anel", NULL, 0);
    compare_fixture(folder, "qwen3", "models/qwen3.anel", NULL, 0);
}

/* ---- rotary positions ---- */

enum { ROTARY_COUNT = 6, ROTARY_HEADS = 2, ROTARY_LENGTH = 10, ROTARY_PAIRS = 3 };

static double table_value(int64_t i)
{
    return (double)(i * 37 % 19 - 9) / 8;
}

static bool read_table(void *context, const WeightRef *ref, const Type *type, int64_t first, int64_t count,
                       DType as, void *out, Error *err)
{
    for (int64_t i = 0; i < count; i++)
        ((float *)out)[i] = (float)table_value(first + i);
    return true;
}

/* Pair j of each head, (x[a], x[b]), as a complex number times exp(i * position * theta^(-j / pairs)). */
static double rotated(int position, int element, bool interleaved)
{
    int head = element / ROTARY_LENGTH, e = element % ROTARY_LENGTH,
        base = position * 20 + head * ROTARY_LENGTH;
    int pair = interleaved ? e / 2 : e % ROTARY_PAIRS;
    bool second = interleaved ? e % 2 : e >= ROTARY_PAIRS;
    if (e >= 2 * ROTARY_PAIRS)
        return table_value(base + e);
    double a = table_value(base + (interleaved ? 2 * pair : pair));
    double b = table_value(base + (interleaved ? 2 * pair + 1 : pair + ROTARY_PAIRS));
    double angle = position * pow(100, -(double)pair / ROTARY_PAIRS);
    return second ? a * sin(angle) + b * cos(angle) : a * cos(angle) - b * sin(angle);
}

static void test_rotary(bool interleaved)
{
    static const int ids[ROTARY_COUNT] = {0, 1, 2, 3, 4, 5};
    static const WeightSource numbers = {.read = read_table};
    double got[ROTARY_COUNT * 20], wanted[ROTARY_COUNT * 20];
    char text[512];
    snprintf(text, sizeof text,
             "import \"std.anel\"\n"
             "model m(context = 8) {\n"
             "  weight t [6, 20]\n"
             "  x = split_heads(embed(t, token), 2)\n"
             "  logits = merge_heads(%s(x, rope_angles(rope_frequencies(6, theta = 100))))\n"
             "}\n",
             interleaved ? "rotate_pairs" : "rotate");
    Source source = {"rotary.anel", text, strlen(text)};
    Diags diags = {.out = stdout};
    AnelModel model;
    Error err = {""};
    Module *m = anel_compile(&source, &(AnelOptions){0}, &model, &diags);
    CHECK(m && graph_logits(m->func[0], &numbers, ids, ROTARY_COUNT, got, &err));
    for (int i = 0; i < ROTARY_COUNT * 20; i++)
        wanted[i] = rotated(i / 20, i % 20, interleaved);
    CHECK(m && worst_row(got, wanted, ROTARY_COUNT, 20) < 1e-9);
    module_free(m);
}

int main(void)
{
    test_rotary(false);
    test_rotary(true);
    test_gpt2();
    test_fixtures();
    return check_report();
}
