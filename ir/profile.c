#include "ir/profile.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MOST_BASES = 8, FILE_LIMIT = 1 << 20 };

/* builtin[]: {name, text}, from profiles/ */
typedef struct Builtin {
    const char *name, *text;
} Builtin;
#include "ir/profiles.inc"
enum { BUILTINS = sizeof builtin / sizeof *builtin };

typedef enum KeyKind { COUNT, LIMIT, REAL, ERROR } KeyKind;

static const struct Key {
    const char *name;
    size_t field;
    KeyKind kind;
} keys[] = {
#define KEY(key, member, number, unit, about) {key, offsetof(Profile, member), number},
#include "ir/profile_keys.def"
};
enum { KEYS = sizeof keys / sizeof *keys };

static const char *const op_names[] = {
    [PROFILE_UNLISTED] = "none", [PROFILE_NATIVE] = "native",     [PROFILE_DECOMPOSE] = "decompose",
    [PROFILE_SEEN] = "seen",     [PROFILE_DISPUTED] = "disputed", [PROFILE_CPU] = "cpu",
    [PROFILE_FAILS] = "fails",
};
enum { OP_NAMES = sizeof op_names / sizeof *op_names };

typedef struct Reader {
    Arena *arena;
    Profile *profile; /* NULL inside a line that is not taken: then what it says is checked, and dropped */
    Profile *lines;   /* the same profile in any case */
    const char *where;
    int line, depth;
    bool free_ops; /* built-in profiles may name ops that ops.def does not have */
    Error *err;
} Reader;

const char *profile_op_name(ProfileOp op)
{
    return op_names[op];
}

static bool fail(const Reader *r, const char *what, const char *text)
{
    char shown[80];
    error_quote(shown, sizeof shown, text, (long)strlen(text));
    return error_set(r->err, "%s:%d: %s: \"%s\"", r->where, r->line, what, shown);
}

/* ---- values ---- */

static bool read_count(const Reader *r, const char *value, int64_t *out)
{
    char *end;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end || n < 1 || n > ((long long)1 << 40))
        return fail(r, "a number from 1 to 2^40 is expected", value);
    *out = n;
    return true;
}

static bool read_real(const Reader *r, const char *value, double *out)
{
    char *end;
    *out = strtod(value, &end);
    return (end != value && !*end && *out > 0 && isfinite(*out)) ||
           fail(r, "a number above 0 is expected", value);
}

static bool read_number(const Reader *r, const struct Key *key, const char *value)
{
    char *at = (char *)r->profile + key->field;
    if (key->kind == ERROR && strcmp(value, "none") == 0) {
        *(double *)at = 0;
        return true;
    }
    if (key->kind == REAL || key->kind == ERROR)
        return read_real(r, value, (double *)at);
    if (key->kind == LIMIT && strcmp(value, "none") == 0) {
        *(int64_t *)at = 0;
        return true;
    }
    return read_count(r, value, (int64_t *)at);
}

static bool read_choice(const Reader *r, const char *value, const char *yes, const char *no, bool *out)
{
    *out = strcmp(value, yes) == 0;
    return *out || strcmp(value, no) == 0 || fail(r, "this is neither of the two choices", value);
}

static bool read_build_info(const Reader *r, const char *key, const char *value)
{
    Profile *p = r->profile;
    for (int i = 0; i < p->build_info_count; i++)
        if (strcmp(p->build_info[2 * i], key) == 0) {
            p->build_info[2 * i + 1] = value;
            return true;
        }
    if (2 * (size_t)p->build_info_count == sizeof p->build_info / sizeof *p->build_info)
        return fail(r, "too many keys of build_info", key);
    p->build_info[2 * p->build_info_count] = key;
    p->build_info[2 * p->build_info_count++ + 1] = value;
    return true;
}

static bool read_dialect(const Reader *r, const char *key, const char *value)
{
    bool program = strcmp(key, "program") == 0;
    static const char *const known[] = {"1.0", "1.3", "ios15", "ios16", "ios17", "ios18"};
    for (int i = program ? 0 : 2; i < (program ? 2 : 6); i++)
        if (strcmp(value, known[i]) == 0) {
            *(program ? &r->profile->program_version : &r->profile->opset) = value;
            return true;
        }
    return fail(r, program ? "1.0 or 1.3 is expected" : "ios15 to ios18 is expected", value);
}

/* ---- ops ---- */

static ProfileLine *find_line(const Profile *p, const char *key)
{
    for (int i = p->lines - 1; i >= 0; i--)
        if (p->line[i].taken && strcmp(p->line[i].key, key) == 0)
            return &p->line[i];
    return NULL;
}

/* Takes the line; a line of another profile that said something else is kept as what was replaced. */
static void add_line(const Reader *r, const char *key, const char *value, const char *source, bool taken)
{
    Profile *p = r->lines;
    ProfileLine line = {.key = key, .value = value, .source = source, .profile = r->where, .taken = taken};
    if (strchr("ABCM", source[0]) && source[0] && source[1] == ':') {
        line.confidence = source[0];
        line.source += 2 + strspn(source + 2, " ");
    }
    for (int i = 0; i < p->lines && taken; i++)
        if (strcmp(p->line[i].key, key) == 0 && strcmp(p->line[i].profile, r->where) != 0) {
            p->line[i].taken = false;
            p->line[i].replaced = true;
        }
    arena_push(r->arena, p->line, p->lines, p->lines_cap, line);
}

static bool read_op(const Reader *r, const char *name, const char *value, const char *source)
{
    OpCode code = op_from_spelling(name, strlen(name));
    const char *key = arena_printf(r->arena, "op.%s", name);
    if (code == OP_UNKNOWN && !r->free_ops && !find_line(r->lines, key))
        return fail(r, "there is no such op", name);
    int word = 0;
    while (word < OP_NAMES && strcmp(op_names[word], value) != 0)
        word++;
    if (word == OP_NAMES)
        return fail(r, "native, decompose, seen, disputed, cpu, fails or none is expected", value);
    add_line(r, key, op_names[word], source, r->profile == r->lines);
    if (code != OP_UNKNOWN) {
        r->profile->op[code] = (ProfileOp)word;
        r->profile->op_source[code] = source;
    }
    return true;
}

static bool read_ops(const Reader *r, const char *word, const char *names, const char *source)
{
    while (*names) {
        size_t n = strcspn(names, " \t");
        if (n && !read_op(r, arena_str(r->arena, names, n), word, source))
            return false;
        names += n + strspn(names + n, " \t");
    }
    return true;
}

/* ---- lines ---- */

static bool read_text(Reader *r, const char *text);

static bool read_base(Reader *r, const char *name)
{
    for (int i = 0; i < BUILTINS; i++)
        if (strcmp(builtin[i].name, name) == 0) {
            Reader inner = *r;
            inner.where = builtin[i].name;
            inner.depth++;
            inner.free_ops = true;
            return r->depth < MOST_BASES ? read_text(&inner, builtin[i].text) : fail(r, "too deep", name);
        }
    return fail(r, "there is no built-in profile of this name", name);
}

/* Settings that are one of two words. */
static const struct Choice {
    const char *key, *yes, *no;
    size_t field;
} choices[] = {
    {"engine", "ane", "none", offsetof(Profile, engine)},
    {"equal_surfaces", "true", "false", offsetof(Profile, equal_surfaces)},
    {"outputs", "concat", "separate", offsetof(Profile, concat_outputs)},
    {"rounding", "away", "even", offsetof(Profile, numerics.away)},
    {"products", "fp16", "fixed", offsetof(Profile, numerics.half_products)},
    {"overflow", "zero", "inf", offsetof(Profile, numerics.zero)},
    {"reductions", "fp16", "fp32", offsetof(Profile, numerics.half_reductions)},
    {"weight_swaps", "heeded", "ignored", offsetof(Profile, weight_swaps)},
};
enum { CHOICES = sizeof choices / sizeof *choices };

static bool read_setting(const Reader *r, const char *key, const char *value)
{
    Profile *p = r->profile;
    if (strcmp(key, "program") == 0 || strcmp(key, "opset") == 0)
        return read_dialect(r, key, value);
    for (int i = 0; i < CHOICES; i++)
        if (strcmp(choices[i].key, key) == 0)
            return read_choice(r, value, choices[i].yes, choices[i].no,
                               (bool *)((char *)p + choices[i].field));
    if (strncmp(key, "build_info.", 11) == 0)
        return read_build_info(r, key + 11, value);
    for (int i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, key) == 0)
            return read_number(r, &keys[i], value) && (p->last_axis <= 1024 || fail(r, "too large", value)) &&
                   (p->rank <= IR_MAX_RANK || fail(r, "too large", value));
    return fail(r, "there is no such setting", key);
}

/* What another source says is read into a profile that nobody sees, so that it is no less checked. */
static bool read_entry(Reader *r, const char *key, const char *value, const char *source, bool taken)
{
    Profile unseen = *r->lines;
    Reader inner = *r;
    if (strcmp(key, "base") == 0 && taken)
        return read_base(r, value);
    inner.profile = taken ? r->lines : &unseen;
    if (strncmp(key, "op.", 3) == 0)
        return read_op(&inner, key + 3, value, source);
    if (strncmp(key, "ops.", 4) == 0)
        return read_ops(&inner, key + 4, value, source);
    if (!read_setting(&inner, key, value))
        return false;
    add_line(r, key, value, source, taken);
    return true;
}

static const char *trimmed(Arena *a, const char *s, size_t n)
{
    while (n && isspace((unsigned char)*s))
        s++, n--;
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    return arena_str(a, s, n);
}

static bool read_line(Reader *r, const char *line, size_t length)
{
    size_t code = 0, sign = 0;
    while (code < length && line[code] != '#')
        code++;
    while (sign < code && line[sign] != '=' && line[sign] != '~')
        sign++;
    const char *source = code < length ? trimmed(r->arena, line + code + 1, length - code - 1) : "";
    if (!*trimmed(r->arena, line, code)) {
        if (*source && !r->lines->about)
            r->lines->about = source;
        return true;
    }
    if (sign == code)
        return fail(r, "expected `key = value`", trimmed(r->arena, line, code));
    const char *key = trimmed(r->arena, line, sign);
    return read_entry(r, key, trimmed(r->arena, line + sign + 1, code - sign - 1), source, line[sign] == '=');
}

static bool read_text(Reader *r, const char *text)
{
    for (r->line = 1; *text; r->line++) {
        size_t n = strcspn(text, "\n");
        if (!read_line(r, text, n))
            return false;
        text += n + (text[n] == '\n');
    }
    return true;
}

/* ---- profiles ---- */

static const Profile *parse(Arena *a, const char *text, const char *where, bool own, Error *err)
{
    Profile *p = arena_new(a, Profile);
    const char *name = arena_str(a, where, strlen(where));
    Reader r = {.arena = a, .profile = p, .lines = p, .where = name, .free_ops = own, .err = err};
    p->engine = true;
    p->about = own ? NULL : "";
    if (!own && !read_base(&r, "safe"))
        return NULL;
    p->name = name;
    p->about = NULL;
    if (!read_text(&r, text))
        return NULL;
    if (!p->about)
        p->about = "";
    return p;
}

const Profile *profile_parse(Arena *a, const char *text, const char *where, Error *err)
{
    return parse(a, text, where, false, err);
}

static const Profile *load_file(Arena *a, const char *path, Error *err)
{
    char *text;
    size_t size;
    if (!file_read(path, FILE_LIMIT, &text, &size, err))
        return NULL;
    const char *base = strrchr(path, '/');
    const Profile *p = NULL;
    if (memchr(text, 0, size))
        error_set(err, "%s: this is no text", path);
    else
        p = parse(a, text, base ? base + 1 : path, false, err);
    free(text);
    return p;
}

const char *profile_name(int i)
{
    return i >= 0 && i < BUILTINS ? builtin[i].name : NULL;
}

const Profile *profile_load(Arena *a, const char *name, Error *err)
{
    for (int i = 0; i < BUILTINS; i++)
        if (strcmp(builtin[i].name, name) == 0)
            return parse(a, builtin[i].text, builtin[i].name, true, err);
    if (strchr(name, '/') || strchr(name, '.'))
        return load_file(a, name, err);
    Text known = {0};
    for (int i = 0; i < BUILTINS; i++)
        text_printf(&known, "%s%s", i ? ", " : "", builtin[i].name);
    error_set(err, "there is no profile \"%.80s\"; there are %s, and files (a path with a / or a .)", name,
              text_cstr(&known));
    text_free(&known);
    return NULL;
}

/* ---- questions ---- */

const ProfileLine *profile_line(const Profile *p, const char *key)
{
    return find_line(p, key);
}

ProfileOp profile_op(const Profile *p, const char *spelling, const char **source)
{
    char key[80];
    snprintf(key, sizeof key, "op.%.70s", spelling);
    const ProfileLine *line = find_line(p, key);
    if (source)
        *source = line ? line->source : NULL;
    for (int i = 0; line && i < OP_NAMES; i++)
        if (strcmp(op_names[i], line->value) == 0)
            return (ProfileOp)i;
    return PROFILE_UNLISTED;
}

double profile_time_us(const Profile *p, double flops, double weight_bytes, double activation_bytes)
{
    const ProfileCost *c = &p->cost;
    double activation_gbs = c->activation_gbs > 0 ? c->activation_gbs : c->weight_gbs;
    if (c->tflops <= 0 || c->weight_gbs <= 0)
        return -1;
    double rate = c->tflops * 1e6; /* FLOP/us */
    if (c->ramp_flops > 0 && c->ramp_power > 0 && flops < c->ramp_flops)
        rate *= pow(flops / c->ramp_flops, c->ramp_power);
    double computing = flops > 0 ? flops / rate : 0;
    double moving = weight_bytes / (c->weight_gbs * 1e3) + activation_bytes / (activation_gbs * 1e3);
    return c->dispatch_us + (computing > moving ? computing : moving);
}

/* ---- for people ---- */

static void show_line(Text *out, const ProfileLine *line)
{
    const char *why = line->replaced ? "  (replaced)" : line->taken ? "" : "  (not taken)";
    text_printf(out, "  %-28s %s %-16s %c  %s%s", line->key, line->taken ? "=" : "~", line->value,
                line->confidence ? line->confidence : '-', line->source, why);
    text_printf(out, "  [%s]\n", line->profile);
}

/* A key's lines stand together: first what is taken. */
static void show_key(Text *out, const Profile *p, const char *key)
{
    const ProfileLine *taken = find_line(p, key);
    if (taken)
        show_line(out, taken);
    for (int i = 0; i < p->lines; i++)
        if (&p->line[i] != taken && strcmp(p->line[i].key, key) == 0)
            show_line(out, &p->line[i]);
}

static bool shown_before(const Profile *p, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(p->line[k].key, p->line[i].key) == 0)
            return true;
    return false;
}

void profile_show(Text *out, const Profile *p)
{
    text_printf(out, "%s: %s\n\n", p->name, p->about);
    text_puts(out, "  A: several independent sources agree; B: one careful source; C: one claim, or "
                   "contradicted; M: measured here\n\n");
    for (int ops = 0; ops < 2; ops++) {
        for (int i = 0; i < p->lines; i++)
            if ((strncmp(p->line[i].key, "op.", 3) == 0) == (ops == 1) && !shown_before(p, i))
                show_key(out, p, p->line[i].key);
        text_puts(out, ops ? "" : "\n");
    }
}
