/* anec tensors: what a checkpoint holds. The first thing to look at when a model is ported. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/arena.h"
#include "frontend/weights/weights.h"
#include "tools/anec/commands.h"

static struct {
    bool all, help;
} opt;

static const Flag flags[] = {
    {FLAG_BOOL, "--all", "-a", NULL, &opt.all, 0, 0, "a line for every tensor, not for every kind of layer"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* Tensors of one type and shape whose names differ in one number: "h.{i}.ln_1.weight". */
typedef struct Family {
    char *key;          /* the name with {i} in it, then a line end, type and shape */
    const Tensor *like; /* the first of them */
    long least, most;
    int count;
    int name_size; /* of the name within the key */
    UT_hash_handle hh;
} Family;

/* The first part of the name that is a number; its length is 0 where there is none. */
static const char *find_number(const char *name, size_t *size)
{
    for (const char *p = name; *p; p++) {
        if (p != name && p[-1] != '.')
            continue;
        *size = strspn(p, "0123456789");
        if (*size && *size < 7 && (p[*size] == '.' || !p[*size]))
            return p;
    }
    *size = 0;
    return name;
}

static void add_tensor(Family **list, const Tensor *t)
{
    char shape[256];
    size_t digits;
    Text key = {0};
    const char *number = find_number(t->name, &digits);
    if (opt.all || !digits)
        text_puts(&key, t->name);
    else
        text_printf(&key, "%.*s{i}%s", (int)(number - t->name), t->name, number + digits);
    int name_size = (int)key.size;
    text_printf(&key, "\n%s", tensor_describe(t, shape, sizeof shape));
    Family *f;
    HASH_FIND_STR(*list, key.data, f);
    if (!f) {
        f = xcalloc(1, sizeof *f);
        *f = (Family){.key = key.data, .like = t, .least = LONG_MAX, .most = -1, .name_size = name_size};
        HASH_ADD_KEYPTR(hh, *list, f->key, key.size, f);
    } else {
        text_free(&key);
    }
    long i = digits ? strtol(number, NULL, 10) : 0;
    f->least = i < f->least ? i : f->least;
    f->most = i > f->most ? i : f->most;
    f->count++;
}

static void print_family(const Family *f, int width)
{
    printf("%-*.*s  %s", width, f->name_size, f->key, f->key + f->name_size + 1);
    if (f->count > 1)
        printf("  i = %ld..%ld", f->least, f->most);
    putchar('\n');
}

static void print_tensors(const Weights *w)
{
    Family *list = NULL, *f, *next;
    int width = 0;
    int64_t elements = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < weights_count(w); i++) {
        const Tensor *t = weights_at(w, i);
        add_tensor(&list, t);
        elements += tensor_elements(t);
        bytes += t->size;
    }
    HASH_ITER(hh, list, f, next)
    width = f->name_size > width ? f->name_size : width;
    HASH_ITER(hh, list, f, next)
    {
        print_family(f, width);
        HASH_DEL(list, f);
        free(f->key);
        free(f);
    }
    printf("%zu tensors, %.1f million numbers, %.1f MB, %s\n", weights_count(w), (double)elements * 1e-6,
           (double)bytes * 1e-6, weights_format(w));
}

static int print_help(void)
{
    return tool_help(
        "usage: anec tensors CHECKPOINT [options]\n\n"
        "Lists the tensors of a checkpoint: names, types and shapes, layers that are alike in one line.\n"
        "CHECKPOINT is what anec takes for its weights.\n\n",
        flags, FLAGS, "\n");
}

int anec_tensors(int argc, char **argv)
{
    Error err;
    const char *path = tool_one_path(flags, FLAGS, argc, argv, &opt.help, "checkpoint", &err);
    if (!path)
        return tool_usage(argv[0], &err);
    if (opt.help)
        return print_help();
    Weights *w = weights_open(path, &err);
    if (!w)
        return tool_fail(argv[0], &err);
    print_tensors(w);
    weights_close(w);
    return 0;
}
