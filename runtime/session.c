#include "runtime/session.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/stage.h"

struct Session {
    Package *package;
    Device *device, *ane;           /* ane NULL: none */
    void (*told)(const Error *why); /* NULL: what fails on ane is an error */
    const Plan *plan;
    const Trace *trace;
    void **state;           /* one per plan state */
    Stage **stage;          /* one per entry; made when first needed */
    int length;             /* tokens held */
    const Entry *prefilled; /* entry of the last prefill */
};

Session *session_new(Package *package, Device *device, Error *err)
{
    Session *s = xcalloc(1, sizeof *s);
    s->package = package;
    s->device = device;
    s->plan = &package_manifest(package)->plan;
    s->stage = xcalloc((size_t)s->plan->entries, sizeof *s->stage);
    s->state = xcalloc((size_t)s->plan->states, sizeof *s->state);
    for (int i = 0; i < s->plan->states; i++) {
        s->state[i] = calloc(1, (size_t)type_bytes(s->plan->state[i].type));
        if (!s->state[i]) {
            error_set(err, "not enough memory for the KV cache of %lld positions",
                      (long long)s->plan->model.context);
            session_free(s);
            return NULL;
        }
    }
    return s;
}

void session_free(Session *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->plan->entries; i++)
        stage_free(s->stage[i]);
    for (int i = 0; i < s->plan->states; i++)
        free(s->state[i]);
    free(s->stage);
    free(s->state);
    free(s);
}

void session_use_ane(Session *s, Device *ane)
{
    s->ane = ane;
    s->told = NULL;
}

void session_try_ane(Session *s, Device *ane, void (*told)(const Error *why))
{
    s->ane = ane;
    s->told = told;
}

bool session_uses_ane(const Session *s)
{
    return s->ane != NULL;
}

void session_trace(Session *s, const Trace *trace)
{
    s->trace = trace;
}

int session_length(const Session *s)
{
    return s->length;
}

int session_context(const Session *s)
{
    return (int)s->plan->model.context;
}

int session_vocab(const Session *s)
{
    return (int)s->plan->model.vocab;
}

int session_eos(const Session *s)
{
    return (int)s->plan->model.eos;
}

int session_bucket(const Session *s)
{
    return s->prefilled ? (int)s->prefilled->bucket : 0;
}

int session_longest_prompt(const Session *s)
{
    int64_t longest = 0;
    for (int i = 0; i < s->plan->entries; i++)
        if (s->plan->entry[i].kind == ENTRY_PREFILL && s->plan->entry[i].bucket > longest)
            longest = s->plan->entry[i].bucket;
    return (int)(longest < s->plan->model.context ? longest : s->plan->model.context);
}

static Stage *get_stage(Session *s, const Entry *e, Error *err)
{
    Stage **slot = &s->stage[e - s->plan->entry];
    if (!*slot)
        *slot = stage_new(s->package, s->device, s->ane, e, s->state, err);
    if (!*slot && s->ane && s->told) {
        s->told(err);
        s->ane = NULL;
        *slot = stage_new(s->package, s->device, NULL, e, s->state, err);
    }
    return *slot;
}

static const Entry *entry_of(const Session *s, EntryKind kind)
{
    const Entry *e = s->plan->entry;
    while (e->kind != kind)
        e++; /* manifest_parse has seen one of each */
    return e;
}

static const Entry *smallest_bucket(const Session *s, int count)
{
    const Entry *best = NULL;
    for (int i = 0; i < s->plan->entries; i++) {
        const Entry *e = &s->plan->entry[i];
        if (e->kind == ENTRY_PREFILL && e->bucket >= count && (!best || e->bucket < best->bucket))
            best = e;
    }
    return best;
}

static bool check_ids(const Session *s, const int32_t *ids, int count, Error *err)
{
    for (int i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] >= s->plan->model.vocab)
            return error_set(err, "token %d is not in the vocabulary of %lld", (int)ids[i],
                             (long long)s->plan->model.vocab);
    return true;
}

/* The prompt, then padding that nothing before it can see. */
static void fill_prompt(const Session *s, Stage *stage, int64_t bucket, const int32_t *ids, int count)
{
    int32_t *token = stage_buffer(stage, "token"), *position = stage_buffer(stage, "position");
    for (int i = 0; i < bucket; i++) {
        token[i] = i < count ? ids[i] : 0;
        position[i] = i < s->plan->model.context ? i : (int32_t)s->plan->model.context - 1;
    }
}

void session_prepare(Session *s, int count)
{
    Error later;
    const Entry *e = smallest_bucket(s, count);
    if (e && !s->ane && get_stage(s, e, &later))
        (void)get_stage(s, entry_of(s, ENTRY_HEAD), &later);
}

bool session_prefill(Session *s, const int32_t *ids, int count, Error *err)
{
    if (s->length)
        return error_set(err, "a prompt can only begin a text");
    if (count < 1)
        return error_set(err, "the prompt is empty");
    const Entry *e = smallest_bucket(s, count);
    if (!e || count > s->plan->model.context)
        return error_set(
            err, "the prompt has %d tokens; this package takes at most %d (its %s); shorten the prompt",
            count, session_longest_prompt(s), e ? "context" : "largest bucket");
    if (!check_ids(s, ids, count, err))
        return false;
    Stage *stage = get_stage(s, e, err);
    if (!stage)
        return false;
    fill_prompt(s, stage, e->bucket, ids, count);
    if (!stage_run(stage, count, s->trace, err))
        return false;
    s->prefilled = e;
    s->length = count;
    return true;
}

/* The rows of the cache behind `length` stay: nothing looks at them before they are written again. */
void session_rewind(Session *s, int length)
{
    if (length >= 0 && length < s->length)
        s->length = length;
}

const float *session_prefill_logits(Session *s, int column, Error *err)
{
    if (!s->prefilled || column < 0 || column >= s->prefilled->bucket) {
        error_set(err, "there is no prompt token %d", column);
        return NULL;
    }
    Stage *from = get_stage(s, s->prefilled, err), *head = get_stage(s, entry_of(s, ENTRY_HEAD), err);
    if (!from || !head)
        return NULL;
    const Type *wide = stage_type(from, "hidden"), *one = stage_type(head, "hidden");
    if (wide->dim[1] != one->dim[1]) {
        error_set(err, "the head does not fit the prefill's output");
        return NULL;
    }
    const float *hidden = stage_buffer(from, "hidden");
    float *input = stage_buffer(head, "hidden");
    for (int64_t c = 0; c < one->dim[1]; c++)
        input[c] = hidden[c * s->prefilled->bucket + column];
    return stage_run(head, 0, s->trace, err) ? stage_buffer(head, "logits") : NULL;
}

const float *session_decode(Session *s, int32_t id, Error *err)
{
    if (s->length >= s->plan->model.context) {
        error_set(err, "the text has reached the model's context of %lld tokens",
                  (long long)s->plan->model.context);
        return NULL;
    }
    if (!check_ids(s, &id, 1, err))
        return NULL;
    Stage *stage = get_stage(s, entry_of(s, ENTRY_DECODE), err);
    if (!stage)
        return NULL;
    *(int32_t *)stage_buffer(stage, "token") = id;
    *(int32_t *)stage_buffer(stage, "position") = s->length;
    if (!stage_run(stage, 0, s->trace, err))
        return NULL;
    s->length++;
    return stage_buffer(stage, "logits");
}
