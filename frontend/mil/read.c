#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/mil/mil.h"
#include "frontend/mil/reader.h"

const char *mil_text(const Reader *r, Span at)
{
    return r->src->text + at.start;
}

char *mil_copy(Reader *r, Span at)
{
    return arena_str(&r->m->arena, mil_text(r, at), at.length);
}

bool mil_is(const Reader *r, Span at, const char *word)
{
    return strlen(word) == at.length && memcmp(mil_text(r, at), word, at.length) == 0;
}

/* ---- names ---- */

/* The number behind the last `_` of a name, so that new names can count on from there. 9 digits: more never
 * collide, as nobody counts that far. */
static int number_at_end(const char *name)
{
    const char *at = strrchr(name, '_');
    int n = 0;
    if (!at || !at[1] || strlen(at + 1) > 9)
        return 0;
    for (at++; *at; at++) {
        if (*at < '0' || *at > '9')
            return 0;
        n = 10 * n + (*at - '0');
    }
    return n;
}

Value *mil_make_value(Reader *r, const Type *type, Span name)
{
    Value *v = arena_new(&r->m->arena, Value);
    v->type = type;
    v->name = mil_copy(r, name);
    v->span = name;
    return v;
}

static Name *look_up(const Reader *r, Span name)
{
    Name *found;
    HASH_FIND(hh, r->names, mil_text(r, name), name.length, found);
    return found;
}

void mil_define_value(Reader *r, Value *v)
{
    Name *found = look_up(r, v->span), *entry;
    if (found) {
        diag_rule(r->diags, DIAG_ERROR, "mil-duplicate", v->span, "%s is defined already", v->name);
        diag_note(r->diags, found->value->span, "it is defined here");
        return;
    }
    int number = number_at_end(v->name);
    r->highest = number > r->highest ? number : r->highest;
    entry = arena_new(&r->scratch, Name);
    entry->value = v;
    HASH_ADD_KEYPTR(hh, r->names, v->name, v->span.length, entry);
}

/* Looks through all names, but not for errors that nobody will see. */
static const char *nearest_name(const Reader *r, const char *word)
{
    const char *best = NULL;
    int distance = (int)(strlen(word) < 60 ? strlen(word) : 60) / 3 + 1;
    if (r->diags->errors >= (r->diags->limit ? r->diags->limit : 20))
        return NULL;
    for (const Name *n = r->names; n; n = n->hh.next) {
        int d = text_distance(word, n->value->name, distance - 1);
        if (d < distance) {
            distance = d;
            best = n->value->name;
        }
    }
    return best;
}

Value *mil_find_value(Reader *r, Span name)
{
    Name *found = look_up(r, name);
    if (found)
        return found->value;
    const char *word = arena_str(&r->scratch, mil_text(r, name), name.length), *near = nearest_name(r, word);
    diag_rule(r->diags, DIAG_ERROR, "mil-ssa", name, "%s is not defined before this%s%s%s", word,
              near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return NULL;
}

/* ---- functions and the program ---- */

void mil_program_begin(Reader *r, Span version)
{
    const char *text = mil_text(r, version);
    r->m->version = mil_copy(r, version);
    if (version.length != 3 || text[0] != '1' || text[1] != '.')
        diag_rule(r->diags, DIAG_ERROR, "mil-version", version,
                  "there is no program version %.*s: 1.0 to 1.3 are known",
                  (int)(version.length < 20 ? version.length : 20), text);
}

void mil_function_begin(Reader *r, Span name, Span opset)
{
    r->f = func_new(r->m, mil_copy(r, name), mil_copy(r, opset));
    r->f->span = name;
    r->block = NULL;
    r->highest = 0;
    mil_statement_reset(r);
}

void mil_function_params(Reader *r)
{
    Func *f = r->f;
    f->attr = mil_take_attrs(r, &f->attrs);
    f->param = arena_many(&r->m->arena, (size_t)r->results, Value *);
    for (int i = 0; i < r->results; i++) {
        Value *v = mil_make_value(r, r->result[i].type, r->result[i].name);
        v->index = i;
        f->param[f->params++] = v;
        mil_define_value(r, v);
    }
}

void mil_function_end(Reader *r)
{
    Func *f = r->f;
    f->output = arena_copy(&r->m->arena, r->value, r->values * sizeof *r->value);
    f->outputs = (int)r->values;
    f->next_name = r->highest + 1;
    HASH_CLEAR(hh, r->names);
    r->names = NULL;
    mil_statement_reset(r);
}

/* ---- blocks ---- */

static Func *add_block(Reader *r, Op *op)
{
    Arena *a = &r->m->arena;
    Func **all = arena_many(a, (size_t)op->blocks + 1, Func *);
    if (op->blocks)
        memcpy(all, op->block, (size_t)op->blocks * sizeof *all);
    op->block = all;
    return op->block[op->blocks++] = block_new(r->m, r->f->opset);
}

void mil_block_begin(Reader *r, Span at)
{
    Block *b = arena_new(&r->scratch, Block);
    *b = (Block){.outer = r->block, .around = r->f, .op = r->f->last};
    b->depth = r->block ? r->block->depth + 1 : 1;
    b->names = HASH_COUNT(r->names);
    if (b->depth == MAX_BLOCK_DEPTH)
        diag_error(r->diags, at, "blocks are nested more than %d deep", MAX_BLOCK_DEPTH - 1);
    r->block = b;
    r->f = add_block(r, b->op);
    r->f->span = at;
    mil_statement_reset(r);
}

void mil_block_params(Reader *r)
{
    mil_function_params(r);
}

/* The names that were defined in the block end with it: they are the last in the table. */
static void forget_names(Reader *r, unsigned kept)
{
    while (HASH_COUNT(r->names) > kept) {
        Name *last = ELMT_FROM_HH(r->names->hh.tbl, r->names->hh.tbl->tail);
        HASH_DELETE(hh, r->names, last);
    }
}

void mil_block_end(Reader *r)
{
    Block *b = r->block;
    r->f->output = arena_copy(&r->m->arena, r->value, r->values * sizeof *r->value);
    r->f->outputs = (int)r->values;
    forget_names(r, b->names);
    r->f = b->around;
    r->block = b->outer;
    mil_statement_reset(r);
}

static bool read_program(Reader *r, bool keep)
{
    int before = r->diags->errors;
    if (r->src->size > UINT32_MAX / 2) {
        diag_error(r->diags, (Span){0}, "%s: programs of more than 2 GiB cannot be read", r->src->name);
        return false;
    }
    if (mil_yyparse(r) != 0 || r->diags->errors > before)
        return false;
    r->m->newline = r->src->size && r->src->text[r->src->size - 1] == '\n';
    if (!r->m->funcs)
        diag_rule(r->diags, DIAG_ERROR, "mil-function", (Span){r->src, 0, 1}, "the program has no function");
    bool right = r->diags->errors == before && module_verify(r->m, NULL, r->diags);
    return right || keep;
}

static Module *read(const Source *src, Diags *diags, bool model, bool keep)
{
    Reader r = {.src = src, .diags = diags, .model = model, .cursor = src->text, .m = module_new("1.3")};
    Module *m = r.m;
    if (!read_program(&r, keep)) {
        module_free(m);
        m = NULL;
    }
    HASH_CLEAR(hh, r.names);
    HASH_CLEAR(hh, r.spellings);
    mil_builder_free(&r.builder);
    arena_free(&r.scratch);
    return m;
}

Module *mil_read(const Source *src, Diags *diags)
{
    return read(src, diags, false, false);
}

Module *mil_read_unverified(const Source *src, Diags *diags)
{
    return read(src, diags, false, true);
}

Module *mil_read_model(const Source *src, Diags *diags)
{
    return read(src, diags, true, false);
}

Module *mil_read_whole(const Source *source, Error *err)
{
    char *shown = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&shown, &size);
    Diags diags = {.out = memory, .limit = 1, .quiet = true};
    Module *m = mil_read(source, &diags);
    if (memory)
        fclose(memory);
    if (!m)
        error_set(err, "%.*s", (int)strcspn(shown ? shown : "", "\n"), shown ? shown : source->name);
    free(shown);
    return m;
}
