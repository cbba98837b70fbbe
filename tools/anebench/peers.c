/* Other programs, run as commands. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "tools/anebench/contest.h"

/* What is measured without being asked for where `program` (or what its variable names) is in PATH and the
 * variable `model` names its model. */
static const struct {
    const char *name, *program, *variable, *model, *arguments;
    bool decodes_only;
} known[] = {
    {"llama.cpp", "llama-bench", "LLAMA_BENCH", "LLAMA_BENCH_MODEL",
     "-m \"$LLAMA_BENCH_MODEL\" -t {threads} -p {prefill} -n {decode} -r 1 -o json 2>/dev/null", false},
    {"llama2.c", "llama2c", "LLAMA2C", "LLAMA2C_MODEL",
     "\"$LLAMA2C_MODEL\" -t 0 -n {decode} -z \"$LLAMA2C_TOKENIZER\" 2>&1", true},
};
enum { KNOWN = sizeof known / sizeof *known };

static char *copy_of(const char *bytes, size_t size)
{
    Text t = {0};
    text_add(&t, bytes, size);
    return t.data;
}

static bool in_path(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    const char *path = getenv("PATH");
    for (const char *at = path; at && *at;) {
        size_t n = strcspn(at, ":");
        char *folder = copy_of(at, n), *full = path_join(folder, program);
        bool found = access(full, X_OK) == 0;
        free(folder);
        free(full);
        if (found)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static void add_peer(Contest *c, char *name, char *command, bool decodes_only)
{
    c->peer = xrealloc(c->peer, (size_t)(c->peers + 1) * sizeof *c->peer);
    c->peer[c->peers++] = (Peer){name, command, decodes_only};
}

bool peers_find(Contest *c, const FlagList *given, Error *err)
{
    for (int i = 0; i < given->count; i++) {
        const char *equals = strchr(given->item[i], '=');
        if (!equals || equals == given->item[i] || !equals[1])
            return error_set(err, "--peer %s: wants NAME=COMMAND", given->item[i]);
        add_peer(c, copy_of(given->item[i], (size_t)(equals - given->item[i])), xstrdup(equals + 1), false);
    }
    for (int i = 0; i < KNOWN; i++) {
        const char *program = getenv(known[i].variable);
        program = program && *program ? program : known[i].program;
        if (!getenv(known[i].model) || !in_path(program))
            continue;
        Text command = {0};
        text_printf(&command, "OMP_NUM_THREADS={threads} '%s' %s", program, known[i].arguments);
        add_peer(c, xstrdup(known[i].name), command.data, known[i].decodes_only);
    }
    return true;
}

/* ---- one run ---- */

static char *filled(const char *command, const Case *c)
{
    const struct {
        const char *name;
        int value;
    } place[] = {
        {"{threads}", c->threads},
        {"{prefill}", c->kind == CASE_PREFILL ? c->tokens : 0},
        {"{decode}", c->kind == CASE_DECODE ? c->tokens : 0},
        {"{prompt}", c->prompt},
    };
    Text t = {0};
    for (const char *at = command; *at;) {
        size_t taken = 0;
        for (size_t i = 0; i < sizeof place / sizeof *place && !taken; i++)
            if (strncmp(at, place[i].name, strlen(place[i].name)) == 0) {
                text_printf(&t, "%d", place[i].value);
                taken = strlen(place[i].name);
            }
        if (!taken)
            text_putc(&t, *at);
        at += taken ? taken : 1;
    }
    return t.data;
}

/* The number that ends before p, spaces aside. */
static double number_before(const char *start, const char *p)
{
    while (p > start && p[-1] == ' ')
        p--;
    const char *begin = p;
    while (begin > start && (isdigit((unsigned char)begin[-1]) || begin[-1] == '.'))
        begin--;
    return begin < p ? strtod(begin, NULL) : 0;
}

/* The number behind p and a colon. */
static double number_after(const char *p)
{
    p += *p == '"';
    if (*p != ':')
        return 0;
    p += 1 + strspn(p + 1, " ");
    return isdigit((unsigned char)*p) ? strtod(p, NULL) : 0;
}

static double speed_in(const char *text)
{
    static const char *const words[] = {"avg_ts", "tok/s", "tokens/s"};
    double speed = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (const char *p = strstr(text, words[i]); p; p = strstr(p + 1, words[i])) {
            double after = number_after(p + strlen(words[i])), before = number_before(text, p);
            speed = after > 0 ? after : before > 0 ? before : speed;
        }
    return speed;
}

bool peer_run(const Peer *p, const Case *c, double *rate, char *why, size_t size)
{
    char *command = filled(p->command, c), piece[4096];
    Text printed = {0};
    fflush(NULL);
    FILE *f = popen(command, "r");
    free(command);
    if (!f)
        return snprintf(why, size, "cannot be started") < 0;
    while (fgets(piece, sizeof piece, f))
        text_puts(&printed, piece);
    int status = pclose(f);
    *rate = speed_in(text_cstr(&printed));
    text_free(&printed);
    if (status != 0)
        return snprintf(why, size, "failed with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1) < 0;
    return *rate > 0 || snprintf(why, size, "printed no speed (\"... tok/s\")") < 0;
}
