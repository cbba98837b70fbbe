/* ane_logits PACKAGE IDS [CALL]: prefills the ids ("1,2,3") on the CPU device and through the driver of the
 * Neural Engine over its stand-in, then decodes eight greedy tokens on both; exit status 1 where a logit
 * differs. Where the stand-in is told to fail a CALL ("compile"), all must run on the CPU device in the end.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session.h"
#include "tests/support/libane.h"

enum { TOKENS = 8, MOST = 256 };

static int fault(const char *what, const Error *err)
{
    fprintf(stderr, "ane_logits: %s: %s\n", what, err->text);
    return 2;
}

static int32_t likeliest(const float *row, int vocab)
{
    int best = 0;
    for (int i = 1; i < vocab; i++)
        best = row[i] > row[best] ? i : best;
    return best;
}

static void tell(const Error *why)
{
    printf("the CPU takes over: %s\n", why->text);
}

static bool run(Session *s, int32_t *ids, int count, int32_t *out, float *last, Error *err)
{
    const float *logits =
        session_prefill(s, ids, count, err) ? session_prefill_logits(s, count - 1, err) : NULL;
    for (int i = 0; i < TOKENS; i++) {
        if (!logits)
            return false;
        out[i] = likeliest(logits, session_vocab(s));
        logits = session_decode(s, out[i], err);
    }
    if (logits)
        memcpy(last, logits, (size_t)session_vocab(s) * sizeof *last);
    return logits != NULL;
}

int main(int argc, char **argv)
{
    Error err;
    int32_t ids[MOST], out[2][TOKENS];
    float *last[2];
    int count = 0;
    bool fails = argc > 3, on_engine = false;
    if (fails) {
        standin.fail = argv[3];
        standin.fail_times = 1000;
        standin.fail_text = "InvalidMILProgram";
    }
    char *end = argc >= 3 ? argv[2] : NULL;
    for (; end && *end && count < MOST; end += *end == ',')
        ids[count++] = (int32_t)strtol(end, &end, 10);
    Package *p = count ? package_open(argv[1], NULL, NULL, &err) : NULL;
    Device *cpu = p ? cpu_device_open(NULL, &err) : NULL, *ane = cpu ? ane_device_open("", &err) : NULL;
    if (!ane)
        return fault("cannot start", &err);
    for (int i = 0; i < 2; i++) {
        Session *s = session_new(p, cpu, &err);
        if (!s)
            return fault("session", &err);
        last[i] = calloc((size_t)session_vocab(s), sizeof *last[i]);
        if (i == 1 && fails)
            session_try_ane(s, ane, tell);
        else if (i == 1)
            session_use_ane(s, ane);
        if (!last[i] || !run(s, ids, count, out[i], last[i], &err))
            return fault(i ? "by the driver" : "on the CPU", &err);
        on_engine = session_uses_ane(s);
        session_free(s);
    }
    int vocab = package_manifest(p)->plan.model.vocab;
    bool same = memcmp(out[0], out[1], sizeof out[0]) == 0 &&
                memcmp(last[0], last[1], (size_t)vocab * sizeof *last[0]) == 0;
    device_close(ane);
    device_close(cpu);
    package_close(p);
    free(last[0]);
    free(last[1]);
    printf("%d programs compiled, %d evaluated, %d objects left%s%s\n", standin.compiles, standin.evaluations,
           standin.live, *standin.complaint ? ", " : "", standin.complaint);
    return same && on_engine == !fails && !standin.evaluations == fails && !standin.live &&
                   !*standin.complaint
               ? 0
               : 1;
}
