#include "tools/anebench/drive.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"

/* Spread over the vocabulary, the same every time. */
static int32_t token(const Session *s, int i)
{
    return (int32_t)((unsigned)i * 7919u % (unsigned)session_vocab(s));
}

bool drive_prefill(Session *s, int count, double *seconds, Error *err)
{
    int32_t *ids = xcalloc((size_t)count, sizeof *ids);
    for (int i = 0; i < count; i++)
        ids[i] = token(s, i);
    session_rewind(s, 0);
    double start = clock_seconds();
    bool ok = session_prefill(s, ids, count, err) && session_prefill_logits(s, count - 1, err);
    *seconds = clock_seconds() - start;
    free(ids);
    return ok;
}

bool drive_decode(Session *s, int count, double *seconds, Error *err)
{
    double start = clock_seconds();
    for (int i = 0; i < count; i++)
        if (!session_decode(s, token(s, i), err))
            return false;
    *seconds = clock_seconds() - start;
    return true;
}
