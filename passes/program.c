#include "passes/program.h"

#include <string.h>

static const Type *text_type(Arena *a, const Profile *profile)
{
    Type t = type_scalar(DT_STRING);
    t.bare = strcmp(profile->program_version, "1.0") != 0;
    return type_copy(a, &t);
}

/* Without buildInfo the ANE's compiler fails. */
static void add_build_info(Module *m, const Profile *profile)
{
    Arena *a = &m->arena;
    Type t = {.kind = TY_DICT, .elements = 2, .element = arena_many(a, 2, const Type *)};
    t.element[0] = t.element[1] = text_type(a, profile);
    Literal **children = arena_many(a, 2 * (size_t)profile->build_info_count, Literal *);
    for (int i = 0; i < 2 * profile->build_info_count; i++)
        children[i] = (Literal *)(uintptr_t)literal_string(a, profile->build_info[i]);
    Literal *dict = arena_new(a, Literal);
    dict->kind = LIT_TREE;
    dict->count = 2 * (size_t)profile->build_info_count;
    dict->children = children;
    m->attr = arena_new(a, Attr);
    m->attr[m->attrs++] = (Attr){"buildInfo", type_copy(a, &t), dict};
}

static Program *add_program(Pipeline *p, const char *name, const Segment *s)
{
    Program *program = arena_new(&p->plan->arena, Program);
    *program = (Program){.name = name, .place = s->place, .kind = s->kind};
    bool ane = s->place == PLACE_ANE;
    program->module = module_new(ane ? p->profile->program_version : "1.3");
    if (ane)
        add_build_info(program->module, p->profile);
    if (ane || s == p->head) {
        program->begins = arena_str(&p->plan->arena, s->begins, strlen(s->begins));
        program->ends = arena_str(&p->plan->arena, s->ends, strlen(s->ends));
    }
    arena_push(&p->plan->arena, p->plan->program, p->plan->programs, p->plan->programs_cap, program);
    return program;
}

/* ---- several functions in one program ---- */

/* What the profile limits, counted as check/ does. */
typedef struct Weight {
    int64_t constants, bytes, convs, files;
} Weight;

static void add_constant(Weight *w, const Op *op)
{
    const Literal *l = op->literal;
    if (op->code != OP_CONST || !l || l->kind != LIT_WEIGHT)
        return;
    w->constants++;
    w->bytes += type_bytes(op->result[0]->type);
    w->files += l->weight.kind == WEIGHT_CAUSAL_MASK || l->weight.kind == WEIGHT_DISTANCE;
}

static Weight weigh(const Func *f)
{
    Weight w = {0};
    for (const Op *op = f->first; op; op = op->next) {
        w.convs += op->code == OP_CONV;
        add_constant(&w, op);
        FOR_EACH_ARG(op, slot)
            if ((*slot)->def && !(*slot)->def->func)
                add_constant(&w, (*slot)->def);
    }
    return w;
}

/* Whether a function like `f` fits once more into its program: in every bucket a segment has the same
 * constants and convs. */
static bool fits_again(const Profile *profile, const Func *f)
{
    Weight one = weigh(f);
    int64_t n = f->module->funcs + 1;
    return n <= profile->functions && n * one.constants <= profile->blobs &&
           n * one.bytes <= profile->weights_bytes && n * one.files + 1 <= profile->blob_files &&
           (!profile->conv_blocks || n * one.convs <= profile->conv_blocks);
}

static const char *of_bucket(Pipeline *p, const char *name, int64_t bucket)
{
    return arena_printf(&p->plan->arena, "%s.s%04lld", name, (long long)bucket);
}

Program *program_for(Pipeline *p, int n)
{
    const Instance *i = p->instance[n], *shorter = n < p->segments ? NULL : p->instance[n - p->segments];
    const Segment *s = i->segment;
    if (s == p->head)
        return add_program(p, "head", s);
    if (s->place == PLACE_ANE)
        return shorter && fits_again(p->profile, shorter->physical)
                   ? shorter->program
                   : add_program(p, of_bucket(p, s->name, i->bucket), s);
    for (int k = n - n % p->segments; k < n; k++)
        if (p->instance[k]->segment->place == PLACE_CPU)
            return p->instance[k]->program;
    return add_program(p, of_bucket(p, "cpu", i->bucket), s);
}

const char *program_function(const Pipeline *p, const Instance *i)
{
    if (i->segment == p->head)
        return "main";
    if (i->segment->place == PLACE_CPU)
        return i->segment->name;
    return arena_printf(&i->program->module->arena, "s%04lld", (long long)i->bucket);
}

void programs_settle(Pipeline *p)
{
    for (int n = 0; n < p->instances; n++) {
        Instance *i = p->instance[n];
        if (i->segment->place != PLACE_ANE)
            continue;
        if (i->program->module->funcs == 1)
            i->physical->name = "main";
        else if (i->program->module->funcs == p->buckets)
            i->program->name = arena_printf(&p->plan->arena, "%s", i->segment->name);
    }
}
