/* anebench speed: how fast a package runs, beside other programs and the machine's limits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "tools/anebench/commands.h"
#include "tools/anebench/contest.h"
#include "tools/anebench/drive.h"

static struct {
    const char *prefill, *threads, *json, *svg;
    int64_t decode, prompt, rounds;
    FlagList peers;
    bool no_limits, quiet, help;
} opt = {.prefill = "32,128,512,1024", .decode = 128, .prompt = 32, .rounds = 5};

static const Flag flags[] = {
    {FLAG_TEXT, "--prefill", NULL, "S,...", &opt.prefill, 0, 0,
     "prompt lengths to prefill; 0: none; longer ones than the package takes are left out (32,128,512,1024)"},
    {FLAG_INT, "--decode", NULL, "N", &opt.decode, 0, 1e6, "tokens to decode; 0: none (128)"},
    {FLAG_INT, "--prompt", NULL, "N", &opt.prompt, 1, 1e6, "tokens in front of what is decoded (32)"},
    {FLAG_TEXT, "--threads", "-t", "N,...", &opt.threads, 0, 0,
     "numbers of threads to run with (1 and one a core)"},
    {FLAG_INT, "--rounds", NULL, "N", &opt.rounds, 1, MOST_ROUNDS, "runs of every case; medians count (5)"},
    {FLAG_LIST, "--peer", NULL, "NAME=COMMAND", &opt.peers, 0, 0,
     "another program to run in turn: {threads}, {prefill}, {decode} and {prompt} in the shell command are "
     "replaced, and its speed is the last number that it prints beside tok/s"},
    {FLAG_BOOL, "--no-limits", NULL, NULL, &opt.no_limits, 0, 0, "do not measure the machine's limits"},
    {FLAG_TEXT, "--json", NULL, "FILE", &opt.json, 0, 0, "write every number as JSON"},
    {FLAG_TEXT, "--svg", NULL, "FILE", &opt.svg, 0, 0, "draw a chart"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "no progress"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags, MOST_LISTED = 16, MOST_THREADS = 1024 };

static int print_help(void)
{
    return tool_help(
        "usage: anebench speed PACKAGE [options]\n\n"
        "Measures prefill and decode of a package on the CPU. Other programs run in turn with it, several\n"
        "rounds in alternating order: llama-bench (in PATH, or LLAMA_BENCH) where LLAMA_BENCH_MODEL names a\n"
        "GGUF file, llama2.c's program (LLAMA2C) where LLAMA2C_MODEL names a model, and those of --peer.\n"
        "Cold caches, other work on the machine and frequency changes fall on all alike; ratios are honest\n"
        "where absolute numbers are not.\n\n",
        flags, FLAGS,
        "\n"
        "Example:\n"
        "  anebench speed gpt2.pkg --peer 'other=./bench -t {threads} -p {prefill} -n {decode}'\n");
}

/* "1,2" as numbers from 1 to most; "0" alone is an empty list. */
static bool read_list(const char *flag, const char *text, long most, int *list, int *count, Error *err)
{
    *count = 0;
    if (strcmp(text, "0") == 0)
        return true;
    for (const char *p = text;;) {
        char *end;
        long n = strtol(p, &end, 10);
        if (end == p || n < 1 || n > most || (*end && *end != ',') || *count == MOST_LISTED)
            return error_set(err, "%s %s: wants up to %d numbers from 1 to %ld, such as 1,2", flag, text,
                             MOST_LISTED, most);
        list[(*count)++] = (int)n;
        if (!*end)
            return true;
        p = end + 1;
    }
}

/* ---- our runs ---- */

/* The package with one number of threads. */
typedef struct Runner {
    Device *device;
    Session *session;
    double bytes, flops; /* of the steps since they were last cleared */
    Compute compute;     /* for the limits: as many threads */
} Runner;

static void count_step(void *context, const TraceStep *step)
{
    Runner *r = context;
    r->bytes += step->bytes;
    r->flops += step->flops;
}

static bool run_case(Runner *r, const Case *c, double *took, Error *err)
{
    if (c->kind == CASE_PREFILL)
        return drive_prefill(r->session, c->tokens, took, err);
    return drive_prefill(r->session, c->prompt, took, err) && drive_decode(r->session, c->tokens, took, err);
}

/* What a prefill moves and computes, or `tokens` times what the decoding of the middle token does. */
static bool count_work(Runner *r, Case *c, Error *err)
{
    Trace trace = {.step = count_step, .context = r};
    bool decodes = c->kind == CASE_DECODE;
    int middle = c->prompt + c->tokens / 2, longest = session_longest_prompt(r->session);
    double took;
    if (decodes && !drive_prefill(r->session, middle <= longest ? middle : c->prompt, &took, err))
        return false;
    r->bytes = r->flops = 0;
    session_trace(r->session, &trace);
    bool ok =
        decodes ? drive_decode(r->session, 1, &took, err) : drive_prefill(r->session, c->tokens, &took, err);
    session_trace(r->session, NULL);
    c->bytes = r->bytes * (decodes ? c->tokens : 1);
    c->flops = r->flops * (decodes ? c->tokens : 1);
    return ok;
}

/* The first run compiles what is needed. */
static bool warm_up(Runner *r, Case *c, Error *err)
{
    double took;
    return run_case(r, c, &took, err) && count_work(r, c, err);
}

static bool open_runner(Runner *r, Package *package, int threads, Error *err)
{
    *r = (Runner){.device = cpu_device_open(&(DeviceOptions){.threads = threads}, err)};
    r->session = r->device ? session_new(package, r->device, err) : NULL;
    compute_open(&r->compute, threads);
    return r->session != NULL;
}

static void close_runner(Runner *r)
{
    session_free(r->session);
    device_close(r->device);
    compute_close(&r->compute);
}

/* ---- the contest ---- */

static void progress(const Contest *c, const Case *k, int round, const char *who)
{
    char name[64];
    if (opt.quiet || !isatty(STDERR_FILENO))
        return;
    case_name(k, name, sizeof name);
    fprintf(stderr, "\r\033[K%s, %d thread%s, round %d of %d: %s", name, k->threads,
            k->threads == 1 ? "" : "s", round + 1, c->rounds, who);
}

static void add_sample(Samples *s, double rate)
{
    s->rate[s->count++] = rate;
}

static void peer_round(const Contest *c, Case *k, int round, int p)
{
    Samples *s = &k->samples[1 + p];
    double rate;
    if (s->count < round || (c->peer[p].decodes_only && k->kind != CASE_DECODE))
        return; /* it failed before, or has no such thing */
    progress(c, k, round, c->peer[p].name);
    if (peer_run(&c->peer[p], k, &rate, s->why, sizeof s->why))
        add_sample(s, rate);
    else
        s->count = 0;
}

/* probe NULL: no limits. */
static bool our_round(const Contest *c, Case *k, int round, Runner *r, LimitsProbe *probe, Error *err)
{
    double took;
    progress(c, k, round, "anerun");
    /* Twice: the first run finds the caches and the threads as the peers left them, and peers warm up too. */
    if (!run_case(r, k, &took, err) || !run_case(r, k, &took, err))
        return false;
    add_sample(&k->samples[0], k->tokens / took);
    if (probe) {
        Limits l = limits_measure(probe, &r->compute);
        add_sample(&k->limit, k->tokens / (k->kind == CASE_DECODE ? k->bytes / l.read : k->flops / l.flops));
    }
    return true;
}

static bool run_contest(Contest *c, Package *package, LimitsProbe *probe, Error *err)
{
    bool ok = true;
    for (int i = 0; ok && i < c->cases; i++) {
        Case *k = &c->list[i];
        Runner r;
        ok = open_runner(&r, package, k->threads, err) && warm_up(&r, k, err);
        for (int round = 0; ok && round < c->rounds; round++) {
            bool first = round % 2 == 0;
            if (first)
                ok = our_round(c, k, round, &r, probe, err);
            for (int p = 0; p < c->peers; p++)
                peer_round(c, k, round, p);
            if (!first)
                ok = our_round(c, k, round, &r, probe, err);
        }
        close_runner(&r);
    }
    if (!opt.quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    return ok;
}

static Case *add_case(Contest *c, CaseKind kind, int threads, int tokens)
{
    c->list = xrealloc(c->list, (size_t)(c->cases + 1) * sizeof *c->list);
    Case *k = &c->list[c->cases++];
    *k = (Case){.kind = kind, .threads = threads, .tokens = tokens, .prompt = (int)opt.prompt};
    k->samples = xcalloc((size_t)c->peers + 1, sizeof *k->samples);
    return k;
}

/* As much memory as the weights take, 64 MB at the least. */
static LimitsProbe *open_probe(const Manifest *m, Error *err)
{
    uint64_t bytes = 64u << 20, most = 1u << 30;
    for (int i = 0; i < m->files; i++)
        bytes = m->file[i].size > bytes ? m->file[i].size : bytes;
    return limits_open((size_t)(bytes < most ? bytes : most), err);
}

static bool plan_cases(Contest *c, Package *package, Error *err)
{
    int threads[MOST_LISTED] = {1, pool_default_threads()}, counts = threads[1] > 1 ? 2 : 1;
    int lengths[MOST_LISTED], prefills;
    if (opt.threads && !read_list("--threads", opt.threads, MOST_THREADS, threads, &counts, err))
        return false;
    if (!read_list("--prefill", opt.prefill, 1 << 20, lengths, &prefills, err))
        return false;
    Runner r;
    bool ok = open_runner(&r, package, 1, err);
    int longest = ok ? session_longest_prompt(r.session) : 0, context = ok ? session_context(r.session) : 0;
    close_runner(&r);
    if (ok && opt.decode && (opt.prompt > longest || opt.prompt + opt.decode > context))
        ok = error_set(err, "--prompt %lld and --decode %lld: the model's context is %d tokens",
                       (long long)opt.prompt, (long long)opt.decode, context);
    for (int t = 0; ok && t < counts; t++) {
        for (int i = 0; i < prefills; i++)
            if (lengths[i] <= longest)
                add_case(c, CASE_PREFILL, threads[t], lengths[i]);
        if (opt.decode)
            add_case(c, CASE_DECODE, threads[t], (int)opt.decode);
    }
    return ok && (c->cases > 0 || error_set(err, "nothing to measure"));
}

static void free_contest(Contest *c)
{
    for (int i = 0; i < c->cases; i++)
        free(c->list[i].samples);
    for (int i = 0; i < c->peers; i++) {
        free((char *)(uintptr_t)c->peer[i].name);
        free((char *)(uintptr_t)c->peer[i].command);
    }
    free(c->list);
    free(c->peer);
}

static bool measure(Contest *c, Error *err)
{
    Package *package = package_open(c->package, NULL, NULL, err);
    LimitsProbe *probe = NULL;
    Text table = {0};
    bool ok = package && peers_find(c, &opt.peers, err) && plan_cases(c, package, err) &&
              (opt.no_limits || (probe = open_probe(package_manifest(package), err))) &&
              run_contest(c, package, probe, err);
    limits_close(probe);
    if (ok) {
        report_table(c, &table);
        fputs(table.data, stdout);
        ok = (!opt.json || report_json(c, opt.json, err)) && (!opt.svg || report_svg(c, opt.svg, err));
    }
    text_free(&table);
    package_close(package);
    return ok;
}

int anebench_speed(int argc, char **argv)
{
    Error err;
    const char *path = tool_one_path(flags, FLAGS, argc, argv, &opt.help, "a package", &err);
    if (!path)
        return tool_usage(argv[0], &err);
    if (opt.help)
        return print_help();
    char device[64];
    snprintf(device, sizeof device, "cpu, %s", kernels_level_name(kernels_get()->level));
    Contest c = {.package = path, .device = device, .rounds = (int)opt.rounds};
    bool ok = measure(&c, &err);
    free_contest(&c);
    free(opt.peers.item);
    return ok ? 0 : tool_fail(argv[0], &err);
}
