#include "frontend/mlpackage/mlpackage.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "frontend/mlpackage/program.h"
#include "frontend/mlpackage/wire.h"

enum { MANIFEST_LIMIT = 1 << 20 };
#define MODEL_LIMIT ((size_t)1 << 31)

/* ---- ranges of the description ---- */

static const Cm__ArrayFeatureType *array_of(const Cm__FeatureDescription *d)
{
    const Cm__FeatureType *t = d->type;
    return t && t->type_case == CM__FEATURE_TYPE__TYPE_MULTI_ARRAY_TYPE ? t->multiarraytype : NULL;
}

static const Type *container(Arena *a, TypeKind kind, const Type *first, const Type *second)
{
    Type t = {.kind = kind, .elements = second ? 2 : 1, .list_length = DIM_UNKNOWN};
    const Type *of[] = {first, second};
    t.element = arena_copy(a, of, sizeof of);
    return type_copy(a, &t);
}

/* One kind of flexibility: tuple<string, dict<string, VALUES>> of its name and, by input, its numbers. */
typedef struct Part {
    const char *name;
    const Type *values;
    const Literal **entry; /* key, value, key, value ... */
    int entries, cap;
} Part;

/* As Apple's compiler has them: the default, then what else there is. */
typedef struct Flexible {
    Arena *arena;
    const Type *text, *row;
    Part shapes, lists, ranges;
} Flexible;

static void add_entry(Flexible *to, Part *part, const char *key, const Literal *value)
{
    const Literal *name = literal_string(to->arena, key);
    arena_push(to->arena, part->entry, part->entries, part->cap, name);
    arena_push(to->arena, part->entry, part->entries, part->cap, value);
}

static bool fits_int32(int64_t v)
{
    return v >= INT32_MIN && v <= INT32_MAX;
}

static bool all_fit(const int64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!fits_int32(v[i]))
            return false;
    return true;
}

static const Literal *range_literal(Arena *a, const Cm__ArrayFeatureType *t)
{
    const Literal **range = arena_many(a, t->n_shape, const Literal *);
    for (size_t i = 0; i < t->n_shape; i++) {
        const Cm__SizeRange *r = t->shaperange->sizeranges[i];
        int64_t ends[] = {(int64_t)r->lowerbound, r->upperbound};
        if (!all_fit(ends, 2))
            return NULL;
        range[i] = literal_ints(a, ends, 2);
    }
    return literal_tree(a, range, t->n_shape);
}

static bool listed(const Cm__ArrayFeatureType *t)
{
    const Cm__EnumeratedShapes *e = t->enumeratedshapes;
    for (size_t i = 0; e && i < e->n_shapes; i++)
        if (e->shapes[i]->n_shape != t->n_shape || !all_fit(e->shapes[i]->shape, t->n_shape))
            return false;
    return e && e->n_shapes > 0;
}

static void add_flexible(Flexible *to, const Cm__FeatureDescription *d)
{
    const Cm__ArrayFeatureType *t = array_of(d);
    if (!t || !t->n_shape || !all_fit(t->shape, t->n_shape))
        return;
    bool ranged = t->shaperange && t->shaperange->n_sizeranges == t->n_shape;
    const Literal *range = ranged ? range_literal(to->arena, t) : NULL;
    if (range)
        add_entry(to, &to->ranges, d->name, range);
    if (range || listed(t))
        add_entry(to, &to->shapes, d->name, literal_ints(to->arena, t->shape, t->n_shape));
}

/* The inputs' first shapes belong together, and their second ... Apple's compiler names each such set with
 * eight digits of a hash that is not known; here they come from the shapes. */
static void add_lists(Flexible *to, Cm__FeatureDescription *const *input, size_t inputs)
{
    for (size_t k = 0;; k++) {
        Part set = {0};
        Text key = {0};
        char hash[65];
        for (size_t i = 0; i < inputs; i++) {
            const Cm__ArrayFeatureType *t = array_of(input[i]);
            if (!t || !listed(t) || k >= t->enumeratedshapes->n_shapes)
                continue;
            const Cm__Shape *s = t->enumeratedshapes->shapes[k];
            text_printf(&key, "%s", input[i]->name);
            dims_print(&key, (int)s->n_shape, s->shape);
            add_entry(to, &set, input[i]->name, literal_ints(to->arena, s->shape, s->n_shape));
        }
        sha256_of(text_cstr(&key), key.size, hash);
        hash[8] = '\0';
        text_free(&key);
        if (!set.entries)
            return;
        add_entry(to, &to->lists, hash, literal_tree(to->arena, set.entry, (size_t)set.entries));
    }
}

/* Fills one more pair of the tuple. */
static void add_part(Flexible *all, const Part *part, const Type **type, const Literal **value, int *n)
{
    if (!part->entries)
        return;
    Arena *a = all->arena;
    const Literal *pair[] = {literal_string(a, part->name),
                             literal_tree(a, part->entry, (size_t)part->entries)};
    type[*n] = container(a, TY_TUPLE, all->text, container(a, TY_DICT, all->text, part->values));
    value[(*n)++] = literal_tree(a, pair, 2);
}

static void add_attr(Func *f, const char *key, const Type *type, const Literal *value)
{
    Attr *attr = arena_many(&f->module->arena, (size_t)f->attrs + 1, Attr);
    if (f->attrs)
        memcpy(attr, f->attr, (size_t)f->attrs * sizeof *attr);
    attr[f->attrs++] = (Attr){key, type, value};
    f->attr = attr;
}

static void set_flexible(Func *f, Cm__FeatureDescription *const *input, size_t inputs, bool bare)
{
    Arena *a = &f->module->arena;
    int64_t unknown = DIM_UNKNOWN, two = 2;
    Type text = type_scalar(DT_STRING), row = type_tensor(DT_INT32, 1, &unknown),
         pair = type_tensor(DT_INT32, 1, &two);
    text.bare = bare;
    Flexible all = {.arena = a, .text = type_copy(a, &text), .row = type_copy(a, &row)};
    all.shapes = (Part){.name = "DefaultShapes", .values = all.row};
    all.lists = (Part){.name = "EnumeratedShapes", .values = container(a, TY_DICT, all.text, all.row)};
    all.ranges = (Part){.name = "RangeDims", .values = container(a, TY_LIST, type_copy(a, &pair), NULL)};
    for (size_t i = 0; i < inputs; i++)
        add_flexible(&all, input[i]);
    add_lists(&all, input, inputs);
    const Type **type = arena_many(a, 3, const Type *);
    const Literal *value[3];
    int n = 0;
    add_part(&all, &all.shapes, type, value, &n);
    add_part(&all, &all.lists, type, value, &n);
    add_part(&all, &all.ranges, type, value, &n);
    if (!n)
        return;
    Type tuple = {.kind = TY_TUPLE, .elements = n, .element = type};
    add_attr(f, "FlexibleShapeInformation", type_copy(a, &tuple), literal_tree(a, value, (size_t)n));
}

static void take_ranges(Module *m, const Cm__ModelDescription *d)
{
    bool bare = strcmp(m->version, "1.0") != 0;
    if (d && m->funcs == 1 && d->n_input)
        set_flexible(m->func[0], d->input, d->n_input, bare);
    for (size_t i = 0; d && i < d->n_functions; i++) {
        Func *f = module_find(m, d->functions[i]->name);
        if (f)
            set_flexible(f, d->functions[i]->input, d->functions[i]->n_input, bare);
    }
}

/* ---- the model ---- */

/* The spelling of the text that the program came from, where its writer noted it; else what Apple's compiler
 * prints for its opset. */
static const char *text_version(const Cm__Model *model)
{
    const Cm__Metadata *about = model->description ? model->description->metadata : NULL;
    for (size_t i = 0; about && i < about->n_userdefined; i++) {
        const Cm__TextEntry *e = about->userdefined[i];
        if (strcmp(e->key, "anec.mil_version") == 0)
            return strcmp(e->value, "1.0") == 0 ? "1.0" : "1.3";
    }
    return model->specificationversion >= 9 ? "1.3" : "1.0";
}

static bool check_kind(const Cm__Model *model, Error *err)
{
    const char *kind = wire_model_kind(model);
    if (!model->mlprogram)
        return error_set(
            err,
            "the model is %s%s, not an ML Program; convert it with a deployment target of iOS 15 "
            "or later",
            kind ? "a " : "of a kind that is not known", kind ? kind : "");
    if (model->specificationversion < 6 || model->specificationversion > 9)
        return error_set(err, "specification version %d cannot be read, only 6 to 9 (iOS 15 to iOS 18)",
                         (int)model->specificationversion);
    return true;
}

static void take_about(Module *m, const Cm__ModelDescription *d)
{
    const Cm__Metadata *about = d ? d->metadata : NULL;
    const struct {
        const char *key, *value;
    } fields[] = {{"description", about ? about->shortdescription : NULL},
                  {"author", about ? about->author : NULL},
                  {"license", about ? about->license : NULL},
                  {"version", about ? about->versionstring : NULL}};
    for (int i = 0; i < 4; i++)
        if (fields[i].value && *fields[i].value)
            module_set_about(m, fields[i].key, fields[i].value);
    for (size_t i = 0; about && i < about->n_userdefined; i++)
        if (strcmp(about->userdefined[i]->key, "anec.mil_version") != 0)
            module_set_about(m, about->userdefined[i]->key, about->userdefined[i]->value);
}

static Module *decode_model(const Cm__Model *model, Diags *diags, Error *err)
{
    if (!check_kind(model, err))
        return NULL;
    Module *m = module_new(text_version(model));
    if (!decode_program(m, model->mlprogram, diags, err)) {
        module_free(m);
        return NULL;
    }
    take_ranges(m, model->description);
    take_about(m, model->description);
    return m;
}

Module *mlmodel_read(const void *data, size_t size, const char *name, Diags *diags)
{
    Error err = {0};
    Cm__Model *model = NULL;
    if (wire_check(&cm__model__descriptor, data, size, &err)) {
        model = cm__model__unpack(NULL, size, data);
        if (!model)
            error_set(&err, "this is no Core ML model, or it is damaged");
    }
    Module *m = model ? decode_model(model, diags, &err) : NULL;
    if (model)
        cm__model__free_unpacked(model, NULL);
    if (!m)
        diag_error(diags, (Span){0}, "%s: %s", name, err.text);
    if (m && !module_verify(m, name, diags)) {
        module_free(m);
        m = NULL;
    }
    return m;
}

/* ---- the package ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    while (n && s[n - 1] == '/')
        n--;
    return n >= k && memcmp(s + n - k, end, k) == 0;
}

bool mlpackage_named(const char *path)
{
    return ends_with(path, ".mlpackage") || ends_with(path, ".mlmodel");
}

/* The model's path in Data/, as the manifest says. */
static char *model_path(const char *package, Error *err)
{
    char *manifest = path_join(package, "Manifest.json"), *text = NULL, *path = NULL;
    size_t size;
    json_error_t at;
    if (!file_read(manifest, MANIFEST_LIMIT, &text, &size, err)) {
        free(manifest);
        return NULL;
    }
    json_t *all = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    const char *root = json_string_value(json_object_get(all, "rootModelIdentifier"));
    const json_t *items = json_object_get(all, "itemInfoEntries");
    const char *inside =
        root ? json_string_value(json_object_get(json_object_get(items, root), "path")) : NULL;
    if (!all)
        error_set(err, "%s:%d: %s", manifest, at.line, at.text);
    else if (!inside)
        error_set(err, "%s: it does not say where the model is", manifest);
    else if (*inside == '/' || strstr(inside, ".."))
        error_set(err, "%s: the model is said to be outside the package", manifest);
    else {
        char *data = path_join(package, "Data");
        path = path_join(data, inside);
        free(data);
    }
    json_decref(all);
    free(text);
    free(manifest);
    return path;
}

static Module *read_model(const char *path, Diags *diags)
{
    Error err;
    char *data;
    size_t size;
    if (!file_read(path, MODEL_LIMIT, &data, &size, &err)) {
        diag_error(diags, (Span){0}, "%s", err.text);
        return NULL;
    }
    Module *m = mlmodel_read(data, size, path, diags);
    free(data);
    return m;
}

Module *mlpackage_read(const char *path, char **folder, Diags *diags)
{
    Error err;
    char *model = file_is_dir(path) ? model_path(path, &err) : xstrdup(path);
    if (!model) {
        diag_error(diags, (Span){0}, "%s", err.text);
        return NULL;
    }
    Module *m = read_model(model, diags);
    if (folder)
        *folder = m ? path_dir(model) : NULL;
    free(model);
    return m;
}
