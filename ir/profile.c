#include "ir/profile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MOST_BASES = 8, FILE_LIMIT = 1 << 20 };

static const struct {
    const char *name, *text;
} builtin[] = {
#define PROFILE(name, about, text) {#name, text},
#include "ir/profiles.def"
};
enum { BUILTINS = sizeof builtin / sizeof *builtin };

typedef struct Reader {
    Arena *arena;
    Profile *profile;
    const char *where;
    int line, depth;
    Error *err;
} Reader;

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
    return (end != value && !*end && *out > 0) || fail(r, "a number above 0 is expected", value);
}

static bool read_choice(const Reader *r, const char *value, const char *yes, const char *no, bool *out)
{
    *out = strcmp(value, yes) == 0;
    return *out || strcmp(value, no) == 0 || fail(r, "this is neither of the two choices", value);
}

static bool read_op(const Reader *r, const char *name, const char *value, const char *source)
{
    OpCode code = op_from_spelling(name, strlen(name));
    if (code == OP_UNKNOWN)
        return fail(r, "there is no such op", name);
    bool native = strcmp(value, "native") == 0, none = strcmp(value, "none") == 0;
    if (!native && !none && strcmp(value, "decompose") != 0)
        return fail(r, "native, decompose or none is expected", value);
    r->profile->op[code] = native ? PROFILE_NATIVE : none ? PROFILE_UNLISTED : PROFILE_DECOMPOSE;
    r->profile->op_source[code] = source;
    return true;
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

/* ---- lines ---- */

static bool read_text(Reader *r, const char *text);

static bool read_base(Reader *r, const char *name)
{
    for (int i = 0; i < BUILTINS; i++)
        if (strcmp(builtin[i].name, name) == 0) {
            Reader inner = *r;
            inner.where = builtin[i].name;
            inner.depth++;
            return r->depth < MOST_BASES ? read_text(&inner, builtin[i].text) : fail(r, "too deep", name);
        }
    return fail(r, "there is no built-in profile of this name", name);
}

static bool read_setting(Reader *r, const char *key, const char *value, const char *source)
{
    Profile *p = r->profile;
    if (strcmp(key, "base") == 0)
        return read_base(r, value);
    if (strcmp(key, "program") == 0 || strcmp(key, "opset") == 0)
        return read_dialect(r, key, value);
    if (strcmp(key, "conv_outputs") == 0)
        return read_count(r, value, &p->conv_outputs);
    if (strcmp(key, "axis") == 0)
        return read_count(r, value, &p->axis);
    if (strcmp(key, "last_axis") == 0)
        return read_count(r, value, &p->last_axis) && (p->last_axis <= 1024 || fail(r, "too large", value));
    if (strcmp(key, "surface_bytes") == 0)
        return read_count(r, value, &p->surface_bytes);
    if (strcmp(key, "compiles") == 0)
        return read_count(r, value, &p->compiles);
    if (strcmp(key, "accumulator") == 0)
        return read_real(r, value, &p->accumulator);
    if (strcmp(key, "equal_surfaces") == 0)
        return read_choice(r, value, "true", "false", &p->equal_surfaces);
    if (strcmp(key, "outputs") == 0)
        return read_choice(r, value, "concat", "separate", &p->concat_outputs);
    if (strncmp(key, "op.", 3) == 0)
        return read_op(r, key + 3, value, source);
    if (strncmp(key, "build_info.", 11) == 0)
        return read_build_info(r, key + 11, value);
    return fail(r, "there is no such setting", key);
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
    size_t code = 0;
    while (code < length && line[code] != '#')
        code++;
    const char *source = code < length ? trimmed(r->arena, line + code + 1, length - code - 1) : "";
    const char *eq = memchr(line, '=', code);
    if (!*trimmed(r->arena, line, code))
        return true;
    if (!eq)
        return fail(r, "expected `key = value`", trimmed(r->arena, line, code));
    const char *key = trimmed(r->arena, line, (size_t)(eq - line));
    return read_setting(r, key, trimmed(r->arena, eq + 1, code - (size_t)(eq + 1 - line)), source);
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

static const Profile *parse(Arena *a, const char *text, const char *where, bool on_safe, Error *err)
{
    Profile *p = arena_new(a, Profile);
    Reader r = {.arena = a, .profile = p, .where = where, .err = err};
    if (on_safe && !read_base(&r, "safe"))
        return NULL;
    p->name = arena_str(a, where, strlen(where));
    return read_text(&r, text) ? p : NULL;
}

const Profile *profile_parse(Arena *a, const char *text, const char *where, Error *err)
{
    return parse(a, text, where, true, err);
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
        p = parse(a, text, base ? base + 1 : path, true, err);
    free(text);
    return p;
}

const Profile *profile_load(Arena *a, const char *name, Error *err)
{
    for (int i = 0; i < BUILTINS; i++)
        if (strcmp(builtin[i].name, name) == 0)
            return parse(a, builtin[i].text, builtin[i].name, false, err);
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
