#include "runtime/ane/budget.h"

bool budget_compile(AneEngine *e, Error *err)
{
    int limit = e->compile_limit ? e->compile_limit : ANE_COMPILE_LIMIT;
    e->exhausted = e->compiles >= limit;
    if (e->exhausted)
        return error_set(err,
                         "this process has compiled %d programs, and the system allows few more: "
                         "start it again, or compile for fewer buckets",
                         e->compiles);
    e->compiles++;
    return true;
}

void budget_touch(AneProgram *p)
{
    p->used = ++p->engine->clock;
}

bool budget_unload_one(AneEngine *e, const AneProgram *keep)
{
    AneProgram *oldest = NULL;
    for (AneProgram *p = e->program; p; p = p->hh.next)
        if (p->loaded && p != keep && (!oldest || p->used < oldest->used))
            oldest = p;
    Error ignored;
    return oldest && ane_unload(oldest, &ignored);
}

void budget_make_room(AneEngine *e, const AneProgram *keep)
{
    while (e->load_limit && e->loaded >= e->load_limit && budget_unload_one(e, keep))
        continue;
}
