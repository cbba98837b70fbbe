/* Weight files: every constant in one, and the files themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "check/internal.h"
#include "frontend/mil/blob.h"

static const char model_path[] = "@model_path/";
enum { MOST_USED = 1024 /* files of a program that are compared; no real one has so many */ };

/* ---- files ---- */

/* The records in their order, as readers that walk the file find them. */
static void check_count(Checker *c, const CheckedFile *f, uint32_t count)
{
    uint64_t at = BLOB_HEADER, found = 0;
    BlobRecord r;
    while (blob_peek(&f->map, at, &r) && r.sentinel == BLOB_SENTINEL) {
        found++;
        if (r.payload > f->map.size || r.size > f->map.size - r.payload || r.payload + r.size < at)
            break;
        uint64_t end = r.payload + r.size > at + BLOB_HEADER ? r.payload + r.size : at + BLOB_HEADER;
        at = (end + 63) / 64 * 64;
    }
    if (found != count)
        report_file(c, RULE_BLOB_COUNT, f->shown, "the header counts %u record%s, the file has %llu", count,
                    count == 1 ? "" : "s", (unsigned long long)found);
}

static void open_weights(Checker *c, CheckedFile *f)
{
    Error err;
    uint32_t count = 0, version = 0;
    f->unusable = true;
    if (!file_map(&f->map, f->path, &err)) {
        report_file(c, RULE_BLOB_MISSING, f->shown, "cannot be read; constants in it are not checked");
        return;
    }
    c->weight_bytes += (int64_t)f->map.size;
    if (!blob_file_header(&f->map, &count, &version))
        report_file(c, RULE_BLOB_HEADER, f->shown, "is too short: %zu bytes, its header alone has %d",
                    f->map.size, BLOB_HEADER);
    else if (version != BLOB_VERSION)
        report_file(c, RULE_BLOB_HEADER, f->shown, "has format version %u, expected %d", version,
                    BLOB_VERSION);
    else {
        f->unusable = false;
        check_count(c, f, count);
    }
}

/* With --weights-dir, the file may lie there without its folders. */
static char *path_of(const Unit *u, const char *relative)
{
    const char *base = strrchr(relative, '/');
    char *path = path_join(u->root, relative);
    if (!u->c->weights_dir || !base || file_exists(path))
        return path;
    char *flat = path_join(u->root, base + 1);
    bool there = file_exists(flat);
    free(there ? path : flat);
    return there ? flat : path;
}

CheckedFile *blob_file(const Unit *u, const char *path)
{
    size_t n = strlen(model_path);
    if (strncmp(path, model_path, n) != 0 || !path_stays_below(path + n))
        return NULL;
    char *full = path_of(u, path + n);
    CheckedFile *f = checker_find_file(u->c, full);
    if (!f) {
        f = checker_add_file(u->c, full, full);
        open_weights(u->c, f);
    }
    free(full);
    return f;
}

/* ---- constants ---- */

void each_blob(const Unit *u, void (*fn)(const Unit *, const Value *, Span))
{
    for (int i = 0; i < u->m->funcs; i++)
        for (const Op *op = u->m->func[i]->first; op; op = op->next) {
            if (op->code == OP_CONST && op->results == 1 && op->literal && op->literal->kind == LIT_BLOB)
                fn(u, op->result[0], op->result[0]->span);
            FOR_EACH_ARG(op, slot)
                if ((*slot)->def && !(*slot)->def->func && (*slot)->def->literal &&
                    (*slot)->def->literal->kind == LIT_BLOB)
                    fn(u, *slot, (*slot)->span);
        }
}

static const char *code_name(uint32_t code)
{
    DType d = dtype_from_blob_code(code);
    return d == DT_NONE ? "an unknown type" : dtype_info[d].name;
}

/* "WHERE at 128", as messages begin. */
static const char *record_shown(const Unit *u, const CheckedFile *f, uint64_t offset)
{
    const char *base = strrchr(f->shown, '/');
    return arena_printf(&u->c->arena, "%s, record at %llu", base ? base + 1 : f->shown,
                        (unsigned long long)offset);
}

static bool check_place(const Unit *u, const CheckedFile *f, const Literal *l, Span at, BlobRecord *r)
{
    uint64_t offset = l->blob.offset;
    const char *shown = record_shown(u, f, offset);
    BlobRecord before;
    if (offset % 64)
        report(u, RULE_BLOB_ALIGNMENT, at, NULL, "%s: records begin at multiples of 64", shown);
    else if (offset < BLOB_HEADER || !blob_peek(&f->map, offset, r))
        report(u, RULE_BLOB_BOUNDS, at, NULL, "%s: the file has %zu bytes, and no record there", shown,
               f->map.size);
    else if (r->sentinel != BLOB_SENTINEL && offset >= 2 * BLOB_HEADER &&
             blob_peek(&f->map, offset - BLOB_HEADER, &before) && before.sentinel == BLOB_SENTINEL)
        report(u, RULE_BLOB_SENTINEL, at, NULL, "%s: these are numbers; their record is at %llu", shown,
               (unsigned long long)offset - BLOB_HEADER);
    else if (r->sentinel != BLOB_SENTINEL)
        report(u, RULE_BLOB_SENTINEL, at, NULL, "%s: found 0x%08x where 0x%08x begins a record", shown,
               r->sentinel, BLOB_SENTINEL);
    else
        return true;
    return false;
}

/* Bytes that `elements` take; -1 where that is no number. */
static int64_t bytes_needed(const Type *t)
{
    return type_is_static(t) ? type_bytes(t) : -1;
}

static bool check_contents(const Unit *u, const CheckedFile *f, const Value *v, Span at, const BlobRecord *r)
{
    const DTypeInfo *info = &dtype_info[v->type->dtype];
    uint64_t offset = v->def->literal->blob.offset;
    const char *shown = record_shown(u, f, offset);
    int64_t bytes = bytes_needed(v->type), elements = type_elements(v->type);
    if (!info->blob_code || r->code != (uint32_t)info->blob_code)
        report(u, RULE_BLOB_DTYPE, at, NULL, "%s: holds %s (%u), the constant is %s", shown,
               code_name(r->code), r->code, info->name);
    else if (bytes < 0 || r->size != (uint64_t)bytes)
        report(u, RULE_BLOB_SIZE, at, NULL, "%s: has %llu bytes, %s needs %lld", shown,
               (unsigned long long)r->size, type_text(&u->c->arena, v->type), (long long)bytes);
    else if (r->payload > f->map.size || r->size > f->map.size - r->payload)
        report(u, RULE_BLOB_BOUNDS, at, NULL, "%s: %llu bytes at %llu, but the file has %zu", shown,
               (unsigned long long)r->size, (unsigned long long)r->payload, f->map.size);
    else if (r->payload % 64)
        report(u, RULE_BLOB_ALIGNMENT, at, NULL, "%s: its numbers at %llu do not begin at a multiple of 64",
               shown, (unsigned long long)r->payload);
    else if (r->payload != offset + BLOB_HEADER)
        report(u, RULE_BLOB_PAYLOAD, at, NULL, "%s: its numbers are said to be at %llu, not at %llu", shown,
               (unsigned long long)r->payload, (unsigned long long)offset + BLOB_HEADER);
    else if (info->bits < 8 && r->unused_bits != r->size * 8 - (uint64_t)elements * (uint64_t)info->bits)
        report(u, RULE_BLOB_PADDING, at, NULL, "%s: says that %llu bits are unused, %llu are", shown,
               (unsigned long long)r->unused_bits,
               (unsigned long long)(r->size * 8 - (uint64_t)elements * (uint64_t)info->bits));
    else
        return true;
    return false;
}

/* ---- numbers ---- */

static bool has_nonfinite16(const uint8_t *p, uint64_t n, uint16_t infinity)
{
    for (uint64_t i = 0; i < n; i++)
        if (((p[2 * i] | p[2 * i + 1] << 8) & infinity) == infinity)
            return true;
    return false;
}

static bool has_nonfinite32(const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (((p[4 * i + 2] | p[4 * i + 3] << 8) & 0x7f80) == 0x7f80)
            return true;
    return false;
}

static void check_values(const Unit *u, const CheckedFile *f, const Value *v, Span at, const BlobRecord *r)
{
    const uint8_t *p = f->map.data + r->payload;
    bool wrong = v->type->dtype == DT_FP16   ? has_nonfinite16(p, r->size / 2, 0x7c00)
                 : v->type->dtype == DT_BF16 ? has_nonfinite16(p, r->size / 2, 0x7f80)
                 : v->type->dtype == DT_FP32 ? has_nonfinite32(p, r->size / 4)
                                             : false;
    if (wrong)
        report(u, RULE_BLOB_NONFINITE, at, NULL, "%s: %s has an infinity or what is no number",
               record_shown(u, f, v->def->literal->blob.offset), value_shown(v));
}

static void check_blob(const Unit *u, const Value *v, Span at)
{
    const Literal *l = v->def->literal;
    CheckedFile *f = blob_file(u, l->blob.path);
    BlobRecord r;
    if (!f)
        report(u, RULE_BLOB_PATH, at, NULL, "\"%.200s\" does not lie in %s", l->blob.path, model_path);
    if (f && !f->unusable && check_place(u, f, l, at, &r) && check_contents(u, f, v, at, &r))
        check_values(u, f, v, at, &r);
}

/* Each file once, in the order of the text. */
static void note_use(const Unit *u, const Value *v, Span at)
{
    CheckedFile *f = blob_file(u, v->def->literal->blob.path), *program = u->file;
    (void)at;
    for (int i = 0; f && i < program->used_count; i++)
        if (program->used[i] == f)
            f = NULL;
    if (f && program->used_count < MOST_USED)
        arena_push(&u->c->arena, program->used, program->used_count, program->used_cap, f);
}

void check_blobs(Unit *u)
{
    each_blob(u, check_blob);
    each_blob(u, note_use);
}

/* ---- for the other checks ---- */

static bool blob_numbers(const Unit *u, const Value *v, Numbers *out)
{
    const Literal *l = v->def->literal;
    const CheckedFile *f = blob_file(u, l->blob.path);
    Error ignored;
    return f && !f->unusable && type_is_static(v->type) && out->count >= 0 &&
           blob_find(&f->map, l->blob.offset, out->dtype, out->count, &out->bytes, &ignored);
}

bool numbers_of(const Unit *u, const Value *v, Numbers *out)
{
    const Literal *l = value_literal(v);
    *out = (Numbers){.dtype = v->type->dtype, .count = type_elements(v->type)};
    if (!l || (out->dtype != DT_FP16 && out->dtype != DT_FP32))
        return false;
    if (l->kind == LIT_BLOB)
        return blob_numbers(u, v, out);
    out->inline_values = l->floats;
    out->count = (int64_t)l->count;
    return l->kind == LIT_FLOAT;
}

double number_at(const Numbers *n, int64_t i)
{
    if (n->inline_values)
        return n->inline_values[i];
    const uint8_t *p = n->bytes + i * (n->dtype == DT_FP16 ? 2 : 4);
    if (n->dtype == DT_FP16)
        return half_to_float((uint16_t)(p[0] | p[1] << 8));
    return float_from_bits((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                           (uint32_t)p[3] << 24);
}
