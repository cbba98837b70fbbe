/* anebench fused: what it costs to ask a device, what one program saves over many, and how fast packages
 * prefill and decode, bucket by bucket. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/median.h"
#include "tools/anebench/chain.h"
#include "tools/anebench/commands.h"
#include "tools/anebench/drive.h"
#include "tools/shared/engine.h"

enum { MOST_ROUNDS = 99, BLOCKS = 24, MOST_PACKAGES = 8, MOST_BUCKETS = 16 };

static struct {
    const char *device, *framework, *json;
    int64_t rounds, threads, decode;
    bool quick, help;
} opt = {.device = "auto", .rounds = 5, .decode = 32};

static const Flag flags[] = {
    {FLAG_TEXT, "--device", NULL, "auto|ane|cpu", &opt.device, 0, 0,
     "where the programs run that are meant for the Neural Engine: there, on the CPU, or wherever it goes "
     "(auto)"},
    {FLAG_INT, "--rounds", NULL, "N", &opt.rounds, 1, MOST_ROUNDS, "runs of every case; medians count (5)"},
    {FLAG_INT, "--decode", NULL, "N", &opt.decode, 0, 1e6, "tokens to decode; 0: none (32)"},
    {FLAG_INT, "--threads", "-t", "N", &opt.threads, 1, 1024, "CPU threads (default: one a core)"},
    {FLAG_BOOL, "--no-chains", NULL, NULL, &opt.quick, 0, 0, "only the packages, no chains of blocks"},
    {FLAG_TEXT, "--json", NULL, "FILE", &opt.json, 0, 0, "write every number as JSON"},
    {FLAG_TEXT, "--framework", NULL, "FILE", &opt.framework, 0, 0,
     "take the Neural Engine's framework from this shared object, or, where it is empty, from the program "
     "itself: for a stand-in"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int print_help(void)
{
    return tool_help(
        "usage: anebench fused PACKAGE... [options]\n\n"
        "Measures, on whichever device there is: 1 to 24 blocks as wide as the package's model in one\n"
        "program and in a program each, and so what a dispatch costs; then each package's prefill in every\n"
        "bucket and its decode. Give packages of one model that were fused differently to\n"
        "compare them.\n\n",
        flags, FLAGS,
        "\nExample:\n"
        "  anebench fused pair.pkg block.pkg --json fused.json\n");
}

/* ---- numbers ---- */

/* Times of the rounds, in milliseconds. */
typedef struct Times {
    double ms[MOST_ROUNDS];
    int count;
} Times;

static void add_time(Times *t, double seconds)
{
    t->ms[t->count++] = seconds * 1e3;
}

static double median(Times *t)
{
    return median_of(t->ms, t->count);
}

/* From the quickest to the slowest, as a part of the median. */
static double spread(Times *t)
{
    double middle = median(t);
    return middle > 0 ? (t->ms[t->count - 1] - t->ms[0]) / middle : 0;
}

/* ---- chains ---- */

static const int counts[] = {1, 2, 4, 8, 12, 16, 24};
enum { COUNTS = sizeof counts / sizeof *counts };

typedef struct Chains {
    int64_t width, length;
    Times one[COUNTS], many[COUNTS];
} Chains;

static bool run_parts(Chain *part, int count, Times *t, Error *err)
{
    double start = clock_seconds();
    for (int i = 0; i < count; i++) {
        if (i > 0)
            memcpy(part[i].in, part[i - 1].out, part[i].bytes);
        if (!chain_run(&part[i], err))
            return false;
    }
    add_time(t, clock_seconds() - start);
    return true;
}

/* One round more than counts: the first warms up. */
static bool time_parts(Chain *part, int count, Times *t, Error *err)
{
    for (int i = 0; i <= opt.rounds; i++) {
        if (!run_parts(part, count, t, err))
            return false;
        t->count -= i == 0;
    }
    return true;
}

static bool time_one(Chains *c, Device *device, int i, Error *err)
{
    Chain whole;
    if (!chain_open(&whole, device, c->width, c->length, 0, counts[i], err))
        return false;
    bool ok = time_parts(&whole, 1, &c->one[i], err);
    chain_close(&whole);
    return ok;
}

static bool time_chains(Chains *c, Device *device, Error *err)
{
    Chain part[BLOCKS];
    bool ok = true;
    memset(part, 0, sizeof part);
    for (int i = 0; ok && i < BLOCKS; i++)
        ok = chain_open(&part[i], device, c->width, c->length, i, 1, err);
    for (int i = 0; ok && i < COUNTS; i++)
        ok = time_parts(part, counts[i], &c->many[i], err) && time_one(c, device, i, err);
    for (int i = 0; i < BLOCKS; i++)
        chain_close(&part[i]);
    return ok;
}

static void chains_table(Chains *c, const char *device, Text *out)
{
    text_printf(out, "blocks of %lld channels over %lld tokens, on %s; us, medians of %d\n\n",
                (long long)c->width, (long long)c->length, device, (int)opt.rounds);
    text_printf(out, "%7s %12s %8s %14s %8s %14s %12s\n", "blocks", "one program", "spread", "a program each",
                "spread", "us a dispatch", "saved a cut");
    for (int i = 0; i < COUNTS; i++) {
        double one = median(&c->one[i]) * 1e3, many = median(&c->many[i]) * 1e3;
        text_printf(out, "%7d %12.1f %6.0f %% %14.1f %6.0f %% %14.1f ", counts[i], one,
                    100 * spread(&c->one[i]), many, 100 * spread(&c->many[i]), many / counts[i]);
        if (counts[i] > 1)
            text_printf(out, "%12.1f\n", (many - one) / (counts[i] - 1));
        else
            text_printf(out, "%12s\n", "-");
    }
    text_putc(out, '\n');
}

/* ---- packages ---- */

typedef struct Bucket {
    int length, dispatches; /* programs for the Neural Engine */
    Times prefill;
} Bucket;

typedef struct Measured {
    const char *path;
    int buckets;
    Bucket bucket[MOST_BUCKETS];
    Times decode; /* of all tokens */
} Measured;

static int count_dispatches(const Entry *e)
{
    int n = 0;
    for (int i = 0; i < e->steps; i++)
        n += e->step[i].program->place == PLACE_ANE;
    return n;
}

static void list_buckets(const Plan *plan, Measured *m)
{
    for (int i = 0; i < plan->entries && m->buckets < MOST_BUCKETS; i++)
        if (plan->entry[i].kind == ENTRY_PREFILL)
            m->bucket[m->buckets++] = (Bucket){.length = (int)plan->entry[i].bucket,
                                               .dispatches = count_dispatches(&plan->entry[i])};
}

/* The first run of each compiles what it needs, and does not count. */
static bool time_session(Session *s, Measured *m, Error *err)
{
    int prompt = m->bucket[0].length < session_longest_prompt(s) ? m->bucket[0].length : 1;
    double took;
    for (int b = 0; b < m->buckets; b++)
        for (int i = 0; i <= opt.rounds; i++) {
            if (!drive_prefill(s, m->bucket[b].length, &took, err))
                return false;
            if (i)
                add_time(&m->bucket[b].prefill, took);
        }
    if (opt.decode && prompt + opt.decode > session_context(s))
        return error_set(err, "--decode %lld: behind a prompt of %d, the model's context of %d is full",
                         (long long)opt.decode, prompt, session_context(s));
    for (int i = 0; opt.decode && i <= opt.rounds; i++) {
        if (!drive_prefill(s, prompt, &took, err) || !drive_decode(s, (int)opt.decode, &took, err))
            return false;
        if (i)
            add_time(&m->decode, took);
    }
    return true;
}

static bool time_package(Package *package, Device *cpu, Device *ane, Measured *m, Error *err)
{
    list_buckets(&package_manifest(package)->plan, m);
    if (!m->buckets)
        return error_set(err, "%s: the package has no prefill", m->path);
    Session *s = session_new(package, cpu, err);
    if (s && ane)
        session_use_ane(s, ane);
    bool ok = s && time_session(s, m, err);
    session_free(s);
    return ok || error_prefix(err, "%s", m->path);
}

static void package_table(Measured *m, Text *out)
{
    text_printf(out, "%s\n\n%8s %11s %10s %10s %8s\n", m->path, "prefill", "dispatches", "ms", "tokens/s",
                "spread");
    for (int i = 0; i < m->buckets; i++) {
        Bucket *b = &m->bucket[i];
        double ms = median(&b->prefill);
        text_printf(out, "%8d %11d %10.2f %10.1f %6.0f %%\n", b->length, b->dispatches, ms,
                    b->length / ms * 1e3, 100 * spread(&b->prefill));
    }
    if (m->decode.count) {
        double ms = median(&m->decode);
        text_printf(out, "%8s %11s %10.2f %10.1f %6.0f %%\n", "decode", "-", ms / (double)opt.decode,
                    (double)opt.decode / ms * 1e3, 100 * spread(&m->decode));
    }
    text_putc(out, '\n');
}

/* ---- JSON ---- */

static json_t *times_json(Times *t)
{
    json_t *all = json_array();
    double middle = median(t), wide = spread(t);
    for (int i = 0; i < t->count; i++)
        json_array_append_new(all, json_real(t->ms[i]));
    return json_pack("{s:f, s:f, s:o}", "median_ms", middle, "spread", wide, "ms", all);
}

static json_t *chains_json(Chains *c)
{
    json_t *all = json_array();
    for (int i = 0; i < COUNTS; i++)
        json_array_append_new(all,
                              json_pack("{s:i, s:o, s:o}", "blocks", counts[i], "one_program",
                                        times_json(&c->one[i]), "a_program_each", times_json(&c->many[i])));
    return json_pack("{s:I, s:I, s:o}", "width", (json_int_t)c->width, "length", (json_int_t)c->length,
                     "chains", all);
}

static json_t *package_json(Measured *m)
{
    json_t *all = json_array();
    for (int i = 0; i < m->buckets; i++) {
        Bucket *b = &m->bucket[i];
        double rate = b->length / median(&b->prefill) * 1e3;
        json_array_append_new(all,
                              json_pack("{s:i, s:i, s:f, s:o}", "tokens", b->length, "dispatches",
                                        b->dispatches, "tokens_s", rate, "times", times_json(&b->prefill)));
    }
    json_t *o = json_pack("{s:s, s:o}", "package", m->path, "prefill", all);
    if (m->decode.count)
        json_object_set_new(o, "decode",
                            json_pack("{s:I, s:f, s:o}", "tokens", (json_int_t)opt.decode, "tokens_s",
                                      (double)opt.decode / median(&m->decode) * 1e3, "times",
                                      times_json(&m->decode)));
    return o;
}

static bool write_json(Chains *c, Measured *m, int count, const char *device, Error *err)
{
    json_t *packages = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(packages, package_json(&m[i]));
    json_t *all =
        json_pack("{s:s, s:i, s:o}", "device", device, "rounds", (int)opt.rounds, "packages", packages);
    if (!opt.quick)
        json_object_set_new(all, "blocks", chains_json(c));
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9) | JSON_PRESERVE_ORDER);
    bool ok = text && file_write_atomic(opt.json, text, strlen(text), err);
    free(text);
    json_decref(all);
    return ok;
}

/* ---- the command ---- */

typedef struct Devices {
    Device *cpu, *ane; /* ane: NULL where the CPU does its work */
} Devices;

static void lower(int64_t *limit, int64_t other)
{
    if (other && (!*limit || other < *limit))
        *limit = other;
}

/* What all of the packages allow. */
static bool find_limits(const char **paths, int count, Plan *limits, Error *err)
{
    for (int i = 0; i < count; i++) {
        Package *package = package_open(paths[i], NULL, NULL, err);
        if (!package)
            return false;
        lower(&limits->compiles, package_manifest(package)->plan.compiles);
        lower(&limits->resident, package_manifest(package)->plan.resident);
        int64_t surface = package_manifest(package)->plan.surface_bytes;
        limits->surface_bytes = surface > limits->surface_bytes ? surface : limits->surface_bytes;
        package_close(package);
    }
    return true;
}

static bool open_devices(Devices *d, const Plan *limits, Error *err)
{
    Error why;
    d->cpu = cpu_device_open(&(DeviceOptions){.threads = (int)opt.threads}, err);
    if (!d->cpu || strcmp(opt.device, "cpu") == 0)
        return d->cpu;
    EngineOptions engine = {.framework = opt.framework, .plan = limits, .seconds = ANE_SECONDS};
    d->ane = engine_open(&engine, &why);
    if (!d->ane && strcmp(opt.device, "ane") == 0)
        return error_set(err, "--device ane: %s", why.text);
    return true;
}

/* The width of the model, and its shortest bucket. */
static bool find_sizes(const Plan *plan, Chains *c, Error *err)
{
    for (int i = 0; i < plan->entries; i++)
        for (int k = 0; k < plan->entry[i].buffers; k++) {
            const Buffer *b = &plan->entry[i].buffer[k];
            bool hidden = plan->entry[i].kind == ENTRY_PREFILL && strcmp(b->name, "hidden") == 0;
            if (hidden && (!c->length || b->type->dim[3] < c->length)) {
                c->width = b->type->dim[1];
                c->length = b->type->dim[3];
            }
        }
    return c->length || error_set(err, "the package has no prefill");
}

static bool measure(const char **paths, int count, const Devices *d, Chains *c, Measured *m, Error *err)
{
    for (int i = 0; i < count; i++) {
        m[i].path = paths[i];
        Package *package = package_open(paths[i], NULL, NULL, err);
        bool ok = package && (i > 0 || opt.quick ||
                              (find_sizes(&package_manifest(package)->plan, c, err) &&
                               time_chains(c, d->ane ? d->ane : d->cpu, err)));
        ok = ok && time_package(package, d->cpu, d->ane, &m[i], err);
        package_close(package);
        if (!ok)
            return false;
    }
    return true;
}

static int run(const char *who, const char **paths, int count)
{
    static Chains chains;
    static Measured measured[MOST_PACKAGES];
    Devices d = {0};
    Error err;
    Text t = {0};
    Plan limits = {.compiles = 0};
    bool ok = find_limits(paths, count, &limits, &err) && open_devices(&d, &limits, &err) &&
              measure(paths, count, &d, &chains, measured, &err);
    const char *device = d.ane ? d.ane->description : d.cpu ? d.cpu->description : "";
    int status = 0;
    if (ok && !opt.quick)
        chains_table(&chains, device, &t);
    for (int i = 0; ok && i < count; i++)
        package_table(&measured[i], &t);
    status = tool_print(who, &t);
    ok = ok && (!opt.json || write_json(&chains, measured, count, device, &err));
    device_close(d.ane);
    device_close(d.cpu);
    return ok ? status : tool_fail(who, &err);
}

static bool right_usage(const char **paths, int count, Error *err)
{
    if (!count)
        return error_set(err, "which package?");
    if (count > MOST_PACKAGES)
        return error_set(err, "at most %d packages at a time", MOST_PACKAGES);
    return strcmp(opt.device, "auto") == 0 || strcmp(opt.device, "ane") == 0 ||
           strcmp(opt.device, "cpu") == 0 ||
           error_set(err, "--device %s is not auto, ane or cpu", opt.device);
}

int anebench_fused(int argc, char **argv)
{
    Error err;
    const char **paths = xcalloc((size_t)argc, sizeof *paths);
    int count = 0, status;
    if (!flags_parse(flags, FLAGS, argc, argv, paths, &count, &err))
        status = tool_usage(argv[0], &err);
    else if (opt.help)
        status = print_help();
    else if (!right_usage(paths, count, &err))
        status = tool_usage(argv[0], &err);
    else
        status = run(argv[0], paths, count);
    free(paths);
    return status;
}
