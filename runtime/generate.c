#include "runtime/generate.h"


#include "base/clock.h"
#include "runtime/tokenizer/stream.h"

typedef struct Output {
    const Tokenizer *tokenizer;
    const GenerateOptions *options;
    StopMatcher *stops;
    Utf8Stream characters;
    bool begun; /* text has come before: the prefix space of the next token counts */
    Text first, bytes, text;
} Output;

static bool emit(Output *o)
{
    bool ok = !o->text.size || o->options->emit(o->options->context, o->text.data, o->text.size);
    text_clear(&o->text);
    text_clear(&o->bytes);
    return ok;
}

/* The bytes that a token adds to the text. */
static const char *text_of(Output *o, int32_t id, size_t *size)
{
    *size = 0;
    if (tokenizer_is_special(o->tokenizer, id))
        return NULL;
    if (o->begun)
        return tokenizer_piece(o->tokenizer, id, size);
    o->begun = true;
    tokenizer_decode(o->tokenizer, &id, 1, &o->first);
    *size = o->first.size;
    return o->first.data;
}

/* Sends a token's text on its way; tells in `end` what ended the text, if anything did. */
static bool put_token(Output *o, int32_t id, GenerateEnd *end)
{
    size_t size;
    const char *piece = text_of(o, id, &size);
    bool stopped = stop_matcher_feed(o->stops, piece, size, &o->bytes);
    utf8_stream_feed(&o->characters, text_cstr(&o->bytes), o->bytes.size, &o->text);
    if (stopped)
        *end = END_STOP;
    bool more = emit(o);
    if (!more)
        *end = END_INTERRUPTED;
    return more && !stopped;
}

static void put_rest(Output *o)
{
    stop_matcher_flush(o->stops, &o->bytes);
    utf8_stream_feed(&o->characters, text_cstr(&o->bytes), o->bytes.size, &o->text);
    utf8_stream_flush(&o->characters, &o->text);
    (void)emit(o);
}

/* A model that was trained on texts one behind the other may begin the next one instead of ending this. */
static bool ends_text(const Session *s, const Output *o, int id)
{
    const GenerateOptions *options = o->options;
    for (int i = 0; !options->ignore_eos && i < options->stop_id_count; i++)
        if (options->stop_ids[i] == id)
            return true;
    return !options->ignore_eos && (id == session_eos(s) || id == tokenizer_begin(o->tokenizer));
}

static bool is_interrupted(const GenerateOptions *options)
{
    return options->interrupted && *options->interrupted;
}

/* Picks, puts and decodes until *end is set. */
static bool decode_loop(Session *s, Output *o, Sampler *sampler, const float *logits, GenerateStats *stats,
                        Error *err)
{
    const GenerateOptions *options = o->options;
    stats->end = END_TOKENS;
    while (stats->tokens < options->tokens) {
        int id = sampler_pick(sampler, logits, err);
        if (id < 0)
            return false;
        if (options->token)
            options->token(options->context, id);
        if (ends_text(s, o, id)) {
            stats->end = END_EOS;
            return true;
        }
        sampler_accept(sampler, id);
        stats->tokens++;
        if (!put_token(o, id, &stats->end))
            return true;
        if (is_interrupted(options)) {
            stats->end = END_INTERRUPTED;
            return true;
        }
        if (stats->tokens == options->tokens)
            return true;
        if (session_length(s) == session_context(s)) {
            stats->end = END_CONTEXT;
            return true;
        }
        logits = session_decode(s, id, err);
        if (!logits)
            return false;
    }
    return true;
}

/* Gives the logits after the prompt, or after what was read of it when somebody interrupted. */
static const float *read_prompt(Session *s, const int32_t *ids, int count, const GenerateOptions *options,
                                Error *err)
{
    int most = session_longest_prompt(s);
    const float *logits = NULL;
    if (session_length(s) == 0) {
        int first = count <= session_context(s) && count > most ? most : count;
        logits = session_prefill(s, ids, first, err) ? session_prefill_logits(s, first - 1, err) : NULL;
        if (!logits)
            return NULL;
    }
    while (session_length(s) < count) {
        logits = session_decode(s, ids[session_length(s)], err);
        if (!logits || is_interrupted(options))
            break;
    }
    return logits;
}

bool generate(Session *s, const Tokenizer *t, Sampler *sampler, const int32_t *ids, int count,
              const GenerateOptions *options, GenerateStats *stats, Error *err)
{
    *stats = (GenerateStats){.prompt_tokens = count};
    double start = clock_seconds();
    for (int i = 0; i < count; i++)
        sampler_accept(sampler, ids[i]);
    session_rewind(s, count - 1);
    stats->read_tokens = count - session_length(s);
    const float *logits = read_prompt(s, ids, count, options, err);
    if (!logits)
        return false;
    double prefilled = clock_seconds();
    stats->bucket = session_bucket(s);
    stats->prefill_ms = (prefilled - start) * 1e3;
    if (session_length(s) < count) {
        stats->end = END_INTERRUPTED;
        return true;
    }
    Output o = {.tokenizer = t, .options = options};
    for (int i = 0; i < count && !options->new_text; i++)
        o.begun |= !tokenizer_is_special(t, ids[i]);
    o.stops = stop_matcher_new(options->stops, (size_t)options->stop_count);
    bool ok = decode_loop(s, &o, sampler, logits, stats, err);
    put_rest(&o);
    stats->decode_ms = (clock_seconds() - prefilled) * 1e3;
    stop_matcher_free(o.stops);
    text_free(&o.first);
    text_free(&o.bytes);
    text_free(&o.text);
    return ok;
}
