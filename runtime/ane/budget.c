#include "runtime/ane/budget.h"

#include <stdatomic.h>

static atomic_int compiled; /* by this process: the system counts per process, not per engine of ours */

int ane_compiles(void)
{
    return compiled;
}

void ane_compiles_forget(void)
{
    compiled = 0;
}

static bool has_done_its_own(const AneEngine *e)
{
    return e->compile_limit && e->compiles >= e->compile_limit;
}

bool budget_is_spent(const AneEngine *e)
{
    int all = e->compile_limit > ANE_COMPILE_LIMIT ? e->compile_limit : ANE_COMPILE_LIMIT;
    return has_done_its_own(e) || compiled >= all;
}

bool budget_compile(AneEngine *e, Error *err)
{
    e->exhausted = budget_is_spent(e);
    if (e->exhausted)
        return error_set(err,
                         "this process has compiled %d programs, and the system allows few more: "
                         "start it again, or compile for fewer buckets",
                         has_done_its_own(e) ? e->compiles : (int)compiled);
    e->compiles++;
    compiled++;
    return true;
}

void budget_doubt(AneEngine *e)
{
    e->exhausted = e->compiles > 1;
}

void budget_learn(AneEngine *e)
{
    e->compile_limit = e->compiles;
}

void budget_touch(AneModel *m)
{
    m->used = ++m->engine->clock;
}

bool budget_unload_one(AneEngine *e, const AneModel *keep)
{
    AneModel *oldest = NULL;
    for (AneModel *m = e->model; m; m = m->hh.next)
        if (m->loaded && m != keep && (!oldest || m->used < oldest->used))
            oldest = m;
    Error ignored;
    return oldest && ane_unload(oldest, &ignored);
}

void budget_make_room(AneEngine *e, const AneModel *keep)
{
    while (e->load_limit && e->loaded >= e->load_limit && budget_unload_one(e, keep))
        continue;
}
