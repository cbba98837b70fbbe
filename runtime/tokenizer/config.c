#include "runtime/tokenizer/config.h"

#include <string.h>

/* What the stages seen so far have settled. */
typedef struct Config {
    Tokenizer *t;
    bool byte_level; /* a ByteLevel pre-tokenizer */
    bool metaspace;  /* a Metaspace pre-tokenizer, or a normalizer that makes spaces U+2581 */
    Error *err;
} Config;

bool config_flag(const JsonNode *object, const char *name, bool fallback, bool *value, Error *err)
{
    const JsonNode *member = json_node_get(object, name);
    bool yes = json_node_is(member, JSON_NODE_TRUE), no = json_node_is(member, JSON_NODE_FALSE);
    *value = yes || (fallback && !no);
    if (member && member->kind != JSON_NODE_NULL && !yes && !no)
        return error_set(err, "\"%s\" is neither true nor false", name);
    return true;
}

static const char *string_of(const JsonNode *object, const char *name)
{
    const char *value = json_node_text(json_node_get(object, name));
    return value ? value : "";
}

static bool unsupported(Config *c, const char *what, const char *name)
{
    char shown[200];
    return error_set(c->err, "%s \"%s\" is not supported", what,
                     error_quote(shown, sizeof shown, name, (long)strlen(name)));
}

/* A stage is an object with a "type"; a Sequence has a list of them under `list`. One level: real files
 * have no Sequence in a Sequence. */
static bool each_stage(Config *c, const JsonNode *stage, const char *list,
                       bool (*read)(Config *, const JsonNode *, const char *))
{
    if (!stage || stage->kind == JSON_NODE_NULL)
        return true;
    const char *type = string_of(stage, "type");
    if (strcmp(type, "Sequence") != 0)
        return read(c, stage, type);
    const JsonNode *stages = json_node_get(stage, list);
    if (!json_node_is(stages, JSON_NODE_LIST))
        return error_set(c->err, "a Sequence has no \"%s\"", list);
    JSON_NODE_EACH(inner, stages) {
        if (!read(c, inner, string_of(inner, "type")))
            return false;
    }
    return true;
}

static bool is_metaspace(const char *text)
{
    return strcmp(text, METASPACE) == 0;
}

/* Prepend U+2581, then Replace " " by U+2581: how Llama 2's files say it. NFC changes neither, and is not
 * changed by them: its place does not matter. */
static bool read_normalizer(Config *c, const JsonNode *stage, const char *type)
{
    if (strcmp(type, "NFC") == 0) {
        c->t->nfc = true;
        return true;
    }
    if (strcmp(type, "Prepend") == 0 && is_metaspace(string_of(stage, "prepend")) && !c->metaspace) {
        c->t->prefix = PREFIX_ALWAYS;
        return true;
    }
    if (strcmp(type, "Replace") == 0 && is_metaspace(string_of(stage, "content")) &&
        strcmp(string_of(json_node_get(stage, "pattern"), "String"), " ") == 0) {
        c->metaspace = true;
        return true;
    }
    return unsupported(c, "the normalizer", type);
}

static bool read_byte_level(Config *c, const JsonNode *stage)
{
    bool prefix, regex;
    if (!config_flag(stage, "add_prefix_space", true, &prefix, c->err) ||
        !config_flag(stage, "use_regex", true, &regex, c->err))
        return false;
    if (regex && c->t->pattern)
        return error_set(c->err, "a Split before a ByteLevel pre-tokenizer that splits too is not supported");
    if (prefix && (c->t->pattern || c->t->digits != DIGITS_STAY))
        return error_set(c->err, "\"add_prefix_space\" after another pre-tokenizer is not supported");
    if (regex)
        c->t->pattern = split_gpt2;
    if (prefix)
        c->t->prefix = PREFIX_UNLESS_THERE;
    c->byte_level = true;
    return true;
}

/* The known patterns match every character, so that keeping the matches and dropping what lies between
 * ("Removed", inverted) is the same as cutting around them ("Isolated"). */
static bool read_split(Config *c, const JsonNode *stage)
{
    const char *regex = string_of(json_node_get(stage, "pattern"), "Regex");
    const char *behavior = string_of(stage, "behavior");
    bool invert;
    if (!config_flag(stage, "invert", false, &invert, c->err))
        return false;
    if (strcmp(behavior, invert ? "Removed" : "Isolated") != 0)
        return unsupported(c, "the Split behavior", behavior);
    if (c->t->pattern)
        return error_set(c->err, "a second Split pre-tokenizer is not supported");
    c->t->pattern = split_pattern_find(regex);
    return c->t->pattern || unsupported(c, "the split pattern", regex);
}

static bool read_digits(Config *c, const JsonNode *stage)
{
    bool single;
    if (!config_flag(stage, "individual_digits", false, &single, c->err))
        return false;
    if (c->t->pattern || c->t->digits != DIGITS_STAY)
        return error_set(c->err, "a Digits pre-tokenizer after another one is not supported");
    c->t->digits = single ? DIGITS_SINGLE : DIGITS_RUNS;
    return true;
}

static bool read_metaspace(Config *c, const JsonNode *stage)
{
    const char *scheme = string_of(stage, "prepend_scheme");
    bool prefix;
    if (!config_flag(stage, "add_prefix_space", true, &prefix, c->err) ||
        !config_flag(stage, "split", true, &c->t->split_spaces, c->err))
        return false;
    if (!is_metaspace(string_of(stage, "replacement")))
        return unsupported(c, "the Metaspace replacement", string_of(stage, "replacement"));
    if (c->metaspace || c->t->prefix != PREFIX_NEVER)
        return error_set(c->err, "a Metaspace pre-tokenizer after a normalizer for spaces is not supported");
    if (!*scheme) /* files from before there were schemes */
        scheme = prefix ? "always" : "never";
    if (strcmp(scheme, "always") == 0)
        c->t->prefix = PREFIX_UNLESS_THERE;
    else if (strcmp(scheme, "first") == 0)
        c->t->prefix = PREFIX_FIRST;
    else if (strcmp(scheme, "never") != 0)
        return unsupported(c, "the Metaspace scheme", scheme);
    c->metaspace = true;
    return true;
}

static bool read_pre_tokenizer(Config *c, const JsonNode *stage, const char *type)
{
    if (c->byte_level || (c->metaspace && c->t->split_spaces))
        return error_set(c->err, "a pre-tokenizer \"%.40s\" after the last one is not supported", type);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(c, stage);
    if (strcmp(type, "Split") == 0)
        return read_split(c, stage);
    if (strcmp(type, "Digits") == 0)
        return read_digits(c, stage);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(c, stage);
    return unsupported(c, "the pre-tokenizer", type);
}

static const JsonNode *template_of(const JsonNode *processor)
{
    const char *type = string_of(processor, "type");
    if (strcmp(type, "TemplateProcessing") == 0)
        return processor;
    const JsonNode *list = strcmp(type, "Sequence") == 0 ? json_node_get(processor, "processors") : NULL;
    JSON_NODE_EACH(inner, list) {
        if (strcmp(string_of(inner, "type"), "TemplateProcessing") == 0)
            return inner;
    }
    return NULL;
}

int32_t config_begin(const JsonNode *root)
{
    const JsonNode *template = template_of(json_node_get(root, "post_processor"));
    const JsonNode *first = json_node_first(json_node_get(template, "single"));
    const char *name = string_of(json_node_get(first, "SpecialToken"), "id");
    const JsonNode *token = json_node_get(json_node_get(template, "special_tokens"), name);
    const JsonNode *id = json_node_first(json_node_get(token, "ids"));
    bool known = json_node_is(id, JSON_NODE_INTEGER) && id->integer >= 0 && id->integer <= INT32_MAX;
    return known ? (int32_t)id->integer : -1;
}

bool config_read(Tokenizer *t, const JsonNode *root, Error *err)
{
    Config c = {.t = t, .err = err};
    if (!each_stage(&c, json_node_get(root, "normalizer"), "normalizers", read_normalizer) ||
        !each_stage(&c, json_node_get(root, "pre_tokenizer"), "pretokenizers", read_pre_tokenizer))
        return false;
    if (c.byte_level == c.metaspace)
        return error_set(err, c.byte_level
                                  ? "ByteLevel and Metaspace together are not supported"
                                  : "the file has neither a ByteLevel nor a Metaspace pre-tokenizer");
    if (c.metaspace && (t->pattern || t->digits != DIGITS_STAY))
        return error_set(err, "Split and Digits pre-tokenizers with Metaspace are not supported");
    t->kind = c.byte_level ? TOKENIZER_BYTES : TOKENIZER_CHARACTERS;
    return true;
}
