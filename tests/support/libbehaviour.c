#include "tests/support/libbehaviour.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "ir/cost.h"
#include "ir/type.h"

/* ---- the script ---- */

typedef enum Kind { NUMBER, FATE } Kind;

/* The keys, a flat table: a number from 0, or a fate. */
static const struct Key {
    const char *name;
    Kind kind;
    size_t field;
} keys[] = {
    {"dispatch_us", NUMBER, offsetof(Behaviour, dispatch_us)},
    {"real_time_us", NUMBER, offsetof(Behaviour, real_time_us)},
    {"compile_ms", NUMBER, offsetof(Behaviour, compile_ms)},
    {"load_ms", NUMBER, offsetof(Behaviour, load_ms)},
    {"conv_tflops", NUMBER, offsetof(Behaviour, conv_tflops)},
    {"matmul_tflops", NUMBER, offsetof(Behaviour, matmul_tflops)},
    {"int8_tops", NUMBER, offsetof(Behaviour, int8_tops)},
    {"sram_bytes", NUMBER, offsetof(Behaviour, sram_bytes)},
    {"sram_gbs", NUMBER, offsetof(Behaviour, sram_gbs)},
    {"weight_gbs", NUMBER, offsetof(Behaviour, weight_gbs)},
    {"activation_gbs", NUMBER, offsetof(Behaviour, activation_gbs)},
    {"jitter_percent", NUMBER, offsetof(Behaviour, jitter_percent)},
    {"slow_qos", NUMBER, offsetof(Behaviour, slow_qos)},
    {"slow_factor", NUMBER, offsetof(Behaviour, slow_factor)},
    {"execute_flops", NUMBER, offsetof(Behaviour, execute_flops)},
    {"numerics_flops", NUMBER, offsetof(Behaviour, numerics_flops)},
    {"inputs", NUMBER, offsetof(Behaviour, inputs)},
    {"outputs", NUMBER, offsetof(Behaviour, outputs)},
    {"right_outputs", NUMBER, offsetof(Behaviour, right_outputs)},
    {"last_axis", NUMBER, offsetof(Behaviour, last_axis)},
    {"surface_bytes", NUMBER, offsetof(Behaviour, surface_bytes)},
    {"axis", NUMBER, offsetof(Behaviour, axis)},
    {"channels", NUMBER, offsetof(Behaviour, channels)},
    {"conv_outputs", NUMBER, offsetof(Behaviour, conv_outputs)},
    {"conv_blocks", NUMBER, offsetof(Behaviour, conv_blocks)},
    {"functions", NUMBER, offsetof(Behaviour, functions)},
    {"blobs", NUMBER, offsetof(Behaviour, blobs)},
    {"blob_files", NUMBER, offsetof(Behaviour, blob_files)},
    {"compiles", NUMBER, offsetof(Behaviour, compiles)},
    {"resident", NUMBER, offsetof(Behaviour, resident)},
    {"qos_least", NUMBER, offsetof(Behaviour, qos_least)},
    {"qos_most", NUMBER, offsetof(Behaviour, qos_most)},
    {"padded_rows", FATE, offsetof(Behaviour, padded_rows)},
    {"small_surface", FATE, offsetof(Behaviour, small_surface)},
    {"unequal_surfaces", FATE, offsetof(Behaviour, unequal_surfaces)},
    {"sdpa_mask", FATE, offsetof(Behaviour, sdpa_mask)},
    {"swap_file", FATE, offsetof(Behaviour, swap_file)},
    {"weights_buffer", FATE, offsetof(Behaviour, weights_buffer)},
    {"bare_load", FATE, offsetof(Behaviour, bare_load)},
    {"chaining", FATE, offsetof(Behaviour, chaining)},
    {"real_time", FATE, offsetof(Behaviour, real_time)},
    {"statistics", FATE, offsetof(Behaviour, statistics)},
};
enum { KEYS = sizeof keys / sizeof *keys };
static const char *const fates[] = {"works", "ignored", "refused", "missing"};
enum { FATES = sizeof fates / sizeof *fates };

static Behaviour it;
static Arena arena;
static Text numerics; /* lines for profile_parse */
static const char *path;

static void die(int line, const char *what, const char *text)
{
    fprintf(stderr, "%s:%d: %s: \"%s\"\n", path, line, what, text);
    exit(2);
}

static void set_key(const struct Key *key, const char *value, int line)
{
    char *at = (char *)&it + key->field, *end;
    if (key->kind == NUMBER) {
        *(double *)at = strtod(value, &end);
        if (end == value || *end || *(double *)at < 0)
            die(line, "a number from 0 is expected", value);
        return;
    }
    for (int i = 0; i < FATES; i++)
        if (strcmp(value, fates[i]) == 0) {
            *(Fate *)at = (Fate)i;
            return;
        }
    die(line, "works, ignored, refused or missing is expected", value);
}

/* The next word of a list; false at its end. */
static bool next_word(const char **p, char *out, size_t size)
{
    *p += strspn(*p, " \t");
    size_t n = strcspn(*p, " \t");
    snprintf(out, size, "%.*s", (int)n, *p);
    *p += n;
    return n > 0;
}

static void set_ops(const char *names, ProfileOp what, int line)
{
    char name[80];
    while (next_word(&names, name, sizeof name)) {
        OpCode code = op_from_spelling(name, strlen(name));
        DType dtype = dtype_from_name(name, strlen(name));
        if (code != OP_UNKNOWN)
            it.op[code] = what;
        else if (dtype != DT_NONE && what == PROFILE_FAILS)
            it.refused_type[dtype] = true;
        else
            die(line, "there is no such op, and no such type to refuse", name);
    }
}

static void set_failure(const char *value, int line)
{
    char call[80], times[80];
    if (!next_word(&value, call, sizeof call) || !next_word(&value, times, sizeof times) || atoi(times) < 1)
        die(line, "`CALL TIMES [TEXT]` is expected", value);
    it.fail = arena_str(&arena, call, strlen(call));
    it.fail_times = atoi(times);
    value += strspn(value, " \t");
    it.fail_text = *value ? value : NULL;
}

static bool one_of(const char *value, const char *yes, const char *no, int line)
{
    if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
        die(line, "this is neither of the two choices", value);
    return strcmp(value, yes) == 0;
}

static void set_line(const char *key, const char *value, int line)
{
    for (int i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, key) == 0) {
            set_key(&keys[i], value, line);
            return;
        }
    if (strcmp(key, "chip") == 0)
        it.chip = value;
    else if (strcmp(key, "build") == 0)
        it.build = value;
    else if (strcmp(key, "cache") == 0)
        it.cache = value;
    else if (strcmp(key, "clock") == 0)
        it.real_clock = one_of(value, "real", "simulated", line);
    else if (strcmp(key, "names") == 0)
        it.named = one_of(value, "told", "untold", line);
    else if (strcmp(key, "hide") == 0)
        it.hide = value;
    else if (strcmp(key, "refuse") == 0)
        set_ops(value, PROFILE_FAILS, line);
    else if (strcmp(key, "wrong") == 0)
        set_ops(value, PROFILE_DISPUTED, line);
    else if (strcmp(key, "fail") == 0)
        set_failure(value, line);
    else
        text_printf(&numerics, "%s = %s\n", key, value);
}

static char *trimmed(char *s)
{
    s += strspn(s, " \t\r");
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    return s;
}

static void read_line(char *text, int line)
{
    text[strcspn(text, "#")] = '\0';
    char *equals = strchr(text, '=');
    if (!*trimmed(text))
        return;
    if (!equals)
        die(line, "expected `key = value`", trimmed(text));
    *equals = '\0';
    set_line(trimmed(text), trimmed(equals + 1), line);
}

/* What is no key of ours is the profile's: the numerics. */
static void read_script(void)
{
    Error err;
    char *text;
    size_t size;
    if (!file_read(path, 0, &text, &size, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    char *copy = arena_str(&arena, text, size);
    free(text);
    for (int line = 1; copy; line++) {
        char *end = strchr(copy, '\n');
        if (end)
            *end = '\0';
        read_line(copy, line);
        copy = end ? end + 1 : NULL;
    }
    it.numerics = numerics.size ? profile_parse(&arena, text_cstr(&numerics), path, &err) : NULL;
    if (numerics.size && !it.numerics) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    text_free(&numerics);
}

const Behaviour *behaviour(void)
{
    static bool known;
    if (known)
        return &it;
    known = true;
    it.chip = it.build = "stand-in";
    it.qos_most = 63;
    it.slow_factor = 1;
    it.numerics_flops = 1e6;
    path = getenv("ANEC_STANDIN");
    it.scripted = path && *path;
    it.real_clock = !it.scripted;
    if (it.scripted)
        read_script();
    return &it;
}

/* ---- time ---- */

static double passed_ns;

uint64_t behaviour_now(void)
{
    return behaviour()->real_clock ? (uint64_t)clock_ns() : (uint64_t)passed_ns;
}

/* Off by as much as the jitter, in one order every time. */
void behaviour_pass(double us)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    double off = (double)(state >> 8) / 0x1p23 - 1;
    us *= 1 + off * behaviour()->jitter_percent / 100;
    if (behaviour()->real_clock)
        clock_sleep(us * 1e-6);
    passed_ns += us * 1e3;
}

/* A matmul or conv whose operand comes out of `dequantize` computes in 8 bits. */
static bool is_int8(const Op *op)
{
    const Value *x = op_arg(op, "x");
    return x && x->def && x->def->code == OP_DEQUANTIZE;
}

static double compute_us(const Func *f)
{
    const Behaviour *b = behaviour();
    double us = 0;
    for (const Op *op = f->first; op; op = op->next) {
        if (op->code != OP_CONV && op->code != OP_LINEAR && op->code != OP_MATMUL)
            continue;
        double rate = op->code == OP_MATMUL ? b->matmul_tflops : b->conv_tflops;
        rate = is_int8(op) && b->int8_tops > 0 ? b->int8_tops : rate;
        us += rate > 0 ? op_flops(op) / (rate * 1e6) : 0;
    }
    return us;
}

static double share(double bytes, double gbs)
{
    return gbs > 0 ? bytes / (gbs * 1e3) : 0;
}

static double moving_us(const Func *f)
{
    const Behaviour *b = behaviour();
    Cost c = func_cost(f);
    if (b->sram_bytes > 0 && c.weight_bytes + c.activation_bytes <= b->sram_bytes)
        return share(c.weight_bytes + c.activation_bytes, b->sram_gbs);
    return share(c.weight_bytes, b->weight_gbs) + share(c.activation_bytes, b->activation_gbs);
}

double behaviour_hardware_us(const Func *f)
{
    double computing = compute_us(f), moving = moving_us(f);
    return computing > moving ? computing : moving;
}

double behaviour_time_us(const Func *f, unsigned qos, bool real_time)
{
    const Behaviour *b = behaviour();
    double dispatch = real_time && b->real_time_us > 0 ? b->real_time_us : b->dispatch_us;
    double us = dispatch + behaviour_hardware_us(f);
    return !real_time && qos < b->slow_qos ? us * b->slow_factor : us;
}

/* ---- what is refused, and what is not heeded ---- */

static bool above(double n, double limit)
{
    return limit > 0 && n > limit;
}

static const char *objection_to_type(const Type *t)
{
    const Behaviour *b = behaviour();
    if (t->kind != TY_TENSOR)
        return NULL;
    for (int i = 0; i < t->rank; i++)
        if (above((double)t->dim[i], b->axis))
            return "an axis is too long";
    if (t->rank == 4 && above((double)t->dim[1], b->channels))
        return "too many channels";
    return b->refused_type[t->dtype] ? "a type" : NULL;
}

static const char *objection_to_op(const Op *op)
{
    const Behaviour *b = behaviour();
    const char *why = b->op[op->code] == PROFILE_FAILS ? "an op" : NULL;
    for (int i = 0; i < op->results && !why; i++)
        why = objection_to_type(op->result[i]->type);
    FOR_EACH_ARG(op, slot)
        if (!why && *slot && value_is_const(*slot))
            why = objection_to_type((*slot)->type);
    if (op->code == OP_CONV && above((double)op->result[0]->type->dim[1], b->conv_outputs))
        why = "too many outputs of a conv";
    return why;
}

static bool is_blob(const Op *op)
{
    const Literal *l = op->code == OP_CONST ? value_literal(op->result[0]) : NULL;
    return l && l->kind == LIT_BLOB;
}

static const char *objection_to_counts(const Func *f)
{
    const Behaviour *b = behaviour();
    int blobs = 0, files = 0, convs = 0;
    const char *seen[64];
    for (const Op *op = f->first; op; op = op->next) {
        convs += op->code == OP_CONV;
        if (!is_blob(op))
            continue;
        const char *file = value_literal(op->result[0])->blob.path;
        int i = 0;
        while (i < files && strcmp(seen[i], file) != 0)
            i++;
        if (i == files && files < 64)
            seen[files++] = file;
        blobs++;
    }
    return above(blobs, b->blobs)          ? "too many constants in files"
           : above(files, b->blob_files)   ? "too many weight files"
           : above(convs, b->conv_blocks)  ? "too many convs"
           : above(f->params, b->inputs)   ? "too many inputs"
           : above(f->outputs, b->outputs) ? "too many outputs"
                                           : NULL;
}

const char *behaviour_objection(const Func *f)
{
    const char *why = objection_to_counts(f);
    for (int i = 0; i < f->params && !why; i++)
        why = objection_to_type(f->param[i]->type);
    for (const Op *op = f->first; op && !why; op = op->next)
        why = objection_to_op(op);
    return why;
}

bool behaviour_is_wrong(const Func *f)
{
    for (const Op *op = f->first; op; op = op->next)
        if (behaviour()->op[op->code] == PROFILE_DISPUTED)
            return true;
    return false;
}

void behaviour_forget(Func *f)
{
    for (Op *op = f->first; op && behaviour()->sdpa_mask == FATE_IGNORED; op = op->next)
        if (op->code == OP_SCALED_DOT_PRODUCT_ATTENTION)
            op_set(op, "attn_mask", NULL);
}

/* ---- what is compiled at all ---- */

/* fp16, and rows of whole 64 bytes: what every chip takes; other rows where the script says so. */
static bool shape_is_right(const Value *v)
{
    const Type *t = v->type;
    int64_t unit = behaviour()->last_axis > 0 ? (int64_t)behaviour()->last_axis : 32;
    return t->kind == TY_TENSOR && t->dtype == DT_FP16 && t->rank == 4 && t->dim[0] == 1 &&
           (t->dim[3] % unit == 0 || behaviour()->padded_rows == FATE_IGNORED);
}

static bool func_is_right(const Func *f)
{
    for (int i = 0; i < f->params; i++)
        if (!shape_is_right(f->param[i]))
            return false;
    for (int i = 0; i < f->outputs; i++)
        if (!shape_is_right(f->output[i]))
            return false;
    return f->params > 0 && f->outputs > 0;
}

/* Several functions are procedures; a single one is called main. */
bool behaviour_takes(const Module *m)
{
    double most = behaviour()->functions;
    if ((most > 0 && m->funcs > most) || (m->funcs == 1 && strcmp(m->func[0]->name, "main") != 0))
        return false;
    for (int i = 0; i < m->funcs; i++)
        if (!func_is_right(m->func[i]) || behaviour_objection(m->func[i]))
            return false;
    return true;
}
