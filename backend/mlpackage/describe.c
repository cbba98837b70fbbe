/* What users of the model see of it. Lengths that are not fixed come from the function's attribute
 * FlexibleShapeInformation, as it stands in MIL text:
 *
 *     (("DefaultShapes", {{"x", [4]}}), ("RangeDims", {{"x", [[1, 16]]}}))
 *     (("DefaultShapes", {{"x", [4]}}), ("EnumeratedShapes", {{"543d0f94", {{"x", [1]}}}, {"9e38c1a4", {{"x",
 * [4]}}}}))
 */
#include <string.h>

#include "backend/mlpackage/encode.h"

static char *same(Arena *a, const char *s)
{
    return arena_str(a, s ? s : "", s ? strlen(s) : 0);
}

/* ---- flexible lengths ---- */

static const Literal *dict_find(const Literal *dict, const char *key)
{
    for (size_t i = 0; dict->kind == LIT_TREE && i + 1 < dict->count; i += 2) {
        const Literal *k = dict->children[i];
        if (k->kind == LIT_STRING && k->count == 1 && strcmp(k->strings[0], key) == 0)
            return dict->children[i + 1];
    }
    return NULL;
}

/* The part of the attribute that is called WHAT; NULL where there is none. */
static const Literal *flexible_part(const Func *f, const char *what)
{
    for (int i = 0; i < f->attrs; i++) {
        const Literal *all = f->attr[i].literal;
        if (strcmp(f->attr[i].key, "FlexibleShapeInformation") != 0 || all->kind != LIT_TREE)
            continue;
        for (size_t k = 0; k < all->count; k++) {
            const Literal *part = all->children[k];
            if (part->kind == LIT_TREE && part->count == 2 && part->children[0]->kind == LIT_STRING &&
                strcmp(part->children[0]->strings[0], what) == 0)
                return part->children[1];
        }
    }
    return NULL;
}

/* What that part says of the value NAME. */
static const Literal *flexible(const Func *f, const char *what, const char *name)
{
    const Literal *part = flexible_part(f, what);
    return part ? dict_find(part, name) : NULL;
}

/* The shape that stands for an input of several: its default, or the least. */
static int64_t default_dim(const Func *f, const Value *v, int axis)
{
    const Literal *d = flexible(f, "DefaultShapes", v->name);
    if (v->type->dim[axis] >= 0)
        return v->type->dim[axis];
    return d && d->kind == LIT_INT && d->count == (size_t)v->type->rank ? d->ints[axis] : 1;
}

static void range_of(const Func *f, const Value *v, int axis, Cm__SizeRange *r)
{
    const Literal *all = flexible(f, "RangeDims", v->name), *one = NULL;
    if (all && all->kind == LIT_TREE && all->count == (size_t)v->type->rank)
        one = all->children[axis];
    int64_t d = v->type->dim[axis];
    r->lowerbound = (uint64_t)(d < 0 ? 1 : d);
    r->upperbound = d;
    if (one && one->kind == LIT_INT && one->count == 2 && one->ints[0] >= 0) {
        r->lowerbound = (uint64_t)one->ints[0];
        r->upperbound = one->ints[1];
    }
}

static void add_ranges(Arena *a, const Func *f, const Value *v, Cm__ArrayFeatureType *out)
{
    Cm__ShapeRange *s = arena_new(a, Cm__ShapeRange);
    cm__shape_range__init(s);
    s->sizeranges = arena_many(a, (size_t)v->type->rank, Cm__SizeRange *);
    for (int i = 0; i < v->type->rank; i++) {
        Cm__SizeRange *r = s->sizeranges[s->n_sizeranges++] = arena_new(a, Cm__SizeRange);
        cm__size_range__init(r);
        range_of(f, v, i, r);
    }
    out->shaperange = s;
}

static Cm__Shape *encode_shape(Arena *a, const Literal *l)
{
    Cm__Shape *s = arena_new(a, Cm__Shape);
    cm__shape__init(s);
    s->shape = arena_copy(a, l->ints, l->count * sizeof *l->ints);
    s->n_shape = l->count;
    return s;
}

/* The shapes of one input, where they are listed: each entry has a name, and a shape for every input. */
static bool add_shapes(Arena *a, const Func *f, const Value *v, Cm__ArrayFeatureType *out)
{
    const Literal *all = flexible_part(f, "EnumeratedShapes");
    if (!all || all->kind != LIT_TREE)
        return false;
    Cm__EnumeratedShapes *e = arena_new(a, Cm__EnumeratedShapes);
    cm__enumerated_shapes__init(e);
    e->shapes = arena_many(a, all->count / 2 + 1, Cm__Shape *);
    for (size_t i = 1; i < all->count; i += 2) {
        const Literal *one = dict_find(all->children[i], v->name);
        if (one && one->kind == LIT_INT && one->count == (size_t)v->type->rank)
            e->shapes[e->n_shapes++] = encode_shape(a, one);
    }
    if (e->n_shapes)
        out->enumeratedshapes = e;
    return e->n_shapes > 0;
}

/* ---- features ---- */

static Cm__ArrayFeatureType *encode_array(Arena *a, const Func *f, const Value *v, bool input)
{
    Cm__ArrayFeatureType *t = arena_new(a, Cm__ArrayFeatureType);
    cm__array_feature_type__init(t);
    t->datatype = encode_feature_dtype(v->type->dtype);
    bool fixed = type_is_static(v->type);
    if (!input && !fixed)
        return t; /* outputs of no fixed shape are described without one */
    t->shape = arena_many(a, (size_t)v->type->rank, int64_t);
    for (int i = 0; i < v->type->rank; i++)
        t->shape[t->n_shape++] = default_dim(f, v, i);
    if (!fixed && !add_shapes(a, f, v, t))
        add_ranges(a, f, v, t);
    return t;
}

/* What a classifier gives: the class, and a dictionary by class. */
static bool encode_class(Arena *a, const Type *t, Cm__FeatureType *out)
{
    bool dict = t->kind == TY_DICT;
    const Type *class = dict ? t->element[0] : t;
    bool text = class->dtype == DT_STRING;
    if (class->kind != TY_TENSOR || class->rank || !(text || class->dtype == DT_INT64))
        return false;
    Cm__StringFeatureType *string = arena_new(a, Cm__StringFeatureType);
    Cm__Int64FeatureType *whole = arena_new(a, Cm__Int64FeatureType);
    cm__string_feature_type__init(string);
    cm__int64_feature_type__init(whole);
    if (!dict) {
        out->type_case = text ? CM__FEATURE_TYPE__TYPE_STRING_TYPE : CM__FEATURE_TYPE__TYPE_INT64_TYPE;
        if (text)
            out->stringtype = string;
        else
            out->int64type = whole;
        return true;
    }
    Cm__DictionaryFeatureType *d = arena_new(a, Cm__DictionaryFeatureType);
    cm__dictionary_feature_type__init(d);
    d->key_type_case = text ? CM__DICTIONARY_FEATURE_TYPE__KEY_TYPE_STRING_KEY_TYPE
                            : CM__DICTIONARY_FEATURE_TYPE__KEY_TYPE_INT64_KEY_TYPE;
    if (text)
        d->stringkeytype = string;
    else
        d->int64keytype = whole;
    out->type_case = CM__FEATURE_TYPE__TYPE_DICTIONARY_TYPE;
    out->dictionarytype = d;
    return true;
}

static Cm__FeatureDescription *encode_feature(Arena *a, const Func *f, const Value *v, bool input)
{
    Cm__FeatureDescription *d = arena_new(a, Cm__FeatureDescription);
    cm__feature_description__init(d);
    d->name = same(a, v->name);
    d->type = arena_new(a, Cm__FeatureType);
    cm__feature_type__init(d->type);
    if (!input && encode_class(a, v->type, d->type))
        return d;
    Cm__ArrayFeatureType *array = encode_array(a, f, v, input);
    if (v->type->kind == TY_STATE) {
        d->type->type_case = CM__FEATURE_TYPE__TYPE_STATE_TYPE;
        d->type->statetype = arena_new(a, Cm__StateFeatureType);
        cm__state_feature_type__init(d->type->statetype);
        d->type->statetype->arraytype = array;
    } else {
        d->type->type_case = CM__FEATURE_TYPE__TYPE_MULTI_ARRAY_TYPE;
        d->type->multiarraytype = array;
    }
    return d;
}

typedef struct Features {
    Cm__FeatureDescription **in, **out, **state;
    size_t ins, outs, states;
} Features;

/* The names of a classifier's class and its dictionary. */
static void name_predictions(Arena *a, const Func *f, Cm__ModelDescription *d)
{
    for (int i = 0; i < f->outputs; i++) {
        const Value *v = f->output[i];
        if (v->type->kind == TY_DICT)
            d->predictedprobabilitiesname = same(a, v->name);
        else if (v->def && v->def->code == OP_CLASSIFY)
            d->predictedfeaturename = same(a, v->name);
    }
}

static bool encode_features(Arena *a, const Func *f, Features *to, Error *err)
{
    to->in = arena_many(a, (size_t)f->params, Cm__FeatureDescription *);
    to->state = arena_many(a, (size_t)f->params, Cm__FeatureDescription *);
    to->out = arena_many(a, (size_t)f->outputs, Cm__FeatureDescription *);
    for (int i = 0; i < f->params + f->outputs; i++) {
        bool input = i < f->params;
        const Value *v = input ? f->param[i] : f->output[i - f->params];
        Cm__FeatureType class;
        bool classified = !input && encode_class(a, v->type, &class);
        if (v->type->kind != TY_STATE && !classified &&
            (v->type->kind != TY_TENSOR || !encode_feature_dtype(v->type->dtype)))
            return error_set(err,
                             "%s: %s is of type %s; inputs and outputs of a Core ML model are int32, fp16, "
                             "fp32 or fp64",
                             f->name, v->name, type_text(a, v->type));
        Cm__FeatureDescription *d = encode_feature(a, f, v, input);
        if (v->type->kind == TY_STATE)
            to->state[to->states++] = d;
        else if (input)
            to->in[to->ins++] = d;
        else
            to->out[to->outs++] = d;
    }
    return true;
}

static Cm__FunctionDescription *encode_function(Arena *a, const Func *f, Error *err)
{
    Features of = {0};
    Cm__FunctionDescription *d = arena_new(a, Cm__FunctionDescription);
    cm__function_description__init(d);
    if (!encode_features(a, f, &of, err))
        return NULL;
    d->name = same(a, f->name);
    d->input = of.in;
    d->n_input = of.ins;
    d->output = of.out;
    d->n_output = of.outs;
    d->state = of.state;
    d->n_state = of.states;
    return d;
}

/* A program of one function `main` is described at the top; several have descriptions of their own. */
static bool describe_functions(Arena *a, const Module *m, Cm__ModelDescription *d, Error *err)
{
    if (m->funcs == 1 && strcmp(m->func[0]->name, "main") == 0) {
        Features of = {0};
        if (!encode_features(a, m->func[0], &of, err))
            return false;
        d->input = of.in;
        d->n_input = of.ins;
        d->output = of.out;
        d->n_output = of.outs;
        d->state = of.state;
        d->n_state = of.states;
        name_predictions(a, m->func[0], d);
        return true;
    }
    d->functions = arena_many(a, (size_t)m->funcs, Cm__FunctionDescription *);
    for (int i = 0; i < m->funcs; i++)
        if (!(d->functions[d->n_functions++] = encode_function(a, m->func[i], err)))
            return false;
    d->defaultfunctionname = same(a, m->func[0]->name);
    return true;
}

/* ---- what is said about it ---- */

static void add_note(Arena *a, Cm__Metadata *m, const char *key, const char *value)
{
    Cm__TextEntry *e = m->userdefined[m->n_userdefined++] = arena_new(a, Cm__TextEntry);
    cm__text_entry__init(e);
    e->key = same(a, key);
    e->value = same(a, value);
}

/* What the module says of itself goes before what its writer would say. */
static char *said(Arena *a, const Module *m, const char *key, const char *otherwise)
{
    const char *own = module_about(m, key);
    return same(a, own ? own : otherwise);
}

static bool has_field(const char *key)
{
    return strcmp(key, "description") == 0 || strcmp(key, "author") == 0 || strcmp(key, "license") == 0 ||
           strcmp(key, "version") == 0;
}

static Cm__Metadata *encode_metadata(Arena *a, const Module *module, const EncodeAbout *about)
{
    Cm__Metadata *m = arena_new(a, Cm__Metadata);
    size_t notes = (size_t)module->abouts;
    cm__metadata__init(m);
    m->shortdescription = said(a, module, "description", about->summary);
    m->versionstring = said(a, module, "version", about->version);
    m->author = said(a, module, "author", about->author);
    m->license = said(a, module, "license", NULL);
    while (about->note && about->note[2 * (notes - (size_t)module->abouts)])
        notes++;
    m->userdefined = arena_many(a, notes, Cm__TextEntry *);
    for (size_t i = 0; about->note && about->note[2 * i]; i++)
        add_note(a, m, about->note[2 * i], about->note[2 * i + 1]);
    for (int i = 0; i < module->abouts; i++)
        if (!has_field(module->about[i].key))
            add_note(a, m, module->about[i].key, module->about[i].value);
    return m;
}

Cm__ModelDescription *encode_description(Arena *a, const Module *m, const EncodeAbout *about, Error *err)
{
    Cm__ModelDescription *d = arena_new(a, Cm__ModelDescription);
    cm__model_description__init(d);
    if (!describe_functions(a, m, d, err))
        return NULL;
    d->metadata = encode_metadata(a, m, about);
    return d;
}
