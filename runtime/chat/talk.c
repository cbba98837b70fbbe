#include "runtime/chat/talk.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/tokenizer/stream.h"

struct Talk {
    Session *session;
    const Tokenizer *tokenizer;
    Sampler *sampler;
    ChatTemplate *template;
    ChatSettings settings;
    json_t *messages;
    size_t skipped; /* messages, behind the system's, that no longer fit into the context */
    int32_t *held;  /* the ids that the session has read, and perhaps one more */
    size_t held_count, held_cap;
};

/* ---- opening ---- */

/* Marks that end a turn in one family or another: where the vocabulary has them as special tokens, no reply
 * goes on behind them. */
static const char *const turn_ends[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>"};

static void add_known_stops(Talk *t)
{
    for (size_t i = 0; i < sizeof turn_ends / sizeof *turn_ends; i++) {
        int32_t id = tokenizer_find(t->tokenizer, turn_ends[i]);
        if (tokenizer_is_special(t->tokenizer, id))
            chat_settings_add_stop(&t->settings, id);
    }
    if (t->settings.eos)
        chat_settings_add_stop(&t->settings, tokenizer_find(t->tokenizer, t->settings.eos));
}

/* The text of a token, where it is one that a template can write. */
static char *token_text(const Tokenizer *t, int64_t id)
{
    size_t size;
    const char *piece = id >= 0 ? tokenizer_piece(t, (int32_t)id, &size) : NULL;
    if (!piece || !tokenizer_is_special(t, (int32_t)id) || memchr(piece, 0, size))
        return NULL;
    char *text = xcalloc(size + 1, 1);
    memcpy(text, piece, size);
    return text;
}

/* chat.json, or what the model and the tokenizer say of themselves. */
static bool load_settings(Talk *t, Package *package, Error *err)
{
    const char *text;
    size_t size;
    const ModelInfo *model = &package_manifest(package)->plan.model;
    if (!package_extra(package, "chat.json", &text, &size, err))
        return false;
    if (text && !chat_settings_parse(&t->settings, text, size, err))
        return false;
    if (!t->settings.known) {
        int32_t begin = tokenizer_begin(t->tokenizer);
        t->settings.bos = token_text(t->tokenizer, begin >= 0 ? begin : model->bos);
        t->settings.eos = token_text(t->tokenizer, model->eos);
    }
    add_known_stops(t);
    return true;
}

static bool load_template(Talk *t, Package *package, const char *name, Error *err)
{
    const char *known, *text = name ? chat_builtin(name, &known) : NULL;
    size_t size = text ? strlen(text) : 0;
    if (name && !text)
        return error_set(err, "there is no template \"%s\"; there are %s", name, known);
    if (!name && !package_extra(package, "chat_template.jinja", &text, &size, err))
        return false;
    if (!text) {
        (void)chat_builtin("", &known);
        return error_set(err, "the package has no chat template; choose one with --template: %s", known);
    }
    t->template = chat_template_parse(text, size, err);
    return t->template || error_prefix(err, "chat template");
}

Talk *talk_new(Package *package, Session *session, const Tokenizer *tokenizer, Sampler *sampler,
               const char *name, Error *err)
{
    Talk *t = xcalloc(1, sizeof *t);
    t->session = session;
    t->tokenizer = tokenizer;
    t->sampler = sampler;
    t->messages = json_array();
    if (load_settings(t, package, err) && load_template(t, package, name, err))
        return t;
    talk_free(t);
    return NULL;
}

void talk_free(Talk *t)
{
    if (!t)
        return;
    chat_template_free(t->template);
    chat_settings_free(&t->settings);
    json_decref(t->messages);
    free(t->held);
    free(t);
}

/* ---- messages ---- */

const json_t *talk_messages(const Talk *t)
{
    return t->messages;
}

static bool role_is(const json_t *messages, size_t i, const char *role)
{
    const char *s = json_string_value(json_object_get(json_array_get(messages, i), "role"));
    return s && strcmp(s, role) == 0;
}

static bool has_system(const Talk *t)
{
    return role_is(t->messages, 0, "system");
}

bool talk_set_messages(Talk *t, const json_t *messages, Error *err)
{
    size_t i;
    const json_t *m;
    if (!json_is_array(messages))
        return error_set(err, "a conversation is a list of messages");
    json_array_foreach(
        messages, i,
        m) if (!json_is_string(json_object_get(m, "role")) ||
               !json_object_get(
                   m, "content")) return error_set(err, "message %zu has no \"role\" or no \"content\"",
                                                   i + 1);
    json_decref(t->messages);
    t->messages = json_deep_copy(messages);
    t->skipped = 0;
    return true;
}

static json_t *message(const char *role, const char *text, size_t size)
{
    Text clean = {0};
    Utf8Stream characters = {.count = 0};
    utf8_stream_feed(&characters, text, size, &clean);
    utf8_stream_flush(&characters, &clean);
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string(role));
    json_object_set_new(m, "content", json_stringn(text_cstr(&clean), clean.size));
    text_free(&clean);
    return m;
}

void talk_system(Talk *t, const char *text, size_t size)
{
    if (has_system(t))
        json_array_remove(t->messages, 0);
    if (size)
        json_array_insert_new(t->messages, 0, message("system", text, size));
}

void talk_add(Talk *t, const char *role, const char *text, size_t size)
{
    json_array_append_new(t->messages, message(role, text, size));
}

bool talk_back(Talk *t, bool question)
{
    size_t i = json_array_size(t->messages);
    while (i > 0 && !role_is(t->messages, i - 1, "user"))
        i--;
    if (i == 0)
        return false;
    i -= question;
    while (json_array_size(t->messages) > i)
        json_array_remove(t->messages, i);
    t->skipped = 0;
    return true;
}

void talk_reset(Talk *t)
{
    size_t kept = has_system(t);
    while (json_array_size(t->messages) > kept)
        json_array_remove(t->messages, kept);
    t->skipped = 0;
}

/* ---- what the model reads ---- */

/* The messages that are still told: a new list. */
static json_t *told(const Talk *t)
{
    size_t i, first = has_system(t);
    json_t *list = json_array(), *m;
    json_array_foreach(t->messages, i, m) if (i < first || i >= first + t->skipped)
        json_array_append(list, m);
    return list;
}

/* Leaves out one more exchange: what comes before the next message of the user. False: the last is needed. */
static bool leave_out(Talk *t)
{
    size_t count = json_array_size(t->messages), i = has_system(t) + t->skipped + 1;
    while (i < count && !role_is(t->messages, i, "user"))
        i++;
    if (i >= count)
        return false;
    t->skipped = i - has_system(t);
    return true;
}

bool talk_render(Talk *t, ChatText *out, Error *err)
{
    json_t *messages = told(t);
    ChatInput input = {.messages = messages,
                       .bos = t->settings.bos,
                       .eos = t->settings.eos,
                       .add_generation_prompt = true,
                       .now = time(NULL)};
    bool ok = chat_template_render(t->template, &input, out, err);
    json_decref(messages);
    return ok || error_prefix(err, "chat template");
}

bool talk_ids(Talk *t, int32_t **ids, size_t *count, Error *err)
{
    ChatText text = {{0}, {0}};
    *ids = NULL;
    *count = 0;
    bool ok = talk_render(t, &text, err) &&
              tokenizer_encode_marked(t->tokenizer, text_cstr(&text.text), text.marks.data, text.text.size,
                                      ids, count, err);
    if (ok && *count == 0)
        ok = error_set(err, "chat template: it writes nothing for this conversation");
    chat_text_free(&text);
    return ok;
}

/* The ids of what fits into the context with room for a reply of `room` tokens, or for any reply where
 * nothing is left to leave out. */
static bool fitting_ids(Talk *t, size_t room, int32_t **ids, size_t *count, int *left_out, Error *err)
{
    size_t context = (size_t)session_context(t->session), before = t->skipped;
    room = room < context / 4 ? room : context / 4;
    for (;;) {
        if (!talk_ids(t, ids, count, err))
            break;
        *left_out = (int)(t->skipped - before);
        if (*count + room <= context)
            return true;
        if (!leave_out(t)) {
            if (*count < context)
                return true;
            error_set(err, "the message has %zu tokens with what goes with it, the model's context %zu",
                      *count, context);
            break;
        }
        free(*ids);
    }
    free(*ids);
    *ids = NULL;
    t->skipped = before;
    return false;
}

/* ---- replies ---- */

typedef struct Reply {
    Talk *talk;
    const GenerateOptions *options;
    Text text;
} Reply;

static void hold(Talk *t, int32_t id)
{
    if (t->held_count == t->held_cap) {
        t->held_cap = t->held_cap ? 2 * t->held_cap : 256;
        t->held = xrealloc(t->held, t->held_cap * sizeof *t->held);
    }
    t->held[t->held_count++] = id;
}

static bool put_text(void *context, const char *text, size_t size)
{
    Reply *r = context;
    text_add(&r->text, text, size);
    return r->options->emit(r->options->context, text, size);
}

static void put_id(void *context, int32_t id)
{
    Reply *r = context;
    hold(r->talk, id);
}

/* The session goes back to where the ids part from those it has read. */
static void rewind_to_common(Talk *t, const int32_t *ids, size_t count)
{
    size_t read = (size_t)session_length(t->session), common = 0;
    read = read < t->held_count ? read : t->held_count;
    while (common < read && common < count && t->held[common] == ids[common])
        common++;
    session_rewind(t->session, (int)common);
    t->held_count = 0;
    for (size_t i = 0; i < count; i++)
        hold(t, ids[i]);
}

static bool add_reply(Talk *t, const int32_t *ids, size_t count, const GenerateOptions *options,
                      GenerateStats *stats, Error *err)
{
    Reply reply = {.talk = t, .options = options};
    GenerateOptions o = *options;
    o.stop_ids = t->settings.stop;
    o.stop_id_count = t->settings.stops;
    o.new_text = true;
    o.emit = put_text;
    o.token = put_id;
    o.context = &reply;
    rewind_to_common(t, ids, count);
    bool ok = generate(t->session, t->tokenizer, t->sampler, ids, (int)count, &o, stats, err);
    if (ok)
        talk_add(t, "assistant", text_cstr(&reply.text), reply.text.size);
    text_free(&reply.text);
    return ok;
}

bool talk_reply(Talk *t, const GenerateOptions *options, GenerateStats *stats, int *left_out, Error *err)
{
    int32_t *ids = NULL;
    size_t count = 0;
    bool ok = fitting_ids(t, (size_t)options->tokens, &ids, &count, left_out, err) &&
              add_reply(t, ids, count, options, stats, err);
    free(ids);
    return ok;
}
