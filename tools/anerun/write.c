/* anerun PACKAGE: continues a prompt, or writes the logits of given ids. Reads the command line and wires the
 * runtime together; the work is in runtime/. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/threads.h"
#include "runtime/generate.h"
#include "tools/anerun/chat.h"
#include "tools/anerun/commands.h"
#include "tools/anerun/compare.h"
#include "tools/anerun/numerics.h"
#include "tools/anerun/package.h"
#include "tools/anerun/trace.h"
#include "tools/shared/engine.h"

enum { PROMPT_LIMIT = 64 << 20 };

typedef struct Options {
    const char *package, *prompt, *prompt_file, *system, *system_file, *template, *messages;
    const char *device, *require, *numerics, *profile, *ids, *logits, *expect, *framework;
    int64_t tokens, top_k, seed, threads, prefill_only;
    double temp, top_p, min_p, repeat_penalty, seconds, bound;
    FlagList stops;
    bool greedy, ignore_eos, stats, trace, strict, compare, tokenize, chat, show_prompt, help, version, quiet;
} Options;

static Options opt = {.numerics = "fp32",
                      .tokens = 256,
                      .top_k = 40,
                      .seed = -1,
                      .prefill_only = -1,
                      .temp = 0.8,
                      .top_p = 0.95,
                      .repeat_penalty = 1.0,
                      .seconds = ANE_SECONDS,
                      .bound = ENGINE_BOUND};

static const Flag flags[] = {
    {FLAG_GROUP, "Prompt", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_TEXT, "--prompt", "-p", "TEXT", &opt.prompt, 0, 0, "the text to continue; - reads standard input"},
    {FLAG_TEXT, "--prompt-file", "-f", "FILE", &opt.prompt_file, 0, 0, "read the prompt from a file"},
    {FLAG_GROUP, "Conversation", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_BOOL, "--chat", NULL, NULL, &opt.chat, 0, 0,
     "talk to the model; without a terminal, each line of standard input is a message"},
    {FLAG_TEXT, "--system", NULL, "TEXT", &opt.system, 0, 0, "the system message"},
    {FLAG_TEXT, "--system-file", NULL, "FILE", &opt.system_file, 0, 0, "read it from a file"},
    {FLAG_TEXT, "--template", NULL, "NAME", &opt.template, 0, 0,
     "how the model wants conversations written, instead of the package's own template: chatml, gemma, "
     "llama2, llama3, mistral, phi3, plain, zephyr"},
    {FLAG_TEXT, "--messages", NULL, "FILE", &opt.messages, 0, 0,
     "reply once to a conversation, a JSON list of messages with role and content"},
    {FLAG_BOOL, "--show-prompt", NULL, NULL, &opt.show_prompt, 0, 0,
     "print the text that the template makes of --messages, and stop"},
    {FLAG_GROUP, "Generation", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_INT, "--tokens", "-n", "N", &opt.tokens, 0, 1e9, "most new tokens (256)"},
    {FLAG_NUMBER, "--temp", NULL, "T", &opt.temp, 0, 100, "temperature; 0 is --greedy (0.8)"},
    {FLAG_INT, "--top-k", NULL, "K", &opt.top_k, 0, 1e9, "keep the K likeliest tokens; 0 is off (40)"},
    {FLAG_NUMBER, "--top-p", NULL, "P", &opt.top_p, 0, 1,
     "keep the likeliest tokens up to this probability; 1 is off (0.95)"},
    {FLAG_NUMBER, "--min-p", NULL, "P", &opt.min_p, 0, 1,
     "drop tokens below P times the likeliest; 0 is off (0)"},
    {FLAG_NUMBER, "--repeat-penalty", NULL, "R", &opt.repeat_penalty, 0.01, 100,
     "make the last 64 tokens less likely by R; 1 is off (1)"},
    {FLAG_BOOL, "--greedy", NULL, NULL, &opt.greedy, 0, 0, "always take the likeliest token"},
    {FLAG_INT, "--seed", NULL, "S", &opt.seed, 0, 9e15,
     "same seed, same text (default: a new one each time; --stats prints it)"},
    {FLAG_LIST, "--stop", NULL, "TEXT", &opt.stops, 0, 0, "end before this text; may be given several times"},
    {FLAG_BOOL, "--ignore-eos", NULL, NULL, &opt.ignore_eos, 0, 0,
     "go on after the token that ends the model's texts, or begins them"},
    {FLAG_GROUP, "Running", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_TEXT, "--device", NULL, "auto|ane|cpu", &opt.device, 0, 0,
     "where prefill runs: the Neural Engine where there is one, it and nothing else, or the CPU (auto)"},
    {FLAG_TEXT, "--require", NULL, "ane", &opt.require, 0, 0,
     "fail unless the prefill runs on the Neural Engine"},
    {FLAG_NUMBER, "--ane-timeout", NULL, "S", &opt.seconds, 0, 1e6,
     "fail where the Neural Engine has not answered after so many seconds (ten times as many for compiling); "
     "0: wait for ever (30)"},
    {FLAG_TEXT, "--framework", NULL, "FILE", &opt.framework, 0, 0,
     "take the Neural Engine's framework from this shared object, or, where it is empty, from the program "
     "itself (the system's; for tests)"},
    {FLAG_INT, "--threads", "-t", "N", &opt.threads, 1, 1024, "CPU threads (default: one a fast core)"},
    {FLAG_BOOL, "--stats", NULL, NULL, &opt.stats, 0, 0,
     "one line of statistics on standard error at the end"},
    {FLAG_BOOL, "--trace", NULL, NULL, &opt.trace, 0, 0,
     "time, GB/s, GFLOP/s and value range of every step, and their sums beside what the machine can do at "
     "the most, on standard error"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "no progress and no notes"},
    {FLAG_GROUP, "Numerics", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_TEXT, "--numerics", NULL, "fp32|ane", &opt.numerics, 0, 0,
     "ane: compute the prefill's programs on the CPU as the Neural Engine would, as far as that is known, "
     "and say what overflows; slow (fp32)"},
    {FLAG_TEXT, "--profile", NULL, "NAME", &opt.profile, 0, 0,
     "the chip whose numerics are modelled, or a profile file (the package's)"},
    {FLAG_BOOL, "--strict-numerics", NULL, NULL, &opt.strict, 0, 0,
     "with --numerics ane: exit 1 where something overflows"},
    {FLAG_GROUP, "Checking", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_BOOL, "--compare", NULL, NULL, &opt.compare, 0, 0,
     "run every program of the prompt's prefill on the Neural Engine (with --numerics ane: on its model) and "
     "on the CPU: how far apart they are; exit 1 where one is beyond the bound"},
    {FLAG_NUMBER, "--bound", NULL, "R", &opt.bound, 0, 1e9,
     "with --compare: the largest error, relative to a result's largest element (0.02)"},
    {FLAG_BOOL, "--tokenize", NULL, NULL, &opt.tokenize, 0, 0, "print the prompt's token ids and stop"},
    {FLAG_TEXT, "--ids", NULL, "1,2,3", &opt.ids, 0, 0,
     "run these token ids instead of a prompt; needs --logits, --expect or --compare"},
    {FLAG_TEXT, "--logits", NULL, "FILE", &opt.logits, 0, 0,
     "write float32 little-endian logits, one row of the vocabulary for each id"},
    {FLAG_TEXT, "--expect", NULL, "FILE", &opt.expect, 0, 0,
     "compare with another implementation's logits, a file as --logits writes it: the relative L2 error "
     "of each row; exit 1 where one is above 5e-3"},
    {FLAG_INT, "--prefill-only", NULL, "K", &opt.prefill_only, 0, 1e9,
     "with --ids: prefill the first K ids, decode the rest through the KV cache (default: prefill all)"},
    {FLAG_GROUP, "Other", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
    {FLAG_BOOL, "--version", NULL, NULL, &opt.version, 0, 0, "print the version"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    if (interrupted && !opt.chat)
        _exit(128 + sig);
    interrupted = 1;
}

static int fail(const Error *err)
{
    return tool_fail("anerun", err);
}

static int usage(const Error *err)
{
    return tool_usage("anerun", err);
}

static int print_help(void)
{
    tool_help(
        "usage: anerun PACKAGE (--prompt TEXT | --prompt-file FILE | -) [options]\n"
        "       anerun PACKAGE (--chat | --messages FILE) [options]\n\n"
        "Runs a package made by anec: prefills the prompt, then writes its continuation to stdout (on a\n"
        "terminal, behind the prompt); or keeps a conversation.\n\n",
        flags, FLAGS, "\n");
    commands_help();
    printf("Example:\n  anec models/gpt2.anel --weights models/tales -o tales.pkg\n"
           "  anerun tales.pkg --prompt \"Once upon a time\" --stats\n");
    return 0;
}

/* ---- inputs ---- */

static bool read_prompt(char **text, size_t *size, Error *err)
{
    if (opt.prompt && strcmp(opt.prompt, "-") != 0) {
        *text = xstrdup(opt.prompt);
        *size = strlen(opt.prompt);
        return true;
    }
    return file_read(opt.prompt ? "-" : opt.prompt_file, PROMPT_LIMIT, text, size, err);
}

/* "1,2,3" or "1 2 3". */
static bool read_ids(const char *text, int32_t **ids, size_t *count, Error *err)
{
    size_t cap = 0;
    *ids = NULL;
    *count = 0;
    for (const char *p = text; *p;) {
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            free(*ids);
            *ids = NULL;
            return error_set(err, "--ids: \"%s\" is not a list of token ids such as 1,2,3", text);
        }
        if (*count == cap)
            *ids = xrealloc(*ids, (cap = cap ? 2 * cap : 64) * sizeof **ids);
        (*ids)[(*count)++] = (int32_t)v;
        p = end + strspn(end, ", \n\t");
    }
    return *count || error_set(err, "--ids: there are none");
}

/* ---- checking: logits of given ids ---- */

enum { LOGITS_LIMIT = 1 << 30 };
static const double FINE = 5e-3; /* fp16 weights and activations stay below it */

/* Logits that another implementation made, and how far from them we are. */
typedef struct Expected {
    char *data;
    size_t size;
    double worst;
} Expected;

static size_t likeliest(const float *row, int vocab)
{
    size_t best = 0;
    for (size_t i = 1; i < (size_t)vocab; i++)
        best = row[i] > row[best] ? i : best;
    return best;
}

/* One line for one row: its error, and the token that is likeliest in each. */
static void compare_row(Expected *e, int at, int32_t id, const float *row, int vocab)
{
    double difference = 0, length = 0;
    float *other = xmalloc((size_t)vocab * sizeof *other);
    memcpy(other, e->data + (size_t)at * (size_t)vocab * 4, (size_t)vocab * 4);
    for (int i = 0; i < vocab; i++) {
        double d = (double)row[i] - (double)other[i];
        difference += d * d;
        length += (double)other[i] * (double)other[i];
    }
    double error = length > 0 ? sqrt(difference / length) : difference > 0 ? INFINITY : 0;
    error = isnan(error) ? INFINITY : error;
    e->worst = error > e->worst ? error : e->worst;
    size_t ours = likeliest(row, vocab), theirs = likeliest(other, vocab);
    printf("%4d  token %-6d  error %.2e  likeliest %zu%s", at, (int)id, error, ours,
           ours == theirs ? "" : ", expected ");
    if (ours != theirs)
        printf("%zu", theirs);
    putchar('\n');
    free(other);
}

static bool read_expected(Expected *e, int rows, int vocab, Error *err)
{
    if (!file_read(opt.expect, LOGITS_LIMIT, &e->data, &e->size, err))
        return false;
    size_t wanted = (size_t)rows * (size_t)vocab * 4;
    return e->size == wanted || error_set(err, "%s: holds %zu bytes; %d rows of %d float32 are %zu",
                                          opt.expect, e->size, rows, vocab, wanted);
}

static bool put_row(FileWriter *out, const float *logits, int vocab, Error *err)
{
    uint8_t *row = xmalloc((size_t)vocab * 4);
    for (int i = 0; i < vocab; i++) {
        uint32_t u;
        memcpy(&u, &logits[i], 4);
        for (int k = 0; k < 4; k++)
            row[4 * i + k] = (uint8_t)(u >> 8 * k);
    }
    bool ok = file_write(out, row, (size_t)vocab * 4, err);
    free(row);
    return ok;
}

static bool put_logits(Session *s, FileWriter *out, Expected *expected, const int32_t *ids, int count,
                       int prefill, Error *err)
{
    if (prefill && !session_prefill(s, ids, prefill, err))
        return false;
    for (int i = 0; i < count; i++) {
        const float *logits =
            i < prefill ? session_prefill_logits(s, i, err) : session_decode(s, ids[i], err);
        if (!logits || (out && !put_row(out, logits, session_vocab(s), err)))
            return false;
        if (expected)
            compare_row(expected, i, ids[i], logits, session_vocab(s));
    }
    return true;
}

static int run_ids(Session *s)
{
    Error err;
    int32_t *ids;
    size_t count;
    if (!read_ids(opt.ids, &ids, &count, &err))
        return usage(&err);
    int prefill =
        opt.prefill_only < 0 || opt.prefill_only > (int64_t)count ? (int)count : (int)opt.prefill_only;
    Expected expected = {0};
    bool ok = !opt.expect || read_expected(&expected, (int)count, session_vocab(s), &err);
    FileWriter *out = ok && opt.logits ? file_create(opt.logits, &err) : NULL;
    ok = ok && (out || !opt.logits) &&
         put_logits(s, out, opt.expect ? &expected : NULL, ids, (int)count, prefill, &err);
    if (ok && out)
        ok = file_close(out, &err);
    else if (out)
        file_abandon(out);
    struct stat st;
    if (!ok && out && lstat(opt.logits, &st) == 0 && S_ISREG(st.st_mode))
        unlink(opt.logits); /* half a file would look like a whole one */
    free(expected.data);
    free(ids);
    if (ok && opt.expect)
        printf("worst relative L2 error %.2e: %s\n", expected.worst,
               expected.worst <= FINE ? "fine" : "wrong");
    return !ok ? fail(&err) : expected.worst <= FINE ? 0 : EXIT_USER;
}

/* ---- generation ---- */

static int write_error; /* errno of the first failure */

static bool put_text(void *context, const char *text, size_t size)
{
    (void)context;
    if (fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0)
        return true;
    write_error = errno;
    return false;
}

static uint64_t pick_seed(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec * 1000003u ^ (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 20) % 1000000000u;
}

static void print_stats(const Device *device, const Device *ane, const GenerateStats *g, uint64_t seed)
{
    int decoded = g->tokens > 1 ? g->tokens - 1 : 0; /* the first token comes out of the prefill */
    int processes = ane ? ane_device_processes(ane) : 1;
    fprintf(stderr, "prompt %d tokens, bucket %d, prefill %.1f ms; %d tokens, %.1f tokens/s; ",
            g->prompt_tokens, g->bucket, g->prefill_ms, g->tokens,
            g->decode_ms > 0 ? decoded / g->decode_ms * 1e3 : 0.0);
    if (processes > 1)
        fprintf(stderr, "ane in %d processes for prefill, ", processes);
    else if (ane)
        fprintf(stderr, "ane for prefill, ");
    fprintf(stderr, "%s (%s); seed %llu\n", device->name, device->description, (unsigned long long)seed);
}

static void print_end(const Session *s, const GenerateStats *g)
{
    if (g->end == END_CONTEXT && !opt.quiet)
        fprintf(stderr, "anerun: note: stopped: the text has reached the model's context of %d tokens\n",
                session_context(s));
}

static void add_id(int32_t **ids, size_t *count, int32_t id)
{
    *ids = xrealloc(*ids, (*count + 1) * sizeof **ids);
    (*ids)[(*count)++] = id;
}

/* The prompt's ids, behind the token that the tokenizer's texts begin with; where it has none, an empty
 * prompt begins with the model's begin-of-text token. */
static bool tokenize_prompt(const Tokenizer *t, const ModelInfo *model, int32_t **ids, size_t *count,
                            Error *err)
{
    char *text;
    size_t size;
    *ids = NULL;
    *count = 0;
    if (!read_prompt(&text, &size, err))
        return false;
    if (tokenizer_begin(t) >= 0)
        add_id(ids, count, tokenizer_begin(t));
    bool ok = tokenizer_encode(t, text, size, false, ids, count, err);
    if (ok && !opt.tokenize && !opt.quiet && isatty(STDOUT_FILENO))
        (void)put_text(NULL, text, size); /* a person reads the story from its beginning */
    free(text);
    if (ok && *count == 0 && model->bos >= 0 && !opt.tokenize)
        add_id(ids, count, (int32_t)model->bos);
    return ok;
}

static int print_ids(const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf(i ? " %d" : "%d", (int)ids[i]);
    putchar('\n');
    return 0;
}

static SamplerOptions sampling(void)
{
    SamplerOptions so = sampler_defaults();
    so.temperature = (float)opt.temp;
    so.top_k = (int)opt.top_k;
    so.top_p = (float)opt.top_p;
    so.min_p = (float)opt.min_p;
    so.repeat_penalty = (float)opt.repeat_penalty;
    so.greedy = opt.greedy;
    so.seed = opt.seed >= 0 ? (uint64_t)opt.seed : pick_seed();
    return so;
}

static GenerateOptions generation(void)
{
    return (GenerateOptions){.tokens = (int)opt.tokens,
                             .stops = opt.stops.item,
                             .stop_count = opt.stops.count,
                             .ignore_eos = opt.ignore_eos,
                             .interrupted = &interrupted,
                             .emit = put_text};
}

static int write_text(Session *s, const Device *device, const Device *ane, const Tokenizer *t,
                      const int32_t *ids, size_t count)
{
    Error err;
    SamplerOptions so = sampling();
    Sampler *sampler = sampler_new(&so, session_vocab(s), &err);
    if (!sampler)
        return fail(&err);
    GenerateOptions g = generation();
    GenerateStats stats;
    bool ok = generate(s, t, sampler, ids, (int)count, &g, &stats, &err);
    sampler_free(sampler);
    if (!ok)
        return fail(&err);
    (void)put_text(NULL, "\n", 1);
    if (write_error == EPIPE)
        return EXIT_USER; /* the reader has gone, and knows */
    if (write_error) {
        error_set_errno(&err, write_error, "cannot write the text");
        return fail(&err);
    }
    print_end(s, &stats);
    if (opt.stats)
        print_stats(device, session_uses_ane(s) ? ane : NULL, &stats, so.seed);
    return interrupted ? 130 : 0;
}

/* ---- conversation ---- */

static int run_chat(Session *s, Package *package)
{
    Error err;
    ChatOptions o = {.system = opt.system,
                     .system_file = opt.system_file,
                     .messages = opt.messages,
                     .show_prompt = opt.show_prompt,
                     .tokenize = opt.tokenize,
                     .stats = opt.stats,
                     .quiet = opt.quiet,
                     .sampling = sampling(),
                     .generate = generation(),
                     .interrupted = &interrupted};
    Tokenizer *t = open_tokenizer(package, opt.package, &err);
    Sampler *sampler = t ? sampler_new(&o.sampling, session_vocab(s), &err) : NULL;
    Talk *talk = sampler ? talk_new(package, s, t, sampler, opt.template, &err) : NULL;
    int status = talk ? chat_run(talk, s, sampler, &o) : fail(&err);
    talk_free(talk);
    sampler_free(sampler);
    tokenizer_close(t);
    return status;
}

/* ---- wiring ---- */

/* While one thread reads the tokenizer, another makes the programs ready that a prompt of so many bytes will
 * probably need. */
typedef struct Start {
    Session *s;
    const Package *package;
    Tokenizer *tokenizer; /* NULL: err says why */
    Error err;
} Start;

enum { BYTES_A_TOKEN = 4 /* of English */ };

static void start_part(void *context, int index, int count)
{
    Start *start = context;
    size_t size = opt.prompt ? strlen(opt.prompt) : 0;
    (void)count;
    if (index == 0)
        start->tokenizer = open_tokenizer(start->package, opt.package, &start->err);
    else if (size < PROMPT_LIMIT)
        session_prepare(start->s, 1 + (int)size / BYTES_A_TOKEN);
}

static Tokenizer *start_session(Session *s, const Package *package, Error *err)
{
    Start start = {.s = s, .package = package};
    Pool *pool = pool_new(opt.threads == 1 || opt.tokenize ? 1 : 2);
    pool_run(pool, start_part, &start);
    pool_free(pool);
    *err = start.err;
    return start.tokenizer;
}

static int run_prompt(Session *s, const Device *device, const Device *ane, const Package *package)
{
    Error err;
    Tokenizer *t = start_session(s, package, &err);
    if (!t)
        return fail(&err);
    int32_t *ids;
    size_t count;
    int status;
    if (!tokenize_prompt(t, &package_manifest(package)->plan.model, &ids, &count, &err))
        status = fail(&err);
    else if (opt.tokenize)
        status = print_ids(ids, count);
    else
        status = write_text(s, device, ane, t, ids, count);
    free(ids);
    tokenizer_close(t);
    return status;
}

/* The engine is there, but took no program: nobody expects that, so --quiet does not hide it. */
static void say_refused(const Error *why)
{
    fprintf(stderr, "anerun: warning: the prefill runs on the CPU: %s\n", why->text);
}

static bool must_use_ane(void)
{
    return opt.require || strcmp(opt.device, "ane") == 0;
}

static bool models_engine(void)
{
    return strcmp(opt.numerics, "ane") == 0;
}

/* The Neural Engine, where it is wanted. False where it has to be there and is not; *ane is NULL where the
 * CPU takes its place. */
static bool open_ane(Device **ane, const Package *package, Error *err)
{
    EngineOptions options = {.framework = opt.framework,
                             .plan = &package_manifest(package)->plan,
                             .seconds = opt.seconds,
                             .remember = true};
    *ane = NULL;
    if (strcmp(opt.device, "cpu") == 0 || models_engine())
        return true;
    *ane = engine_open(&options, err);
    if (*ane)
        return true;
    if (opt.compare)
        return error_prefix(err, "--compare");
    if (must_use_ane())
        return error_prefix(err, "--%s ane", opt.require ? "require" : "device");
#ifdef __APPLE__
    if (!opt.quiet)
        fprintf(stderr, "anerun: note: the prefill runs on the CPU: %s\n", err->text);
#endif
    return true;
}

/* The ids of --ids, or of the prompt. */
static bool ids_to_compare(const Package *package, int32_t **ids, size_t *count, Error *err)
{
    if (opt.ids)
        return read_ids(opt.ids, ids, count, err);
    Tokenizer *t = open_tokenizer(package, opt.package, err);
    opt.quiet = true; /* the table stands alone */
    bool ok = t && tokenize_prompt(t, &package_manifest(package)->plan.model, ids, count, err);
    tokenizer_close(t);
    return ok;
}

static int run_compare(Package *package, Device *cpu, Device *tested)
{
    Error err;
    Text out = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    bool within = false;
    bool ok = ids_to_compare(package, &ids, &count, &err) &&
              engine_compare(package, tested, cpu, ids, (int)count, opt.bound, &out, &within, &err);
    free(ids);
    if (ok)
        return tool_print("anerun", &out) == 0 && within ? 0 : EXIT_USER;
    text_free(&out);
    return fail(&err);
}

static int run(Package *package, Device *device, Device *ane, Device *model)
{
    if (opt.compare)
        return run_compare(package, device, model ? model : ane);
    Error err;
    Tracing tracing = {0};
    Session *s = session_new(package, device, &err);
    if (!s)
        return fail(&err);
    if (model || must_use_ane())
        session_use_ane(s, model ? model : ane);
    else
        session_try_ane(s, ane, say_refused);
    if (opt.trace)
        session_trace(s, tracing_begin(&tracing, (int)opt.threads));
    int status = opt.ids                    ? run_ids(s)
                 : opt.chat || opt.messages ? run_chat(s, package)
                                            : run_prompt(s, device, ane, package);
    if (opt.trace)
        tracing_end(&tracing);
    session_free(s);
    return status;
}

/* The same with the programs of the Neural Engine on a device that computes as it would. */
static int run_modelled(Package *package, Device *device)
{
    Error err;
    Arena a = {0};
    const Plan *plan = &package_manifest(package)->plan;
    Engine *engine = numerics_open(&a, opt.profile ? opt.profile : plan->profile, &err);
    DeviceOptions options = {.threads = 1, .engine = engine};
    Device *model = engine ? cpu_device_open(&options, &err) : NULL;
    int status = model ? run(package, device, NULL, model) : fail(&err);
    if (model && !opt.tokenize && numerics_report(engine, plan, NULL) && opt.strict && status == 0)
        status = EXIT_USER;
    device_close(model);
    engine_free(engine);
    arena_free(&a);
    return status;
}

static bool check_options(Error *err)
{
    int sources = (opt.prompt != NULL) + (opt.prompt_file != NULL) + (opt.ids != NULL) +
                  (opt.messages != NULL) + opt.chat;
    if (sources != 1)
        return error_set(err, sources ? "give one of --prompt, --prompt-file, --chat, --messages and --ids"
                                      : "give a prompt: --prompt TEXT");
    if ((opt.system || opt.system_file || opt.template) && !opt.chat && !opt.messages)
        return error_set(err, "--system and --template need --chat or --messages");
    if (opt.system && opt.system_file)
        return error_set(err, "give one of --system and --system-file");
    if ((opt.show_prompt || (opt.chat && opt.tokenize)) && !opt.messages)
        return error_set(err, "%s needs --messages", opt.show_prompt ? "--show-prompt" : "--tokenize");
    if (opt.ids && !opt.logits && !opt.expect && !opt.compare)
        return error_set(err, "--ids needs --logits FILE or --expect FILE");
    if (opt.compare && (opt.logits || opt.expect || opt.chat || opt.messages || opt.tokenize))
        return error_set(err, "--compare takes a prompt or --ids, and prints its table alone");
    if ((opt.logits || opt.expect) && !opt.ids)
        return error_set(err, "%s needs --ids", opt.logits ? "--logits" : "--expect");
    if (opt.prefill_only >= 0 && !opt.ids)
        return error_set(err, "--prefill-only needs --ids");
    if (!opt.device) {
        const char *usual = opt.require || models_engine() ? NULL : getenv("ANEC_DEVICE");
        opt.device = usual && *usual ? usual : "auto";
    }
    if (strcmp(opt.device, "auto") != 0 && strcmp(opt.device, "ane") != 0 && strcmp(opt.device, "cpu") != 0)
        return error_set(err, "--device: \"%s\" is not auto, ane or cpu", opt.device);
    if (opt.compare && !models_engine() && strcmp(opt.device, "cpu") == 0)
        return error_set(err, "--compare needs the Neural Engine, or --numerics ane: not --device cpu");
    if (strcmp(opt.numerics, "fp32") != 0 && !models_engine())
        return error_set(err, "--numerics: \"%s\" is not fp32 or ane", opt.numerics);
    if ((opt.strict || opt.profile) && !models_engine())
        return error_set(err, "--profile and --strict-numerics need --numerics ane");
    if (models_engine() && (opt.require || strcmp(opt.device, "ane") == 0))
        return error_set(err, "--numerics ane runs on the CPU: not with --device ane and --require");
    if (opt.require && (strcmp(opt.require, "ane") != 0 || strcmp(opt.device, "cpu") == 0))
        return error_set(err, "--require: what can be required is ane, and not with --device cpu");
    return true;
}

static bool read_command_line(int argc, char **argv, Error *err)
{
    const char **rest = xcalloc((size_t)argc, sizeof *rest);
    int rests = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, rest, &rests, err);
    if (ok && !opt.help && !opt.version) {
        if (rests == 2 && strcmp(rest[1], "-") == 0 && !opt.prompt) {
            opt.prompt = "-";
            rests = 1;
        }
        if (rests == 1) {
            opt.package = rest[0];
            ok = check_options(err);
        } else {
            ok = error_set(err, rests ? "one package at a time" : "which package?");
        }
    }
    free(rest);
    return ok;
}

int anerun_write(int argc, char **argv)
{
    Error err;
    if (!read_command_line(argc, argv, &err))
        return usage(&err);
    if (opt.help)
        return print_help();
    if (opt.version)
        return printf("anerun %s\n", ANEC_VERSION) < 0;
    Package *package = open_package(opt.package, opt.quiet, &err);
    if (!package)
        return fail(&err);
    DeviceOptions options = {.threads = (int)opt.threads};
    Device *device = cpu_device_open(&options, &err);
    if (!device) {
        package_close(package);
        return fail(&err);
    }
    struct sigaction on = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &on, NULL);
    Device *ane;
    int status = !open_ane(&ane, package, &err) ? fail(&err)
                 : models_engine()              ? run_modelled(package, device)
                                                : run(package, device, ane, NULL);
    device_close(ane);
    device_close(device);
    package_close(package);
    free(opt.stops.item);
    return status;
}
