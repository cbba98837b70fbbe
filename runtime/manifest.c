#include "runtime/manifest.h"

#include <string.h>

#include "base/json_tree.h"

enum { MAX_NAME = 200, MAX_LIST = 1 << 16, MAX_DIM = 1 << 30 };

/* A reader walks the JSON with the first error kept; after it every getter answers with something harmless.
 */
typedef struct Reader {
    Manifest *m;
    Arena *arena;
    Error *err;
    bool failed;
} Reader;

static void fail(Reader *r, const char *where, const char *what)
{
    if (!r->failed)
        error_set(r->err, "manifest.json: %s: %s", where, what);
    r->failed = true;
}

static const char *get_text(Reader *r, const JsonNode *object, const char *key)
{
    const JsonNode *v = json_node_get(object, key);
    const char *s = json_node_text(v);
    if (!s || !*s || v->size > MAX_NAME) {
        fail(r, key, "a text of 1 to 200 characters is expected");
        return "";
    }
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            fail(r, key, "control characters are not allowed");
    return arena_str(r->arena, s, v->size);
}

static int64_t get_int(Reader *r, const JsonNode *object, const char *key, int64_t least, int64_t most)
{
    const JsonNode *v = json_node_get(object, key);
    if (!json_node_is(v, JSON_NODE_INTEGER) || v->integer < least || v->integer > most) {
        fail(r, key, "a whole number in its range is expected");
        return least;
    }
    return v->integer;
}

/* A list of at most MAX_LIST objects (or NULL, counting as empty, after an error). */
static const JsonNode *get_list(Reader *r, const JsonNode *object, const char *key, int *count)
{
    const JsonNode *v = json_node_get(object, key);
    *count = 0;
    if (!json_node_is(v, JSON_NODE_LIST) || v->size > MAX_LIST) {
        fail(r, key, "a list is expected");
        return NULL;
    }
    JSON_NODE_EACH(item, v) {
        if (item->kind != JSON_NODE_OBJECT) {
            fail(r, key, "a list of objects is expected");
            return NULL;
        }
    }
    *count = (int)v->size;
    return v;
}

static const Type *get_type(Reader *r, const JsonNode *object)
{
    const char *name = get_text(r, object, "type");
    const JsonNode *shape = json_node_get(object, "shape");
    Type t = {.kind = TY_TENSOR, .dtype = dtype_from_name(name, strlen(name))};
    if (t.dtype != DT_FP16 && t.dtype != DT_FP32 && t.dtype != DT_INT32)
        fail(r, "type", "fp16, fp32 or int32 is expected");
    if (!json_node_is(shape, JSON_NODE_LIST) || shape->size > IR_MAX_RANK)
        fail(r, "shape", "a list of at most 8 lengths is expected");
    JSON_NODE_EACH(d, r->failed ? NULL : shape) {
        if (d->kind != JSON_NODE_INTEGER || d->integer < 1 || d->integer > MAX_DIM)
            fail(r, "shape", "a length from 1 to 2^30 is expected");
        t.dim[t.rank++] = r->failed ? 1 : d->integer;
    }
    int64_t bytes = type_bytes(&t);
    if (!r->failed && (bytes < 0 || bytes > (int64_t)1 << 40))
        fail(r, "shape", "the tensor is too large");
    return type_copy(r->arena, &t);
}

static void read_model(Reader *r, const JsonNode *root)
{
    const JsonNode *j = json_node_get(root, "model");
    if (!json_node_is(j, JSON_NODE_OBJECT)) {
        fail(r, "model", "an object is expected");
        return;
    }
    ModelInfo *info = &r->m->plan.model;
    info->name = get_text(r, j, "name");
    info->context = get_int(r, j, "context", 1, 1 << 24);
    info->vocab = get_int(r, j, "vocab", 1, 1 << 24);
    info->bos =
        json_node_is(json_node_get(j, "bos"), JSON_NODE_NULL) ? -1 : get_int(r, j, "bos", 0, info->vocab - 1);
    info->eos =
        json_node_is(json_node_get(j, "eos"), JSON_NODE_NULL) ? -1 : get_int(r, j, "eos", 0, info->vocab - 1);
}

static void read_states(Reader *r, const JsonNode *root)
{
    Plan *plan = &r->m->plan;
    const JsonNode *list = get_list(r, root, "states", &plan->states);
    plan->state = arena_many(r->arena, (size_t)plan->states, State);
    const JsonNode *j = json_node_first(list);
    for (int i = 0; i < plan->states && !r->failed; i++, j = json_node_next(j)) {
        State *s = &plan->state[i];
        s->name = get_text(r, j, "name");
        s->type = get_type(r, j);
        s->axis = (int)get_int(r, j, "axis", 0, s->type->rank - 1);
        if (!r->failed && (s->type->dtype != DT_FP16 || s->type->dim[s->axis] != plan->model.context))
            fail(r, s->name, "a state is fp16 and its axis is as long as the context");
        for (int k = 0; k < i; k++)
            if (strcmp(plan->state[k].name, s->name) == 0)
                fail(r, s->name, "two states have this name");
    }
}

static const Program *find_program(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->programs; i++)
        if (strcmp(plan->program[i]->name, name) == 0)
            return plan->program[i];
    return NULL;
}

static void read_programs(Reader *r, const JsonNode *root)
{
    Plan *plan = &r->m->plan;
    int count;
    const JsonNode *list = get_list(r, root, "programs", &count);
    const JsonNode *j = json_node_first(list);
    for (int i = 0; i < count && !r->failed; i++, j = json_node_next(j)) {
        Program *p = arena_new(r->arena, Program);
        p->name = get_text(r, j, "name");
        p->kind = get_text(r, j, "kind");
        const char *file = get_text(r, j, "file"), *place = get_text(r, j, "place");
        p->place = strcmp(place, "ane") == 0 ? PLACE_ANE : PLACE_CPU;
        if (p->place == PLACE_CPU && strcmp(place, "cpu") != 0)
            fail(r, p->name, "place is \"ane\" or \"cpu\"");
        if (strcmp(file, manifest_program_path(r->m, p)) != 0 || !manifest_find(r->m, file))
            fail(r, p->name, "its file is mil/NAME.mil and must be among the files");
        arena_push(r->arena, plan->program, plan->programs, plan->programs_cap, p);
    }
}

static const Buffer *find_buffer(const Entry *e, const char *name)
{
    for (int i = 0; i < e->buffers; i++)
        if (strcmp(e->buffer[i].name, name) == 0)
            return &e->buffer[i];
    return NULL;
}

static bool is_state(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->states; i++)
        if (strcmp(plan->state[i].name, name) == 0)
            return true;
    return false;
}

static Binding *read_bindings(Reader *r, const Entry *e, const JsonNode *object, const char *key, int *count)
{
    const JsonNode *j = json_node_get(object, key);
    *count = 0;
    if (!json_node_is(j, JSON_NODE_OBJECT) || j->size > MAX_LIST) {
        fail(r, key, "an object is expected");
        return NULL;
    }
    Binding *b = arena_many(r->arena, j->size, Binding);
    JSON_NODE_MEMBERS(port, j) {
        const char *buffer = json_node_text(port + 1);
        bool known =
            buffer && (find_buffer(e, buffer) || (e->kind == ENTRY_DECODE && is_state(&r->m->plan, buffer)));
        if (!known || port->size > MAX_NAME) {
            fail(r, key, "a buffer that is not declared");
            return NULL;
        }
        b[(*count)++] =
            (Binding){arena_str(r->arena, port->text, port->size), arena_str(r->arena, buffer, port[1].size)};
    }
    return b;
}

static int64_t product(const Type *t, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        n *= t->dim[i];
    return n;
}

static const State *find_state(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->states; i++)
        if (strcmp(plan->state[i].name, name) == 0)
            return &plan->state[i];
    return NULL;
}

/* The store's channels lie in the buffer and are as many as the state has per position. */
static void check_store(Reader *r, const Entry *e, const CacheStore *s)
{
    const Buffer *b = find_buffer(e, s->buffer);
    const State *state = find_state(&r->m->plan, s->state);
    if (!b || !state) {
        fail(r, "store", "a buffer or state that is not declared");
        return;
    }
    const Type *t = b->type;
    if (t->dtype != DT_FP16 || t->rank != 4 || t->dim[0] != 1 || t->dim[2] != 1 || t->dim[3] != e->bucket)
        fail(r, s->buffer, "a stored buffer is fp16 [1, C, 1, S]");
    else if (s->first + s->count > t->dim[1])
        fail(r, s->buffer, "the stored channels are outside the buffer");
    else if (s->count !=
             product(state->type, 0, state->axis) * product(state->type, state->axis + 1, state->type->rank))
        fail(r, s->state, "the stored channels do not fill a row of the state");
}

static void read_stores(Reader *r, const Entry *e, Step *step, const JsonNode *j)
{
    if (!json_node_get(j, "store"))
        return;
    const JsonNode *list = get_list(r, j, "store", &step->stores);
    step->store = arena_many(r->arena, (size_t)step->stores, CacheStore);
    const JsonNode *s = json_node_first(list);
    for (int i = 0; i < step->stores && !r->failed; i++, s = json_node_next(s)) {
        step->store[i] = (CacheStore){get_text(r, s, "buffer"), get_int(r, s, "first", 0, MAX_DIM),
                                      get_int(r, s, "count", 1, MAX_DIM), get_text(r, s, "state")};
        check_store(r, e, &step->store[i]);
    }
}

static void read_step(Reader *r, const Entry *e, Step *step, const JsonNode *j)
{
    const char *name = get_text(r, j, "program");
    step->program = find_program(&r->m->plan, name);
    step->function = get_text(r, j, "function");
    if (!step->program)
        fail(r, name, "a program that is not declared");
    step->input = read_bindings(r, e, j, "in", &step->inputs);
    step->output = read_bindings(r, e, j, "out", &step->outputs);
    read_stores(r, e, step, j);
}

/* The entry has the buffer, of this type. */
static void expect(Reader *r, const Entry *e, const char *name, DType dtype, int rank, const int64_t *dims)
{
    const Buffer *b = find_buffer(e, name);
    if (!b || b->type->dtype != dtype || b->type->rank != rank)
        goto bad;
    for (int i = 0; i < rank; i++)
        if (dims[i] != DIM_UNKNOWN && dims[i] != b->type->dim[i])
            goto bad;
    return;
bad:
    fail(r, name, "an entry's input or output is missing or has another type");
}

static void check_ports(Reader *r, const Entry *e)
{
    int64_t s = e->bucket, logits[2] = {1, r->m->plan.model.vocab}, hidden[4] = {1, DIM_UNKNOWN, 1, s};
    if (e->kind != ENTRY_HEAD) {
        expect(r, e, "token", DT_INT32, 1, &s);
        expect(r, e, "position", DT_INT32, 1, &s);
    }
    if (e->kind != ENTRY_DECODE)
        expect(r, e, "hidden", DT_FP32, 4, hidden);
    if (e->kind != ENTRY_PREFILL)
        expect(r, e, "logits", DT_FP32, 2, logits);
}

static EntryKind read_kind(Reader *r, const JsonNode *j)
{
    static const char *const kinds[] = {"prefill", "head", "decode"};
    const char *kind = get_text(r, j, "kind");
    for (int i = 0; i < 3; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return (EntryKind)i;
    fail(r, "kind", "\"prefill\", \"head\" or \"decode\" is expected");
    return ENTRY_PREFILL;
}

static void read_buffers(Reader *r, Entry *e, const JsonNode *j)
{
    const JsonNode *list = get_list(r, j, "buffers", &e->buffers);
    e->buffer = arena_many(r->arena, (size_t)e->buffers, Buffer);
    int count = e->buffers;
    e->buffers = 0;
    const JsonNode *b = json_node_first(list);
    for (int i = 0; i < count && !r->failed; i++, b = json_node_next(b)) {
        Buffer buffer = {get_text(r, b, "name"), get_type(r, b)};
        if (find_buffer(e, buffer.name))
            fail(r, buffer.name, "two buffers have this name");
        e->buffer[e->buffers++] = buffer;
    }
}

static void read_entry(Reader *r, Entry *e, const JsonNode *j)
{
    e->kind = read_kind(r, j);
    e->bucket = get_int(r, j, "bucket", 1, 1 << 20);
    read_buffers(r, e, j);
    const JsonNode *list = get_list(r, j, "steps", &e->steps);
    e->step = arena_many(r->arena, (size_t)e->steps, Step);
    const JsonNode *step = json_node_first(list);
    for (int i = 0; i < e->steps && !r->failed; i++, step = json_node_next(step))
        read_step(r, e, &e->step[i], step);
    if (!r->failed)
        check_ports(r, e);
}

static void read_entries(Reader *r, const JsonNode *root)
{
    Plan *plan = &r->m->plan;
    int heads = 0, decodes = 0, prefills = 0;
    const JsonNode *list = get_list(r, root, "entries", &plan->entries);
    plan->entry = arena_many(r->arena, (size_t)plan->entries, Entry);
    const JsonNode *entry = json_node_first(list);
    for (int i = 0; i < plan->entries && !r->failed; i++, entry = json_node_next(entry)) {
        read_entry(r, &plan->entry[i], entry);
        heads += plan->entry[i].kind == ENTRY_HEAD;
        decodes += plan->entry[i].kind == ENTRY_DECODE;
        prefills += plan->entry[i].kind == ENTRY_PREFILL;
    }
    if (heads != 1 || decodes != 1 || prefills < 1)
        fail(r, "entries", "one head, one decode and at least one prefill are expected");
}

static bool path_is_safe(const char *path)
{
    if (*path == '/' || strstr(path, "..") || strstr(path, "//") || strchr(path, '\\'))
        return false;
    return strcmp(path, "manifest.json") != 0 && strcmp(path, "manifest.sha256") != 0;
}

static void read_files(Reader *r, const JsonNode *root)
{
    Manifest *m = r->m;
    const JsonNode *list = get_list(r, root, "files", &m->files);
    int count = m->files;
    m->files = 0;
    m->file = arena_many(r->arena, (size_t)count, ListedFile);
    const JsonNode *j = json_node_first(list);
    for (int i = 0; i < count && !r->failed; i++, j = json_node_next(j)) {
        ListedFile f = {get_text(r, j, "path"), (uint64_t)get_int(r, j, "size", 0, INT64_MAX),
                        get_text(r, j, "sha256")};
        if (!path_is_safe(f.path) || strlen(f.sha256) != 64)
            fail(r, "files", "a path that leaves the package, or no SHA-256");
        m->file[m->files++] = f;
    }
}

static void read_root(Reader *r, const JsonNode *root)
{
    const char *format = get_text(r, root, "format");
    if (!r->failed && strcmp(format, "anec-package") != 0)
        fail(r, "format", "this is not a package of anec");
    const JsonNode *version = json_node_get(root, "version");
    if (!r->failed && !(json_node_is(version, JSON_NODE_INTEGER) && version->integer == 1))
        fail(r, "version", "this package is of a version that this anerun does not know; compile it again");
    if (r->failed)
        return;
    r->m->plan.profile = get_text(r, root, "profile");
    const JsonNode *limits = json_node_get(root, "limits"); /* older packages have none */
    if (limits) {
        r->m->plan.compiles = get_int(r, limits, "compiles", 0, INT64_MAX);
        r->m->plan.resident = get_int(r, limits, "resident", 0, INT64_MAX);
        r->m->plan.surface_bytes = get_int(r, limits, "surface_bytes", 0, INT64_MAX);
    }
    read_files(r, root);
    read_model(r, root);
    read_states(r, root);
    read_programs(r, root);
    read_entries(r, root);
    if (!r->failed && !json_node_is(json_node_get(root, "tokenizer"), JSON_NODE_NULL)) {
        r->m->tokenizer = get_text(r, root, "tokenizer");
        if (!manifest_find(r->m, r->m->tokenizer))
            fail(r, "tokenizer", "it is not among the files");
    }
}

bool manifest_parse(Manifest *m, const char *text, size_t size, Error *err)
{
    *m = (Manifest){0};
    JsonTree tree;
    if (!json_tree_read(&tree, text, size, err))
        return error_prefix(err, "manifest.json");
    Reader r = {.m = m, .arena = &m->plan.arena, .err = err};
    if (tree.nodes->kind == JSON_NODE_OBJECT)
        read_root(&r, tree.nodes);
    else
        fail(&r, "root", "an object is expected");
    json_tree_free(&tree);
    if (r.failed)
        manifest_free(m);
    return !r.failed;
}

void manifest_free(Manifest *m)
{
    for (int i = 0; i < m->plan.programs; i++)
        module_free(m->plan.program[i]->module);
    Arena a = m->plan.arena;
    *m = (Manifest){0};
    arena_free(&a);
}

const ListedFile *manifest_find(const Manifest *m, const char *path)
{
    for (int i = 0; i < m->files; i++)
        if (strcmp(m->file[i].path, path) == 0)
            return &m->file[i];
    return NULL;
}

const char *manifest_program_path(Manifest *m, const Program *p)
{
    return arena_printf(&m->plan.arena, "mil/%s.mil", p->name);
}
