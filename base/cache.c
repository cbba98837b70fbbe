#include "base/cache.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/text.h"

char *cache_path(const char *name)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    Text t = {0};
    if (xdg && *xdg == '/')
        text_printf(&t, "%s/anec/%s", xdg, name);
    else if (home && *home == '/')
#if defined(__APPLE__)
        text_printf(&t, "%s/Library/Caches/anec/%s", home, name);
#else
        text_printf(&t, "%s/.cache/anec/%s", home, name);
#endif
    return t.data;
}

void cache_make_folder(const char *path)
{
    char *copy = xstrdup(path);
    for (char *p = copy + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(copy, 0700);
            *p = '/';
        }
    free(copy);
}
