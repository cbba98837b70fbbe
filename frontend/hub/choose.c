#include "frontend/hub/choose.h"

#include <fnmatch.h>
#include <string.h>

#include "base/text.h"

enum { SHOWN = 8 };

static int find(const char *const *name, int count, const char *wanted)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name[i], wanted) == 0)
            return i;
    return -1;
}

/* Marks what matches; returns how many. Only files of the uppermost folder do. */
static int mark(const char *const *name, int count, const char *pattern, bool *wanted)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        if (!strchr(name[i], '/') && fnmatch(pattern, name[i], 0) == 0) {
            wanted[i] = true;
            n++;
        }
    return n;
}

static bool no_weights(const char *const *name, int count, int ggufs, Error *err)
{
    if (!ggufs)
        return error_set(err, "the repository has no weights that are known here: no safetensors, "
                              "pytorch_model.bin or GGUF file");
    Text t = {0};
    int shown = 0;
    for (int i = 0; i < count && shown < SHOWN; i++)
        if (fnmatch("*.gguf", name[i], 0) == 0)
            text_printf(&t, "%s%s", shown++ ? ", " : "", name[i]);
    error_set(err, "the repository has %d GGUF files; name one as OWNER/NAME:FILE, of %s%s", ggufs,
              text_cstr(&t), ggufs > shown ? ", ..." : "");
    text_free(&t);
    return false;
}

static bool choose_weights(const char *const *name, int count, bool *wanted, int *alone, Error *err)
{
    static const char *const forms[][2] = {
        {"model.safetensors", NULL},
        {"model-*-of-*.safetensors", "model.safetensors.index.json"},
        {"pytorch_model.bin", NULL},
        {"pytorch_model-*-of-*.bin", "pytorch_model.bin.index.json"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if ((!forms[i][1] || find(name, count, forms[i][1]) >= 0) && mark(name, count, forms[i][0], wanted)) {
            if (forms[i][1])
                mark(name, count, forms[i][1], wanted);
            return true;
        }
    int ggufs = 0, last = -1;
    for (int i = 0; i < count; i++)
        if (fnmatch("*.gguf", name[i], 0) == 0) {
            ggufs++;
            last = i;
        }
    if (ggufs != 1)
        return no_weights(name, count, ggufs, err);
    wanted[last] = true;
    *alone = last;
    return true;
}

bool hub_choose(const char *const *name, int count, const char *file, bool *wanted, int *alone, Error *err)
{
    static const char *const always[] = {"config.json",
                                         "generation_config.json",
                                         "tokenizer.json",
                                         "tokenizer_config.json",
                                         "special_tokens_map.json",
                                         "chat_template.jinja",
                                         "vocab.json",
                                         "merges.txt",
                                         "tokenizer.model",
                                         "tokenizer.bin",
                                         "LICENSE*",
                                         "NOTICE*"};
    memset(wanted, 0, (size_t)count * sizeof *wanted);
    *alone = -1;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        mark(name, count, always[i], wanted);
    if (!*file)
        return choose_weights(name, count, wanted, alone, err);
    *alone = find(name, count, file);
    if (*alone < 0)
        return error_set(err, "the repository has no file %s", file);
    wanted[*alone] = true;
    return true;
}
