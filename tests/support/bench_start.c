/* Where the time to the first token goes: the stages of `anerun PACKAGE --prompt TEXT -n 1`, each round in a
 * process of its own that finds nothing made ready but the system's cache of files. Medians in milliseconds.
 * usage: bench_start PACKAGE [ROUNDS [THREADS]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/median.h"
#include "runtime/session.h"
#include "runtime/tokenizer/tokenizer.h"

enum { MOST_ROUNDS = 1000 };

static const char prompt[] = "Once upon a time there was a little girl who lived in a village near the "
                             "forest and every day she walked to";

/* In the order in which they come. */
typedef enum StageName { PACKAGE, DEVICE, TOKENIZER, ENCODE, PREFILL, AGAIN, HEAD, CLOSE, STAGES } StageName;
static const char *const names[STAGES] = {
    "package: manifest, identities of files",
    "device: threads",
    "tokenizer",
    "the prompt's tokens",
    "prefill, its programs made ready",
    "(the same prefill again)",
    "head, its program made ready",
    "end: what was taken is given back",
};

typedef struct Round {
    double seconds[STAGES];
    double last;
} Round;

static void stop_stage(Round *r, StageName stage)
{
    double now = clock_seconds();
    r->seconds[stage] = now - r->last;
    r->last = now;
}

static bool prefill(Session *s, const int32_t *ids, int count, Round *r, Error *err)
{
    if (!session_prefill(s, ids, count, err))
        return false;
    stop_stage(r, PREFILL);
    session_rewind(s, 0);
    if (!session_prefill(s, ids, count, err))
        return false;
    stop_stage(r, AGAIN);
    if (!session_prefill_logits(s, count - 1, err))
        return false;
    stop_stage(r, HEAD);
    return true;
}

static bool run(const char *path, int threads, Round *r, Error *err)
{
    DeviceOptions options = {.threads = threads};
    int32_t *ids = NULL;
    size_t count = 0, size = 0;
    r->last = clock_seconds();
    Package *p = package_open(path, NULL, NULL, err);
    stop_stage(r, PACKAGE);
    Device *d = p ? cpu_device_open(&options, err) : NULL;
    Session *s = d ? session_new(p, d, err) : NULL;
    stop_stage(r, DEVICE);
    const char *json = s ? package_tokenizer(p, &size) : NULL;
    if (s && !json)
        error_set(err, "%s: has no tokenizer", path);
    Tokenizer *t = json ? tokenizer_open(json, size, err) : NULL;
    stop_stage(r, TOKENIZER);
    bool ok = t && tokenizer_encode(t, prompt, sizeof prompt - 1, false, &ids, &count, err);
    stop_stage(r, ENCODE);
    ok = ok && prefill(s, ids, (int)count, r, err);
    session_free(s);
    tokenizer_close(t);
    free(ids);
    device_close(d);
    package_close(p);
    stop_stage(r, CLOSE);
    return ok;
}

static int child(const char *path, int threads, int to)
{
    Round r;
    Error err;
    if (!run(path, threads, &r, &err)) {
        fprintf(stderr, "bench_start: %s\n", err.text);
        return 1;
    }
    return write(to, r.seconds, sizeof r.seconds) != sizeof r.seconds;
}

static bool one_round(const char *path, int threads, Round *r)
{
    int ends[2], status = 1;
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(path, threads, ends[1]));
    close(ends[1]);
    bool ok = pid > 0 && read(ends[0], r->seconds, sizeof r->seconds) == sizeof r->seconds;
    close(ends[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && ok;
}

int main(int argc, char **argv)
{
    static Round rounds[MOST_ROUNDS];
    int count = argc > 2 ? atoi(argv[2]) : 21, threads = argc > 3 ? atoi(argv[3]) : 0;
    if (argc < 2 || count < 1 || count > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_start PACKAGE [ROUNDS [THREADS]]\n");
        return 2;
    }
    for (int i = 0; i < count; i++)
        if (!one_round(argv[1], threads, &rounds[i]))
            return 1;
    double sum = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        double ms[MOST_ROUNDS];
        for (int i = 0; i < count; i++)
            ms[i] = rounds[i].seconds[stage] * 1e3;
        double median = median_of(ms, count);
        sum += stage == AGAIN ? 0 : median;
        printf("%8.2f ms  %s\n", median, names[stage]);
    }
    printf("%8.2f ms  together, without the second prefill\n", sum);
    return 0;
}
