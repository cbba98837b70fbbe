#include "tools/shared/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "frontend/mil/mil.h"
#include "frontend/mlpackage/mlpackage.h"

enum { SOURCE_LIMIT = 1 << 30 };

bool program_named(const char *path)
{
    return !file_is_dir(path) || mlpackage_named(path);
}

static bool read_text(ProgramFile *p, const char *path, Diags *diags, Error *err)
{
    char *text;
    size_t size;
    if (!file_read(path, SOURCE_LIMIT, &text, &size, err))
        return false;
    p->source = (Source){path, text, size};
    p->module = mil_read(&p->source, diags);
    p->blobs = blobs_open(path);
    return true;
}

bool program_open(ProgramFile *p, const char *path, bool quiet, Error *err)
{
    Diags diags = {.out = stderr, .colour = isatty(STDERR_FILENO), .quiet = quiet};
    char *folder = NULL;
    *p = (ProgramFile){0};
    if (mlpackage_named(path)) {
        p->module = mlpackage_read(path, &folder, &diags);
        p->blobs = folder ? blobs_open_folder(folder) : NULL;
        free(folder);
    } else if (!read_text(p, path, &diags, err)) {
        return false;
    }
    return p->module || error_set(err, "%s: cannot be read", path);
}

void program_close(ProgramFile *p)
{
    module_free(p->module);
    blobs_close(p->blobs);
    free((void *)(uintptr_t)p->source.text);
}
