#include "runtime/ane/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/cores.h"

struct Watch {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    bool (*call)(void *context, Error *err); /* NULL: nothing to do */
    void *context;
    bool ok, ending, stuck;
    Error err;
};

static void *serve(void *context)
{
    Watch *w = context;
    cores_prefer_fast(); /* the caller waits for it */
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->call && !w->ending)
            pthread_cond_wait(&w->begun, &w->lock);
        if (!w->call)
            break;
        pthread_mutex_unlock(&w->lock);
        bool ok = w->call(w->context, &w->err);
        pthread_mutex_lock(&w->lock);
        w->ok = ok;
        w->call = NULL;
        pthread_cond_signal(&w->ended);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

Watch *watch_open(Error *err)
{
    Watch *w = xcalloc(1, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->begun, NULL);
    pthread_cond_init(&w->ended, NULL);
    int code = pthread_create(&w->thread, NULL, serve, w);
    if (!code)
        return w;
    free(w);
    error_set_errno(err, code, "cannot start a thread for the Neural Engine");
    return NULL;
}

static double time_of_day(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Condition variables wait by a clock that may be set; the deadline is by one that is not. */
static void wait_until(Watch *w, double deadline)
{
    double left;
    while (w->call && (left = deadline - clock_seconds()) > 0) {
        double end = time_of_day() + left;
        struct timespec t = {(time_t)end, (long)((end - (double)(time_t)end) * 1e9)};
        pthread_cond_timedwait(&w->ended, &w->lock, &t);
    }
}

bool watch_call(Watch *w, double seconds, bool (*call)(void *, Error *), void *context, Error *err)
{
    if (w->stuck)
        return error_set(err, "the Neural Engine no longer answers");
    pthread_mutex_lock(&w->lock);
    w->context = context;
    w->call = call;
    pthread_cond_signal(&w->begun);
    wait_until(w, clock_seconds() + seconds);
    w->stuck = w->call;
    bool ok = !w->stuck && w->ok;
    if (w->stuck)
        error_set(err,
                  "no answer within %g s; likely cause: the driver or its daemon is wedged (end other "
                  "programs that use the engine, or `sudo killall aned`)",
                  seconds);
    else if (!ok && err)
        *err = w->err;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

bool watch_is_stuck(const Watch *w)
{
    return w && w->stuck;
}

void watch_close(Watch *w)
{
    if (!w || w->stuck)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->begun);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->begun);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
