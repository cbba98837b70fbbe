/* anerun run: any MIL program on arrays from files. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "runtime/interpret.h"
#include "runtime/npy.h"
#include "tools/anerun/commands.h"
#include "tools/anerun/numerics.h"
#include "tools/shared/program.h"

enum { MOST_SHOWN = 1000 /* elements of a value that --print shows */ };

static struct {
    const char *func, *numerics, *profile;
    FlagList ins, outs;
    int64_t threads, memory;
    bool print, trace, evaluators, strict, quiet, help;
} opt = {.numerics = "fp32"};

static const Flag flags[] = {
    {FLAG_TEXT, "--func", NULL, "NAME", &opt.func, 0, 0,
     "the function to run (the only one, or the one called main)"},
    {FLAG_LIST, "--in", "-i", "NAME=SOURCE", &opt.ins, 0, 0,
     "an input, or what is in a state at first: a .npy file, or zeros, ones, random:SEED or a number, with "
     "@2,3 behind it for a shape that the program leaves open"},
    {FLAG_LIST, "--out", "-o", "NAME=FILE", &opt.outs, 0, 0,
     "write an output, or what is in a state afterwards, as .npy"},
    {FLAG_BOOL, "--print", NULL, NULL, &opt.print, 0, 0, "show the outputs' values"},
    {FLAG_BOOL, "--trace", NULL, NULL, &opt.trace, 0, 0,
     "time, value range and NaN and infinity counts of every step, on standard error"},
    {FLAG_TEXT, "--numerics", NULL, "fp32|stored|ane", &opt.numerics, 0, 0,
     "keep floats as fp32 inside, or round every value to its declared type, or compute as the Neural Engine "
     "would, as far as that is known, and say what overflows (fp32)"},
    {FLAG_TEXT, "--profile", NULL, "NAME", &opt.profile, 0, 0,
     "with --numerics ane: the chip whose numerics are modelled, or a profile file (safe)"},
    {FLAG_BOOL, "--strict-numerics", NULL, NULL, &opt.strict, 0, 0,
     "with --numerics ane: exit 1 where something overflows"},
    {FLAG_BOOL, "--evaluators", NULL, NULL, &opt.evaluators, 0, 0,
     "every op on its own, by its plain definition: slow, for checks"},
    {FLAG_INT, "--memory", NULL, "MB", &opt.memory, 1, 1e9,
     "most memory that values may take where shapes are open (the machine's)"},
    {FLAG_INT, "--threads", "-t", "N", &opt.threads, 1, 1024, "CPU threads (default: one a core)"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "no warnings"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

typedef struct Session {
    const char *path;
    ProgramFile program;
    Func *f;
    Tensor *param, *output; /* memory is malloc'ed */
    Numerics numerics;
    Arena arena;
    Engine *engine; /* NULL: none */
} Session;

static int print_help(void)
{
    return tool_help(
        "usage: anerun run PROGRAM --in NAME=SOURCE... [--out NAME=FILE...] [options]\n\n"
        "Runs a function of a MIL program on the CPU: a FILE.mil, alone or of a package (PKG/mil/NAME.mil),\n"
        "or a Core ML package (X.mlpackage, X.mlmodel).\n"
        "Weight files are looked for beside the program. Without --out and --print, outputs are\n"
        "summed up in a line each.\n\n",
        flags, FLAGS,
        "\n"
        "Example:\n"
        "  anerun run model.mil --in x=x.npy --in mask=ones --out y=y.npy\n");
}

/* ---- the program ---- */

static bool choose_function(Session *s, Error *err)
{
    Module *m = s->program.module;
    s->f = m->funcs == 1 ? m->func[0] : module_find(m, opt.func ? opt.func : "main");
    if (opt.func)
        s->f = module_find(m, opt.func);
    if (s->f)
        return true;
    Text names = {0};
    for (int i = 0; i < m->funcs; i++)
        text_printf(&names, "%s%s", i ? ", " : "", m->func[i]->name);
    error_set(err, "%s: %s%s: its functions are %s", s->path,
              opt.func ? "there is no function " : "which function (--func)?", opt.func ? opt.func : "",
              text_cstr(&names));
    text_free(&names);
    return false;
}

static bool open_program(Session *s, Error *err)
{
    return program_open(&s->program, s->path, opt.quiet, err) && choose_function(s, err);
}

/* ---- shapes ---- */

/* The shape that FlexibleShapeInformation gives for where none is said: ("DefaultShapes", {{"x", [4]}}). */
static bool default_shape(const Func *f, const char *name, Type *t)
{
    for (int i = 0; i < f->attrs; i++) {
        const Literal *tuple = f->attr[i].literal;
        if (strcmp(f->attr[i].key, "FlexibleShapeInformation") != 0 || tuple->kind != LIT_TREE)
            continue;
        for (size_t k = 0; k < tuple->count; k++) {
            const Literal *pair = tuple->children[k];
            if (pair->kind != LIT_TREE || pair->count != 2 || pair->children[0]->kind != LIT_STRING ||
                strcmp(pair->children[0]->strings[0], "DefaultShapes") != 0 ||
                pair->children[1]->kind != LIT_TREE)
                continue;
            const Literal *dict = pair->children[1];
            for (size_t n = 0; n + 1 < dict->count; n += 2) {
                const Literal *key = dict->children[n], *dims = dict->children[n + 1];
                if (key->kind != LIT_STRING || strcmp(key->strings[0], name) != 0 || dims->kind != LIT_INT ||
                    dims->count != (size_t)t->rank)
                    continue;
                for (int d = 0; d < t->rank; d++)
                    t->dim[d] = t->dim[d] < 0 ? dims->ints[d] : t->dim[d];
                return true;
            }
        }
    }
    return false;
}

/* "2,3" */
static bool given_shape(const char *text, Type *t, Error *err)
{
    int rank = 0;
    int64_t dim[IR_MAX_RANK];
    for (const char *p = text;; p++) {
        char *end;
        long long n = strtoll(p, &end, 10);
        if (end == p || n < 0 || rank == IR_MAX_RANK || (*end && *end != ','))
            return error_set(err, "\"%.40s\" is no shape such as 2,3", text);
        dim[rank++] = n;
        p = end;
        if (!*p)
            break;
    }
    bool fits = rank == t->rank;
    for (int i = 0; fits && i < rank; i++)
        fits = t->dim[i] < 0 || t->dim[i] == dim[i];
    if (fits)
        memcpy(t->dim, dim, sizeof dim);
    return fits || error_set(err, "the shape %.40s does not fit", text);
}

/* ---- inputs ---- */

static bool make_tensor(Tensor *out, const Type *t, Error *err)
{
    int64_t bytes = type_bytes(t);
    void *data = bytes < 0 ? NULL : calloc(1, (size_t)bytes + 64);
    if (!data)
        return error_set(err, "there is no memory for %lld bytes", (long long)bytes);
    *out = tensor_of(t, t->dtype, data);
    return true;
}

static bool is_whole(DType d)
{
    return dtype_is_int(d) || d == DT_BOOL;
}

static bool from_file(const char *path, const Type *want, Tensor *out, Error *err)
{
    Npy n;
    if (!npy_read(path, &n, err))
        return false;
    Type t = n.type;
    t.dtype = want->dtype;
    bool fits = t.rank == want->rank;
    for (int i = 0; fits && i < t.rank; i++)
        fits = want->dim[i] < 0 || want->dim[i] == t.dim[i];
    fits = fits && (!is_whole(want->dtype) || is_whole(n.type.dtype));
    bool ok = fits && make_tensor(out, &t, err);
    if (ok) {
        Tensor from = tensor_of(&n.type, n.type.dtype, n.data);
        tensor_move(out, 0, &from, 0, out->count);
    } else if (!fits) {
        Arena a = {0};
        error_set(err, "%s holds %s", path, type_text(&a, &n.type));
        arena_free(&a);
    }
    npy_free(&n);
    return ok;
}

/* splitmix64: the same numbers everywhere. Floats are uniform in [-1, 1), integers 0 or 1. */
static double random_number(uint64_t *state, DType d)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return is_whole(d) ? (double)(z & 1) : (double)(z >> 11) * 0x1p-52 - 1;
}

/* zeros, ones, random:SEED or a number; false where it is none of them. */
static bool made_of(const char *text, uint64_t *seed, double *value)
{
    char *end;
    *seed = 0;
    *value = strcmp(text, "ones") == 0;
    if (*value || strcmp(text, "zeros") == 0)
        return true;
    if (strncmp(text, "random:", 7) == 0 && text[7]) {
        *seed = strtoull(text + 7, &end, 10) * 2 + 1;
        return !*end;
    }
    *value = strtod(text, &end);
    return end > text && !*end;
}

static bool make_input(const Session *s, const Value *v, const char *source, Tensor *out, Error *err)
{
    Type t = *v->type;
    t.kind = TY_TENSOR;
    char word[64];
    const char *at = strrchr(source, '@');
    size_t n = at ? (size_t)(at - source) : strlen(source);
    uint64_t seed;
    double value;
    snprintf(word, sizeof word, "%.*s", (int)(n < 60 ? n : 60), source);
    if (file_exists(source) || !made_of(word, &seed, &value))
        return from_file(source, &t, out, err);
    if (at && !given_shape(at + 1, &t, err))
        return false;
    if (!type_is_static(&t) && !default_shape(s->f, v->name, &t))
        return error_set(err, "its shape is open: say it behind the word, as in %s@2,3", word);
    if (!type_is_static(&t) || !make_tensor(out, &t, err))
        return error_set(err, "it is too large");
    for (int64_t i = 0; i < out->count; i++)
        tensor_put(out, i, seed ? random_number(&seed, t.dtype) : value);
    return true;
}

static const char *source_of(const char *name)
{
    for (int i = 0; i < opt.ins.count; i++) {
        const char *item = opt.ins.item[i], *equals = strchr(item, '=');
        if (equals && (size_t)(equals - item) == strlen(name) && memcmp(item, name, strlen(name)) == 0)
            return equals + 1;
    }
    return NULL;
}

static const Value *named(Value *const *list, int count, const char *item)
{
    size_t n = strcspn(item, "=");
    for (int i = 0; item[n] == '=' && i < count; i++)
        if (strlen(list[i]->name) == n && memcmp(list[i]->name, item, n) == 0)
            return list[i];
    return NULL;
}

static void list_values(Text *out, const char *what, Value *const *list, int count)
{
    Arena a = {0};
    for (int i = 0; i < count; i++)
        text_printf(out, "\n  %s %s %s", what, list[i]->name, type_text(&a, list[i]->type));
    arena_free(&a);
}

/* A message that is a list does not fit an Error. */
static bool tell(const Session *s, const char *message, Error *err)
{
    Text t = {0};
    list_values(&t, "input ", s->f->param, s->f->params);
    list_values(&t, "output", s->f->output, s->f->outputs);
    fprintf(stderr, "anerun run: %s has%s\n", s->f->name, text_cstr(&t));
    text_free(&t);
    return error_set(err, "%s", message);
}

static bool check_names(const Session *s, Error *err)
{
    char message[200];
    for (int i = 0; i < opt.ins.count; i++)
        if (!named(s->f->param, s->f->params, opt.ins.item[i])) {
            snprintf(message, sizeof message, "--in %.100s: there is no such input", opt.ins.item[i]);
            return tell(s, message, err);
        }
    for (int i = 0; i < opt.outs.count; i++) {
        const Value *state = named(s->f->param, s->f->params, opt.outs.item[i]);
        bool known =
            named(s->f->output, s->f->outputs, opt.outs.item[i]) || (state && state->type->kind == TY_STATE);
        if (!known) {
            snprintf(message, sizeof message, "--out %.100s: there is no such output", opt.outs.item[i]);
            return tell(s, message, err);
        }
    }
    for (int i = 0; i < s->f->params; i++)
        if (s->f->param[i]->type->kind != TY_STATE && !source_of(s->f->param[i]->name)) {
            snprintf(message, sizeof message, "input %.100s is missing: give --in %.60s=FILE.npy",
                     s->f->param[i]->name, s->f->param[i]->name);
            return tell(s, message, err);
        }
    return true;
}

static bool read_inputs(Session *s, Error *err)
{
    s->param = xcalloc((size_t)s->f->params + 1, sizeof *s->param);
    if (!check_names(s, err))
        return false;
    for (int i = 0; i < s->f->params; i++) {
        const Value *v = s->f->param[i];
        const char *source = source_of(v->name);
        if (!make_input(s, v, source ? source : "zeros", &s->param[i], err)) {
            Arena a = {0};
            error_prefix(err, "input %s of type %s", v->name, type_text(&a, v->type));
            arena_free(&a);
            return false;
        }
    }
    return true;
}

/* ---- running ---- */

static void show_step(void *context, const TraceStep *t)
{
    Text type = {0};
    (void)context;
    type_print(&type, t->type);
    fprintf(stderr, "%10.1f us  %-24s %-28s %-30s [%.6g, %.6g]", t->seconds * 1e6, t->kind, t->name,
            text_cstr(&type), (double)t->least, (double)t->most);
    if (t->nans || t->infinities)
        fprintf(stderr, "  %lld NaN, %lld inf", (long long)t->nans, (long long)t->infinities);
    fputc('\n', stderr);
    text_free(&type);
}

static const Trace tracing = {.ranges = true, .step = show_step};

static bool is_fixed(const Func *f)
{
    bool fixed = true;
    for (int i = 0; i < f->params; i++)
        fixed = fixed && type_is_static(f->param[i]->type) && f->param[i]->type->kind != TY_BUFFER;
    for (const Op *op = f->first; op; op = op->next) {
        fixed = fixed && !op->blocks;
        for (int i = 0; i < op->results; i++)
            fixed = fixed && type_is_static(op->result[i]->type) && op->result[i]->type->kind == TY_TENSOR;
    }
    return fixed;
}

static bool run_kernel(Session *s, Kernel *k, Error *err)
{
    PortData *data = xcalloc((size_t)k->ports + 1, sizeof *data);
    bool ok = true;
    for (int i = 0; ok && i < k->ports; i++) {
        int o = i - s->f->params;
        ok = o < 0 || make_tensor(&s->output[o], k->port[i].type, err);
        data[i] = (PortData){o < 0 ? s->param[i].data : s->output[o].data, k->port[i].bytes};
    }
    ok = ok && device_run(k, data, k->ports, opt.trace ? &tracing : NULL, err);
    free(data);
    return ok;
}

static bool run_device(Session *s, const BlobResolver *find, Error *err)
{
    DeviceOptions options = {
        .threads = (int)opt.threads, .numerics = s->numerics, .generic = opt.evaluators, .engine = s->engine};
    Device *d = cpu_device_open(&options, err);
    Kernel *k = d ? device_compile(d, s->f, find, err) : NULL;
    bool ok = k && run_kernel(s, k, err);
    kernel_release(k);
    device_close(d);
    return ok;
}

static bool run_program(Session *s, Error *err)
{
    BlobResolver find = {.find = blobs_find, .context = s->program.blobs};
    InterpretOptions options = {.numerics = s->numerics, .memory = (size_t)opt.memory << 20};
    options.trace = opt.trace ? &tracing : NULL;
    options.engine = s->engine;
    s->output = xcalloc((size_t)s->f->outputs + 1, sizeof *s->output);
    return is_fixed(s->f) ? run_device(s, &find, err)
                          : interpret(s->f, s->param, s->output, &find, &options, err);
}

/* ---- outputs ---- */

static void print_values(const char *name, const Tensor *t)
{
    if (t->store == DT_STRING) {
        printf("%s string\n    %s\n", name, t->string);
        return;
    }
    Type type = type_tensor(t->store, t->rank, t->dim);
    Text out = {0};
    type_print(&out, &type);
    printf("%s %s", name, text_cstr(&out));
    text_free(&out);
    int64_t row = t->rank ? t->dim[t->rank - 1] : 1;
    for (int64_t i = 0; i < t->count && i < MOST_SHOWN; i++) {
        fputs(i % row == 0 ? "\n   " : "", stdout);
        if (tensor_is_float(t))
            printf(" %.*g", t->store == DT_FP64 ? 17 : t->store == DT_FP32 ? 9 : 5, tensor_get(t, i));
        else
            printf(" %lld", (long long)tensor_get_int(t, i));
    }
    printf(t->count > MOST_SHOWN ? "\n    ... %lld more\n" : "\n", (long long)(t->count - MOST_SHOWN));
}

static void print_summary(const char *name, const Tensor *t)
{
    if (t->store == DT_STRING) {
        printf("%s string is \"%s\"\n", name, t->string);
        return;
    }
    Type type = type_tensor(t->store, t->rank, t->dim);
    Text out = {0};
    double least = INFINITY, most = -INFINITY, sum = 0;
    int64_t odd = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double v = tensor_get(t, i);
        odd += !isfinite(v);
        if (!isfinite(v))
            continue;
        least = v < least ? v : least;
        most = v > most ? v : most;
        sum += v;
    }
    type_print(&out, &type);
    printf("%s %s", name, text_cstr(&out));
    if (t->count > odd)
        printf(" in [%.6g, %.6g], mean %.6g", least, most, sum / (double)(t->count - odd));
    if (odd)
        printf(", %lld not finite", (long long)odd);
    putchar('\n');
    text_free(&out);
}

static bool write_array(const char *name, const Tensor *t, Error *err)
{
    for (int i = 0; i < opt.outs.count; i++) {
        const char *item = opt.outs.item[i];
        size_t n = strcspn(item, "=");
        if (strlen(name) != n || memcmp(item, name, n) != 0)
            continue;
        if (t->store == DT_STRING)
            return error_set(err, "--out %.100s: it is a string, which --print shows", name);
        /* numpy has no bf16 and nothing below 8 bits */
        Type type = type_tensor(t->store == DT_BF16 ? DT_FP32 : t->store, t->rank, t->dim);
        Tensor copy;
        if (!make_tensor(&copy, &type, err))
            return false;
        tensor_move(&copy, 0, t, 0, t->count);
        bool ok = npy_write(item + n + 1, &type, copy.data, err);
        free(copy.data);
        if (!ok)
            return false;
    }
    return true;
}

static bool write_outputs(const Session *s, Error *err)
{
    for (int i = 0; i < s->f->outputs; i++) {
        const char *name = s->f->output[i]->name;
        if (!write_array(name, &s->output[i], err))
            return false;
        if (opt.print)
            print_values(name, &s->output[i]);
        else if (!opt.outs.count)
            print_summary(name, &s->output[i]);
    }
    for (int i = 0; i < s->f->params; i++)
        if (s->f->param[i]->type->kind == TY_STATE && !write_array(s->f->param[i]->name, &s->param[i], err))
            return false;
    return fflush(stdout) == 0 || error_set_errno(err, errno, "cannot write to standard output");
}

static void close_session(Session *s)
{
    for (int i = 0; s->param && i < s->f->params; i++)
        free(s->param[i].data);
    for (int i = 0; s->output && i < s->f->outputs; i++)
        free(s->output[i].data);
    free(s->param);
    free(s->output);
    program_close(&s->program);
    engine_free(s->engine);
    arena_free(&s->arena);
}

static bool read_numerics(Session *s, Error *err)
{
    bool ane = strcmp(opt.numerics, "ane") == 0, stored = strcmp(opt.numerics, "stored") == 0;
    if (!ane && !stored && strcmp(opt.numerics, "fp32") != 0)
        return error_set(err, "--numerics is %.40s: expected fp32, stored or ane", opt.numerics);
    if (!ane && (opt.profile || opt.strict))
        return error_set(err, "--profile and --strict-numerics need --numerics ane");
    s->numerics = stored ? NUMERICS_STORED : NUMERICS_FP32;
    s->engine = ane ? numerics_open(&s->arena, opt.profile ? opt.profile : "safe", err) : NULL;
    return s->engine || !ane;
}

/* What overflowed; the exit status. */
static int report(const Session *s)
{
    int64_t count = s->engine ? numerics_report(s->engine, NULL, s->path) : 0;
    return count && opt.strict ? EXIT_USER : 0;
}

int anerun_run(int argc, char **argv)
{
    Error err;
    Session s = {0};
    const char **files = xcalloc((size_t)argc, sizeof *files);
    int count = 0, status = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, files, &count, &err);
    if (ok && !opt.help && count != 1)
        ok = error_set(&err, count ? "only one program can be run" : "which program?");
    ok = ok && read_numerics(&s, &err);
    if (!ok) {
        status = tool_usage(argv[0], &err);
    } else if (opt.help) {
        status = print_help();
    } else {
        s.path = files[0];
        ok = open_program(&s, &err) && read_inputs(&s, &err) && run_program(&s, &err) &&
             write_outputs(&s, &err);
        status = ok ? report(&s) : tool_fail(argv[0], &err);
    }
    close_session(&s);
    free(opt.ins.item);
    free(opt.outs.item);
    free(files);
    return status;
}
