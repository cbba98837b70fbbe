#include "tools/anec/extras.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"

enum { CARRIED_LIMIT = 16 << 20 };

void extras_add(Extras *e, const char *name, char *data, size_t size)
{
    if (e->count < (int)(sizeof e->file / sizeof *e->file))
        e->file[e->count++] = (PackageFile){name, data, size};
    else
        free(data);
}

void extras_free(Extras *e)
{
    for (int i = 0; i < e->count; i++)
        free((void *)(uintptr_t)e->file[i].data);
}

bool extras_read(const char *folder, const char *name, size_t limit, char **data, size_t *size, Error *err)
{
    char *path = path_join(folder, name);
    *data = NULL;
    *size = 0;
    bool ok = !file_exists(path) || file_read(path, limit, data, size, err);
    free(path);
    return ok;
}

static bool carry(Extras *e, const char *folder, const char *name, Error *err)
{
    char *data;
    size_t size;
    bool ok = extras_read(folder, name, CARRIED_LIMIT, &data, &size, err);
    if (data && ok)
        extras_add(e, name, data, size);
    return ok;
}

bool extras_collect(Extras *e, const Inputs *in, const Plan *plan, Error *err)
{
    static const char *const carried[] = {"config.json", "LICENSE", "LICENSE.txt",
                                          "LICENSE.md",  "NOTICE",  "NOTICE.txt"};
    if (!in->folder)
        return true;
    bool ok = extras_tokenizer(e, in, plan, err) && extras_chat(e, in, err);
    for (size_t i = 0; ok && i < sizeof carried / sizeof *carried; i++)
        ok = carry(e, in->folder, carried[i], err);
    return ok;
}
