/* make_checkpoint [FLAG]... FOLDER: writes a small GPT-2 style checkpoint; the same flags give the same
 * bytes. make_checkpoint --logits IDS [--heads N] PATH: the logits of a checkpoint (a folder, or a
 * safetensors file), computed in double precision: one line a token. IDS are numbers with commas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/flags.h"
#include "tests/support/libcheckpoint.h"
#include "tests/support/libgpt2.h"

static struct {
    int64_t layers, heads, dim, inner, context, vocab, seed, gain;
    const char *dtype, *prefix, *layout, *head, *broken, *loud, *logits, *format;
    bool buffers, unaligned, help;
} options = {2,        0,      32,   0,    64,   300,    1,     1,     "f32", "",
             "conv1d", "tied", NULL, NULL, NULL, "text", false, false, false};

static const Flag flags[] = {
    {FLAG_INT, "--layers", NULL, "N", &options.layers, 1, 1000, "layers (2)"},
    {FLAG_INT, "--heads", NULL, "N", &options.heads, 1, 1000, "heads (2)"},
    {FLAG_INT, "--dim", NULL, "N", &options.dim, 1, 1 << 20, "width (32)"},
    {FLAG_INT, "--inner", NULL, "N", &options.inner, 1, 1 << 20, "width of the MLP (4 times the width)"},
    {FLAG_INT, "--context", NULL, "N", &options.context, 1, 1 << 20, "positions (64)"},
    {FLAG_INT, "--vocab", NULL, "N", &options.vocab, 1, 1 << 20,
     "tokens (300); from 260 up with a tokenizer"},
    {FLAG_TEXT, "--dtype", NULL, "TYPE", &options.dtype, 0, 0, "f32, f16 or bf16"},
    {FLAG_TEXT, "--prefix", NULL, "TEXT", &options.prefix, 0, 0, "in front of every name but lm_head.weight"},
    {FLAG_TEXT, "--layout", NULL, "NAME", &options.layout, 0, 0, "conv1d [in, out] or linear [out, in]"},
    {FLAG_TEXT, "--head", NULL, "NAME", &options.head, 0, 0, "tied or separate"},
    {FLAG_BOOL, "--buffers", NULL, NULL, &options.buffers, 0, 0, "with the causal masks of old exports"},
    {FLAG_BOOL, "--unaligned", NULL, NULL, &options.unaligned, 0, 0, "data at an odd address"},
    {FLAG_INT, "--seed", NULL, "N", &options.seed, 0, 1e15, "of the weights (1)"},
    {FLAG_TEXT, "--loud", NULL, "NAME", &options.loud, 0, 0,
     "the weights with this in their names get --gain"},
    {FLAG_INT, "--gain", NULL, "N", &options.gain, 1, 1 << 20, "times as large (1)"},
    {FLAG_TEXT, "--break", NULL, "FAULT", &options.broken, 0, 0, "with a fault; --help lists them"},
    {FLAG_TEXT, "--logits", NULL, "IDS", &options.logits, 0, 0, "print the logits of a checkpoint"},
    {FLAG_TEXT, "--format", NULL, "NAME", &options.format, 0, 0, "of the logits: text, or f64 (raw)"},
    {FLAG_BOOL, "--help", "-h", NULL, &options.help, 0, 0, "this text"},
};

static int complain(const Error *err)
{
    fprintf(stderr, "make_checkpoint: %s\n", err->text);
    return 1;
}

static int help(void)
{
    Text t = {0};
    flags_help(&t, flags, (int)(sizeof flags / sizeof *flags));
    printf(
        "usage: make_checkpoint [FLAG]... FOLDER\n       make_checkpoint --logits IDS [--heads N] PATH\n%s\n"
        "faults:\n",
        t.data);
    for (const CheckpointFault *f = checkpoint_faults; f->name; f++)
        printf("  %-14s %s\n", f->name, f->what);
    text_free(&t);
    return 0;
}

static int make(const char *dir)
{
    Error err;
    CheckpointSpec spec = {
        .layers = (int)options.layers,
        .heads = options.heads ? (int)options.heads : 2,
        .dim = (int)options.dim,
        .inner = (int)(options.inner ? options.inner : 4 * options.dim),
        .context = (int)options.context,
        .vocab = (int)options.vocab,
        .dtype = options.dtype,
        .prefix = options.prefix,
        .linear = strcmp(options.layout, "linear") == 0,
        .separate_head = strcmp(options.head, "separate") == 0,
        .buffers = options.buffers,
        .unaligned = options.unaligned,
        .seed = (uint64_t)options.seed,
        .broken = options.broken,
        .loud = options.loud,
        .gain = (double)options.gain,
    };
    return checkpoint_write(&spec, dir, &err) ? 0 : complain(&err);
}

/* "1,2,3" into ids (room for limit); the count, or -1. */
static int parse_ids(const char *text, int *ids, int limit)
{
    int count = 0;
    for (const char *p = text;; p++) {
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p || count == limit || (*end && *end != ','))
            return -1;
        ids[count++] = (int)id;
        p = end;
        if (!*p)
            return count;
    }
}

static void print_rows(const double *rows, int count, int vocab)
{
    if (strcmp(options.format, "f64") == 0) {
        fwrite(rows, sizeof *rows, (size_t)count * (size_t)vocab, stdout);
        return;
    }
    for (int t = 0; t < count; t++)
        for (int v = 0; v < vocab; v++)
            printf("%.17g%c", rows[(size_t)t * (size_t)vocab + (size_t)v], v + 1 < vocab ? ' ' : '\n');
}

static int logits(const char *path)
{
    Error err;
    Gpt2 *m = gpt2_open(path, (int)options.heads, &err);
    if (!m)
        return complain(&err);
    int vocab = gpt2_vocab(m), limit = gpt2_context(m), *ids = xcalloc((size_t)limit, sizeof *ids);
    double *rows = xcalloc((size_t)limit * (size_t)vocab, sizeof *rows);
    int count = parse_ids(options.logits, ids, limit);
    bool ok = count > 0 ? gpt2_logits(m, ids, count, rows, &err)
                        : error_set(&err, "--logits takes at most %d numbers with commas", limit);
    if (ok)
        print_rows(rows, count, vocab);
    free(rows);
    free(ids);
    gpt2_close(m);
    return ok ? 0 : complain(&err);
}

int main(int argc, char **argv)
{
    Error err;
    int rests;
    const char **rest = xcalloc((size_t)argc, sizeof *rest);
    bool ok = flags_parse(flags, (int)(sizeof flags / sizeof *flags), argc, argv, rest, &rests, &err);
    const char *path = ok && rests == 1 ? rest[0] : NULL;
    free(rest);
    if (!ok)
        return complain(&err) + 1;
    if (options.help || !path)
        return help() + (options.help ? 0 : 2);
    return options.logits ? logits(path) : make(path);
}
