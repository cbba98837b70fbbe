#include <string.h>

#include <uthash.h>

#include "backend/package.h"

/* Which record a constant shares: equal keys have equal payloads. */
typedef struct Placed {
    char *key;
    const char *path; /* "@model_path/weights/attention_00.bin" */
    uint64_t offset;
    UT_hash_handle hh;
} Placed;

typedef struct Placing {
    Arena *arena;
    Placed *placed;
    BlobSet *set;
    BlobFile *int8; /* the last one of its kind */
    int int8s;
} Placing;

static char *key_of(Arena *a, const WeightRef *w, const Type *t)
{
    const char *dtype = dtype_info[t->dtype].name;
    if (w->kind == WEIGHT_CAUSAL_MASK)
        return arena_printf(a, "mask %lld %lld %s", (long long)t->dim[t->rank - 1], (long long)w->window,
                            dtype);
    if (w->kind == WEIGHT_DISTANCE)
        return arena_printf(a, "distance %lld %lld %d %s", (long long)t->dim[t->rank - 2],
                            (long long)t->dim[t->rank - 1], w->transposed, dtype);
    return arena_printf(a, "tensor %s %d %d %d %s", w->name, (int)w->kind, w->transposed, w->scale, dtype);
}

/* "attention_00.s0032" -> "attention_00.bin": what the buckets share is stored once. */
static const char *file_name(Arena *a, const Program *p, const WeightRef *w, const Type *t)
{
    if (w->kind == WEIGHT_CAUSAL_MASK)
        return arena_printf(a, "mask_s%04lld%s.bin", (long long)t->dim[t->rank - 1],
                            w->window ? arena_printf(a, "_w%lld", (long long)w->window) : "");
    if (w->kind == WEIGHT_DISTANCE)
        return arena_printf(a, "distance_s%04lld.bin", (long long)t->dim[t->rank - 1]);
    if (p->place == PLACE_CPU)
        return "cpu.bin";
    return arena_printf(a, "%.*s.bin", (int)strcspn(p->name, "."), p->name);
}

static BlobFile *find_file(Placing *p, const char *name)
{
    for (int i = p->set->files - 1; i >= 0; i--)
        if (strcmp(p->set->file[i]->name, name) == 0)
            return p->set->file[i];
    BlobFile *f = arena_new(p->arena, BlobFile);
    f->name = name;
    arena_push(p->arena, p->set->file, p->set->files, p->set->cap, f);
    return f;
}

/* Where the weights of 8 bits go: files of some size, which threads share among themselves when they are
 * written. */
static BlobFile *int8_file(Placing *p)
{
    const uint64_t most = 16 << 20;
    if (!p->int8 || p->int8->size >= most)
        p->int8 = find_file(p, arena_printf(p->arena, "int8_%02d.bin", p->int8s++));
    return p->int8;
}

static const Placed *place(Placing *p, const Program *program, const WeightRef *w, const Type *t)
{
    char *key = key_of(p->arena, w, t);
    Placed *found;
    HASH_FIND_STR(p->placed, key, found);
    if (found)
        return found;
    bool int8 = w->kind == WEIGHT_INT8 || w->kind == WEIGHT_SCALES;
    BlobFile *file = int8 ? int8_file(p) : find_file(p, file_name(p->arena, program, w, t));
    found = arena_new(p->arena, Placed);
    found->key = key;
    found->path = arena_printf(p->arena, "@model_path/weights/%s", file->name);
    found->offset = blob_add(p->arena, file, w, t);
    HASH_ADD_KEYPTR(hh, p->placed, key, strlen(key), found);
    return found;
}

static void place_constant(Placing *p, const Program *program, Op *op)
{
    const Literal *l = op->literal;
    if (op->code != OP_CONST || !l || l->kind != LIT_WEIGHT)
        return;
    const Placed *at = place(p, program, &l->weight, op->result[0]->type);
    op->literal = literal_blob(&program->module->arena, at->path, at->offset);
}

static void place_program(Placing *p, const Program *program)
{
    for (int i = 0; i < program->module->funcs; i++)
        for (Op *op = program->module->func[i]->first; op; op = op->next) {
            place_constant(p, program, op);
            FOR_EACH_ARG(op, slot)
                if ((*slot)->def && !(*slot)->def->func)
                    place_constant(p, program, (*slot)->def);
        }
}

void package_place_weights(Plan *plan, BlobSet *out)
{
    Placing p = {.arena = &plan->arena, .set = out};
    /* ANE programs first: what they read must be in their own few files. */
    for (int i = 0; i < plan->programs; i++)
        if (plan->program[i]->place == PLACE_ANE)
            place_program(&p, plan->program[i]);
    for (int i = 0; i < plan->programs; i++)
        if (plan->program[i]->place == PLACE_CPU)
            place_program(&p, plan->program[i]);
    HASH_CLEAR(hh, p.placed);
}
