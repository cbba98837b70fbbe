#include "tools/anerun/package.h"

#include <stdio.h>
#include <unistd.h>

static void show_hashing(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    static int last = -1;
    int percent = total ? (int)(100 * done / total) : 100;
    if (percent == last)
        return;
    last = percent;
    fprintf(stderr, done == total ? "\r\033[K" : "\rchecking the package: %d %%", percent);
}

Package *open_package(const char *path, bool quiet, Error *err)
{
    return package_open(path, !quiet && isatty(STDERR_FILENO) ? show_hashing : NULL, NULL, err);
}

Tokenizer *open_tokenizer(const Package *p, const char *path, Error *err)
{
    size_t size;
    const char *json = package_tokenizer(p, &size);
    if (json)
        return tokenizer_open(json, size, err);
    error_set(err, "%s: has no tokenizer; give token ids with --ids, or compile with one beside the weights",
              path);
    return NULL;
}
