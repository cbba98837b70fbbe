/* The .anel front end as other programs call it: what surrounds a model, and what compiling leaves behind.
 * What the language itself means is in tests/parse and tests/sema. */
#include <jansson.h>

#include "base/file.h"
#include "frontend/anel/anel.h"
#include "tests/unit/check.h"

/* ---- helpers ---- */

typedef struct Compiled {
    Source *source; /* spans point at it */
    Module *module;
    AnelModel model;
    Diags diags;
    char *printed; /* what was reported */
} Compiled;

static Compiled compile_named(const char *name, const char *text, const AnelOptions *options)
{
    Compiled c = {.source = xmalloc(sizeof *c.source)};
    *c.source = (Source){name, text, strlen(text)};
    c.printed = xcalloc(1, 1 << 16);
    FILE *out = fmemopen(c.printed, (1 << 16) - 1, "w");
    c.diags.out = out;
    c.diags.limit = 1000;
    c.module = anel_compile(c.source, options, &c.model, &c.diags);
    fclose(out);
    c.diags.out = NULL;
    return c;
}

static Compiled compile(const char *text, AnelOptions options)
{
    return compile_named("test.anel", text, &options);
}

static void release(Compiled *c)
{
    module_free(c->module);
    free(c->source);
    free(c->printed);
}

static char *print_module(const Module *m)
{
    Text t = {0};
    module_print(&t, m);
    return t.data;
}

static const AnelParam *find_param(const AnelModel *m, const char *name)
{
    for (int i = 0; i < m->params; i++)
        if (strcmp(m->param[i].name, name) == 0)
            return &m->param[i];
    return NULL;
}

static const AnelWeight *find_weight(const AnelModel *m, const char *name)
{
    for (int i = 0; i < m->weights; i++)
        if (strcmp(m->weight[i].name, name) == 0)
            return &m->weight[i];
    return NULL;
}

static const char *param_text(const Compiled *c, const char *name)
{
    static char text[256];
    const AnelParam *p = find_param(&c->model, name);
    Text t = {0};
    if (!p)
        return "absent";
    anel_value_print(&t, &p->value);
    snprintf(text, sizeof text, "%s from %s", text_cstr(&t), p->origin);
    text_free(&t);
    return text;
}

/* ---- config and --set ---- */

static const char parameters[] = "model m(a = config(\"a\", 1), b = config(\"b\", config(\"old_b\", 2.5)), "
                                 "c = config(\"deep.list.1\", \"x\"),\n"
                                 "        d = config(\"d\", none), e = a * 2, context = 64) {\n"
                                 "  weight w [16, 8]\n"
                                 "  logits = linear(embed(w, token), w)\n"
                                 "}\n";

static void test_config(void)
{
    json_t *j = json_loads(
        "{\"a\": 3, \"b\": null, \"old_b\": 7, \"deep\": {\"list\": [1, \"two\"]}, \"d\": [true, 1e-3]}", 0,
        NULL);
    AnelOptions o = {.config = anel_config_json, .config_context = j, .config_name = "c.json"};
    Compiled c = compile(parameters, o);
    CHECK(c.module != NULL);
    CHECK_TEXT(param_text(&c, "a"), "3 from c.json: a");
    CHECK_TEXT(param_text(&c, "b"), "7 from c.json: old_b");
    CHECK_TEXT(param_text(&c, "c"), "\"two\" from c.json: deep.list.1");
    CHECK_TEXT(param_text(&c, "d"), "[true, 0.001] from c.json: d");
    CHECK_TEXT(param_text(&c, "e"), "6 from default");
    release(&c);
    json_decref(j);
}

/* What null means is said, or it counts as absent. */
static void test_null(void)
{
    static const char source[] = "model m(a = config(\"a\", 1, null = 2), b = config(\"b\", 1, null = 2),\n"
                                 "        c = config(\"c\", 1, null = 2), d = config(\"d\", null = 2),\n"
                                 "        e = config(\"a\", 5),\n"
                                 "        context = 64) {\n"
                                 "  weight w [16, 8]\n"
                                 "  logits = linear(embed(w, token), w)\n"
                                 "}\n";
    json_t *j = json_loads("{\"a\": null, \"b\": 3, \"d\": null}", 0, NULL);
    AnelOptions o = {.config = anel_config_json, .config_context = j, .config_name = "c.json"};
    Compiled c = compile(source, o);
    CHECK(c.module != NULL);
    CHECK_TEXT(param_text(&c, "a"), "2 from c.json: a");
    CHECK_TEXT(param_text(&c, "b"), "3 from c.json: b");
    CHECK_TEXT(param_text(&c, "c"), "1 from default");
    CHECK_TEXT(param_text(&c, "d"), "2 from c.json: d");
    CHECK_TEXT(param_text(&c, "e"), "5 from default");
    release(&c);
    o.sets = (const char *const[]){"b=none"};
    o.set_count = 1;
    c = compile(source, o);
    CHECK_TEXT(param_text(&c, "b"), "none from --set");
    release(&c);
    json_decref(j);
}

static void test_defaults(void)
{
    Compiled c = compile(parameters, (AnelOptions){0});
    CHECK_TEXT(param_text(&c, "a"), "1 from default");
    CHECK_TEXT(param_text(&c, "b"), "2.5 from default");
    CHECK_TEXT(param_text(&c, "d"), "none from default");
    release(&c);
}

static void test_sets(void)
{
    const char *sets[] = {"a=5", "old_b=0.5", "deep.list.1=y", "d=[1, [2]]", "a=6"};
    json_t *j = json_loads("{\"a\": 3, \"old_b\": 7}", 0, NULL);
    Compiled c =
        compile(parameters,
                (AnelOptions){.sets = sets, .set_count = 5, .config = anel_config_json, .config_context = j});
    CHECK_TEXT(param_text(&c, "a"), "6 from --set");
    CHECK_TEXT(param_text(&c, "b"), "0.5 from --set old_b");
    CHECK_TEXT(param_text(&c, "c"), "\"y\" from --set deep.list.1");
    CHECK_TEXT(param_text(&c, "d"), "[1, [2]] from --set");
    CHECK_TEXT(param_text(&c, "e"), "12 from default");
    release(&c);
    json_decref(j);
}

static void check_refused(const char *json, const char *message)
{
    json_t *j = json_loads(json, 0, NULL);
    Compiled c = compile(parameters, (AnelOptions){.config = anel_config_json, .config_context = j});
    CHECK(!c.module);
    CHECK(strstr(c.printed, message) != NULL);
    if (!strstr(c.printed, message))
        printf("%s", c.printed);
    release(&c);
    json_decref(j);
}

static void test_bad_config(void)
{
    check_refused("{\"a\": \"three\"}",
                  "test.anel:1:13: error: \"a\" is the text \"three\", but the default 1 is of "
                  "another kind (config.json: a)");
    check_refused("{\"d\": [[[[[[[[[[1]]]]]]]]]]}", "error: config.json: \"d\" is nested too deeply");
    check_refused("{\"a\": [1]}", "is the list [1], but the default 1");
    check_refused("{\"a\": true}", "is true, but the default 1");
}

/* ---- tensors of the checkpoint ---- */

static const char weights[] = "model m(context = 100) {\n"
                              "  buckets 128, 64, 32, 64\n"
                              "  weight wte [16, 8]\n"
                              "  weight head \"lm_head.weight\" [16, 8] else wte\n"
                              "  x = block(embed(wte, token), \"h.0\")\n"
                              "  x = block(x, \"h.0\")\n"
                              "  weight spare \"spare\" [3]\n"
                              "  logits = linear(x, head)\n"
                              "}\n"
                              "layer block(x: [S, D], at) -> [S, D] {\n"
                              "  weight w \"{at}.w\" [D, D]\n"
                              "  weight b \"{at}.b\" [D] else none\n"
                              "  return linear(x, transpose(w), b)\n"
                              "}\n";

static bool has_listed(void *context, const char *name)
{
    for (const char *const *n = context; *n; n++)
        if (strcmp(*n, name) == 0)
            return true;
    return false;
}

static AnelOptions with_tensors(const char **names)
{
    return (AnelOptions){.has_tensor = has_listed, .tensor_context = names};
}

static int count_weights(const Func *f)
{
    int n = 0;
    for (const Op *op = f->first; op; op = op->next)
        n += op->code == OP_CONST && op->literal->kind == LIT_WEIGHT;
    return n;
}

static void test_weights(void)
{
    const char *all[] = {"wte.weight", "lm_head.weight", "h.0.w", "h.0.b", "spare", NULL};
    Compiled c = compile(weights, with_tensors(all));
    CHECK(c.module != NULL && c.model.weights == 5 && count_weights(c.module->func[0]) == 5);
    CHECK(c.diags.errors == 0 && c.diags.warnings == 1);
    CHECK(strstr(c.printed, "test.anel:7:10: warning: the weight spare is not used") != NULL);
    const AnelWeight *w = find_weight(&c.model, "h.0.w");
    CHECK(w && w->used && !w->fallback && w->declared.rank == 2 && w->declared.dim[0] == 8);
    w = find_weight(&c.model, "h.0.b");
    CHECK(w && w->used && w->fallback);
    w = find_weight(&c.model, "spare");
    CHECK(w && !w->used);
    CHECK(c.model.context == 100 && c.model.vocab == 16);
    CHECK(c.model.buckets == 2 && c.model.bucket[0] == 32 && c.model.bucket[1] == 64);
    CHECK_TEXT(c.model.name, "m");
    release(&c);

    const char *few[] = {"wte.weight", "h.0.w", NULL};
    c = compile(weights, with_tensors(few));
    CHECK(c.module != NULL && c.model.weights == 3); /* the spare one is declared, so it is wanted */
    CHECK(!find_weight(&c.model, "lm_head.weight") && !find_weight(&c.model, "h.0.b") &&
          find_weight(&c.model, "spare"));
    release(&c);

    c = compile(weights, (AnelOptions){0}); /* no checkpoint: the head is tied, the bias is there */
    CHECK(c.module != NULL && c.model.weights == 4);
    CHECK(!find_weight(&c.model, "lm_head.weight") && find_weight(&c.model, "h.0.b"));
    release(&c);
}

/* A weight that is declared [in, out] and one that is declared [out, in] give the same op. */
static void test_transposed(void)
{
    Compiled c = compile("model m(context = 8) {\n"
                         "  weight e [16, 4]\n"
                         "  weight w [4, 6]\n"
                         "  weight v [5, 6]\n"
                         "  x = embed(e, token)\n"
                         "  logits = matmul(matmul(x, w), transpose(v))\n"
                         "}\n",
                         (AnelOptions){0});
    CHECK(c.module != NULL);
    int linears = 0;
    for (const Op *op = c.module ? c.module->func[0]->first : NULL; op; op = op->next) {
        if (op->code != OP_LINEAR)
            continue;
        const Value *w = op_arg(op, "weight");
        bool first = linears++ == 0;
        CHECK(w->def->literal->weight.transposed == first);
        CHECK(w->type->dim[0] == (first ? 6 : 5) && w->type->dim[1] == (first ? 4 : 6));
    }
    CHECK(linears == 2);
    release(&c);
}

/* ---- buckets ---- */

static void test_buckets(void)
{
    static const char text[] = "model m(context = 16, given = true) {\n"
                               "  if given { buckets 32, 64 }\n"
                               "  weight w [16, 8]\n"
                               "  logits = linear(embed(w, token), w)\n"
                               "}\n";
    const char *sets[] = {"given=false", "context=300"};
    Compiled c = compile(text, (AnelOptions){0});
    CHECK(c.model.buckets == 1 && c.model.bucket[0] == 16);
    release(&c);
    c = compile(text, (AnelOptions){.sets = sets, .set_count = 2});
    CHECK(c.model.buckets == 4 && c.model.bucket[0] == 32 && c.model.bucket[3] == 256);
    release(&c);
}

/* ---- the graph ---- */

static char *read_model(const char *path)
{
    char *data;
    size_t size;
    Error err;
    if (!file_read(path, 0, &data, &size, &err)) {
        printf("%s\n", err.text);
        exit(1);
    }
    return data;
}

static const char *find_word(const char *const *pairs, const char *word, size_t length)
{
    for (; length && *pairs; pairs += 2)
        if (strlen(pairs[0]) == length && memcmp(pairs[0], word, length) == 0)
            return pairs[1];
    return NULL;
}

/* Replaces whole words, but in texts only those within { }. */
static char *rename_words(const char *text, const char *const *pairs)
{
    Text out = {0};
    bool quoted = false, braced = false;
    while (*text) {
        size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        const char *word = quoted && !braced ? NULL : find_word(pairs, text, n);
        if (word)
            text_puts(&out, word);
        else
            text_add(&out, text, n ? n : 1);
        quoted ^= *text == '"';
        braced = quoted && (braced || *text == '{') && *text != '}';
        text += n ? n : 1;
    }
    return out.data;
}

/* The graph does not know what layers and variables are called. */
static void test_names_do_not_matter(void)
{
    static const char *const pairs[] = {
        "attention", "zeta",   "mlp",      "alpha", "x",       "stream", "h", "inside", "q",     "first",
        "k",         "second", "v",        "third", "s",       "dots",   "o", "mixed",  "scale", "factor",
        "heads",     "count",  "at",       "where", "i",       "number", "D", "Width",  "head",  "out",
        "inner",     "wide",   "activate", "act",   "epsilon", "tiny",   NULL};
    char *text = read_model("models/gpt2.anel");
    char *renamed = rename_words(text, pairs);
    Compiled a = compile_named("models/gpt2.anel", text, &(AnelOptions){0});
    Compiled b = compile_named("models/renamed.anel", renamed, &(AnelOptions){0});
    CHECK(a.module != NULL && b.module != NULL);
    if (!b.module)
        printf("%s", b.printed);
    if (a.module && b.module) {
        char *x = print_module(a.module), *y = print_module(b.module);
        CHECK(strcmp(x, y) == 0);
        free(x);
        free(y);
    }
    release(&a);
    release(&b);
    free(text);
    free(renamed);
}

/* Every op points at the line that it comes from, in imported files too. */
static void test_spans(void)
{
    char *text = read_model("models/gpt2.anel");
    Compiled c = compile_named("models/gpt2.anel", text, &(AnelOptions){0});
    int in_std = 0, here = 0, nowhere = 0;
    CHECK(c.module != NULL);
    for (const Op *op = c.module ? c.module->func[0]->first : NULL; op; op = op->next) {
        const Source *s = op->span.source;
        *(!s ? &nowhere : s == c.source ? &here : &in_std) += 1;
        CHECK(!s || op->span.start + op->span.length <= s->size);
    }
    CHECK(in_std > 100 && here > 100 && nowhere == 0);
    CHECK(c.module && module_verify(c.module, "the front end", &c.diags));
    release(&c);
    free(text);
}

int main(void)
{
    test_config();
    test_null();
    test_defaults();
    test_sets();
    test_bad_config();
    test_weights();
    test_transposed();
    test_buckets();
    test_names_do_not_matter();
    test_spans();
    return check_report();
}
