/* anec MODEL.anel: reads the command line and wires the stages together; the work is in frontend/, passes/
 * and backend/. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/dot.h"
#include "backend/mlpackage/mlpackage.h"
#include "backend/package.h"
#include "base/arena.h"
#include "base/file.h"
#include "frontend/mil/mil.h"
#include "frontend/mlpackage/mlpackage.h"
#include "ir/profile.h"
#include "passes/passes.h"
#include "tools/anec/calibrate.h"
#include "tools/anec/commands.h"
#include "tools/anec/extras.h"
#include "tools/anec/from.h"
#include "tools/anec/inputs.h"

enum { SOURCE_LIMIT = 64 << 20 };

typedef struct Options {
    const char *input, *from, *models, *weights, *output, *profile, *explain_profile, *emit, *dump;
    const char *calibrate, *calibration, *fuse, *decode_weights;
    int blocks; /* of --fuse: PipelineOptions.fuse */
    FlagList sets, about;
    int64_t random_seed;
    bool fetch_only, check, no_rescale, explain, stats, quiet, help, version, list_passes, list_profiles;
} Options;

static Options opt = {
    .emit = "pkg", .profile = "safe", .fuse = "auto", .decode_weights = "fp16", .random_seed = -1};

static const Flag flags[] = {
    {FLAG_GROUP, "Input", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_TEXT, "--weights", "-w", "PATH", &opt.weights, 0, 0,
     "the checkpoint: a safetensors, GGUF, PyTorch or llama2.c file, or a folder with its config.json"},
    {FLAG_TEXT, "--from", NULL, "OWNER/NAME", &opt.from, 0, 0,
     "fetch the checkpoint from the Hugging Face hub, into its cache; also OWNER/NAME@REVISION and "
     "OWNER/NAME:FILE"},
    {FLAG_BOOL, "--fetch-only", NULL, NULL, &opt.fetch_only, 0, 0,
     "with --from: print where the checkpoint is, and compile nothing"},
    {FLAG_TEXT, "--models", NULL, "DIR", &opt.models, 0, 0,
     "where to look for the model of a checkpoint's model_type, if no MODEL.anel is named"},
    {FLAG_INT, "--random-weights", NULL, "SEED", &opt.random_seed, 0, 9e15,
     "make up the weights: a package of the right shapes without a checkpoint; with --weights, only "
     "config.json and the tokenizer are taken from there"},
    {FLAG_LIST, "--set", NULL, "NAME=VALUE", &opt.sets, 0, 0,
     "set a parameter of the model, or a key of config.json; may be given several times"},
    {FLAG_TEXT, "--profile", NULL, "NAME", &opt.profile, 0, 0,
     "the chip to compile for, or a profile file (safe)"},
    {FLAG_TEXT, "--calibrate", NULL, "TEXT", &opt.calibrate, 0, 0,
     "run the model on this text (@FILE: on a file's) first, to see how large its values become"},
    {FLAG_TEXT, "--calibration", NULL, "FILE", &opt.calibration, 0, 0,
     "what --calibrate saw: written with it, read without it"},
    {FLAG_TEXT, "--fuse", NULL, "auto|pair|block|N", &opt.fuse, 0, 0,
     "what becomes one program: attention and MLP each, a whole block, N blocks, or what is predicted to "
     "take least (auto)"},
    {FLAG_TEXT, "--decode-weights", NULL, "fp16|int8", &opt.decode_weights, 0, 0,
     "how decoding reads the weights of projections: as they are (fp16), or in 8 bits with a scale for "
     "each 32, which are half the bytes of a token, and are stored beside those of prefill"},
    {FLAG_BOOL, "--no-rescale", NULL, NULL, &opt.no_rescale, 0, 0,
     "leave sums as they are that could pass the end of the Neural Engine's accumulator"},
    {FLAG_GROUP, "Output", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_TEXT, "-o", "--output", "PATH", &opt.output, 0, 0,
     "the package (default: the model's name with .pkg); with another --emit, a file (default: stdout)"},
    {FLAG_TEXT, "--emit", NULL, "ast|ir|mil|dot|pkg|mlpackage", &opt.emit, 0, 0,
     "what to write (pkg); mlpackage is a package for Apple's public Core ML API"},
    {FLAG_LIST, "--about", NULL, "KEY=TEXT", &opt.about, 0, 0,
     "with --emit mlpackage: its description, author, license, version, or a note of any name; may be given "
     "several times"},
    {FLAG_BOOL, "--check", NULL, NULL, &opt.check, 0, 0,
     "read and check the model, and the weights where they are given; write nothing"},
    {FLAG_TEXT, "-d", "--dump", "STAGES", &opt.dump, 0, 0,
     "print the graph after these stages on stderr: names with commas between, or all (--list-passes)"},
    {FLAG_BOOL, "--explain", NULL, NULL, &opt.explain, 0, 0,
     "list every ANE program, its ops, and why it begins and ends where it does"},
    {FLAG_BOOL, "--stats", NULL, NULL, &opt.stats, 0, 0, "what each pass did, and how long it took"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "no progress, no warnings, no summary"},
    {FLAG_GROUP, "Other", NULL, NULL, NULL, 0, 0, NULL},
    {FLAG_BOOL, "--list-passes", NULL, NULL, &opt.list_passes, 0, 0, "list the stages"},
    {FLAG_BOOL, "--list-profiles", NULL, NULL, &opt.list_profiles, 0, 0,
     "list the chips that --profile knows"},
    {FLAG_TEXT, "--explain-profile", NULL, "NAME", &opt.explain_profile, 0, 0,
     "print a profile line by line, with the sources and where they contradict each other"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
    {FLAG_BOOL, "--version", NULL, NULL, &opt.version, 0, 0, "print the version"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int fail(const Error *err)
{
    return tool_fail("anec", err);
}

static int print_help(void)
{
    tool_help(
        "usage: anec MODEL.anel [options]\n"
        "       anec --from OWNER/NAME [options]\n"
        "       anec COMMAND ...\n\n"
        "Compiles a model into a package for anerun: MIL programs for Apple's Neural Engine, a program\n"
        "for the CPU, and the weights.\n\n",
        flags, FLAGS, "\n");
    commands_help();
    printf("Example:\n  anec models/gpt2.anel --weights models/tales -o tales.pkg\n");
    return 0;
}

/* ---- output of single texts ---- */

static int finish_text(Text *t)
{
    Error err;
    if (!opt.output || strcmp(opt.output, "-") == 0)
        return tool_print("anec", t);
    bool ok = file_write_atomic(opt.output, text_cstr(t), t->size, &err);
    text_free(t);
    return ok ? 0 : fail(&err);
}

static int emit_ast(const Source *source, Diags *diags)
{
    AnelFile *file = anel_parse(source, diags);
    Text t = {0};
    anel_print_ast(&t, file);
    anel_file_free(file);
    if (!diags->errors)
        return finish_text(&t);
    text_free(&t);
    return EXIT_USER;
}

static int emit_module(const Module *m)
{
    Text t = {0};
    if (strcmp(opt.emit, "dot") == 0)
        for (int i = 0; i < m->funcs; i++)
            dot_print(&t, m->func[i]);
    else
        module_print(&t, m);
    if (strcmp(opt.emit, "mil") != 0 && t.size && t.data[t.size - 1] != '\n')
        text_putc(&t, '\n');
    return finish_text(&t);
}

/* All programs, one after the other, each under its file's name. */
static int emit_mil(Plan *plan)
{
    Text t = {0};
    BlobSet blobs = {0};
    package_place_weights(plan, &blobs);
    for (int i = 0; i < plan->programs; i++) {
        text_printf(&t, "%s// mil/%s.mil\n", i ? "\n\n" : "", plan->program[i]->name);
        module_print(&t, plan->program[i]->module);
    }
    text_putc(&t, '\n');
    return finish_text(&t);
}

/* ---- the package ---- */

/* How far the weights are; shown on a terminal only. */
typedef struct Progress {
    bool shown;
    int percent;
    uint64_t total;
} Progress;

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    Progress *p = context;
    int percent = total ? (int)(100 * done / total) : 100;
    p->total = total;
    if (!p->shown || percent == p->percent)
        return;
    p->percent = percent;
    if (done == total)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\rwriting weights: %d %% of %.0f MB", percent, (double)total * 1e-6);
}

/* "models/gpt2.anel" -> "gpt2.pkg" */
static char *default_output(const char *suffix)
{
    const char *base = strrchr(opt.input, '/');
    base = base ? base + 1 : opt.input;
    Text t = {0};
    text_add(&t, base, strcspn(base, "."));
    text_puts(&t, suffix);
    return t.data;
}

static int emit_package(Plan *plan, const Inputs *in)
{
    Error err;
    Extras extras = {0};
    Progress progress = {.shown = !opt.quiet && isatty(STDERR_FILENO), .percent = -1};
    char *made = opt.output ? NULL : default_output(".pkg");
    const char *path = opt.output ? opt.output : made;
    PackageOptions options = {
        .weights = &in->numbers, .file = extras.file, .progress = show_progress, .context = &progress};
    bool ok = extras_collect(&extras, in, plan, &err);
    options.files = extras.count;
    ok = ok && package_write(plan, &options, path, &err);
    if (ok && !opt.quiet)
        fprintf(stderr, "%s: %d programs, %.1f MB of weights\n", path, plan->programs,
                (double)progress.total * 1e-6);
    extras_free(&extras);
    free(made);
    return ok ? 0 : fail(&err);
}

static bool set_about(Module *m, Error *err)
{
    for (int i = 0; i < opt.about.count; i++) {
        const char *item = opt.about.item[i], *value = strchr(item, '=');
        if (!value || value == item)
            return error_set(err, "--about: \"%s\" is not KEY=TEXT", item);
        char *key = arena_str(&m->arena, item, (size_t)(value - item));
        module_set_about(m, key, value + 1);
    }
    return true;
}

/* `numbers` and `name` may be NULL. */
static int emit_mlpackage(Module *m, const WeightSource *numbers, const char *folder, const char *name)
{
    Error err;
    Progress progress = {.shown = !opt.quiet && isatty(STDERR_FILENO), .percent = -1};
    char *made = opt.output ? NULL : default_output(".mlpackage");
    const char *path = opt.output ? opt.output : made;
    MlpackageOptions options = {.weights = numbers,
                                .folder = folder,
                                .summary = name,
                                .progress = show_progress,
                                .context = &progress};
    bool ok = set_about(m, &err) && mlpackage_write(m, &options, path, &err);
    if (ok && !opt.quiet)
        fprintf(stderr, "%s: %d function%s\n", path, m->funcs, m->funcs == 1 ? "" : "s");
    free(made);
    return ok ? 0 : fail(&err);
}

/* ---- wiring ---- */

static bool wants(const char *what)
{
    return strcmp(opt.emit, what) == 0;
}

static int64_t config_token(const Inputs *in, const char *key)
{
    const json_t *v = json_object_get(in->config, key);
    v = json_is_array(v) ? json_array_get(v, 0) : v; /* chat.json has them all */
    int64_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < in->model.vocab ? id : -1;
}

static int finish_plan(Plan *plan, Inputs *in)
{
    if (wants("mlpackage"))
        return emit_mlpackage(plan->program[0]->module, &in->numbers, NULL, in->model.name);
    if (strcmp(opt.emit, "mil") == 0)
        return emit_mil(plan);
    return emit_package(plan, in);
}

/* ---- the calibration ---- */

/* A package of the model as it is, beside where the output goes. */
static bool write_sample(const Inputs *in, const PipelineOptions *options, const char *path, Diags *diags,
                         Error *err)
{
    PipelineOptions o = *options;
    Extras extras = {0};
    o.explain = o.stats = NULL;
    o.dump_stages = NULL;
    o.stateful = false;
    o.no_rescale = o.calibration == NULL;
    error_set(err, "the model does not compile");
    Plan *plan = passes_run(in->graph, &o, diags);
    bool ok = plan && extras_collect(&extras, in, plan, err);
    PackageOptions package = {.weights = &in->numbers, .file = extras.file, .files = extras.count};
    ok = ok && package_write(plan, &package, path, err);
    extras_free(&extras);
    plan_free(plan);
    return ok;
}

/* As many rounds as there are programs behind one another whose results fp16 does not hold; few need a
 * second.
 */
static bool run_rounds(const Inputs *in, const PipelineOptions *options, Calibrated *c, const char *path,
                       Diags *diags, Error *err)
{
    enum { MOST_ROUNDS = 8 };
    PipelineOptions o = *options;
    Calibration seen;
    do {
        seen = (Calibration){c->count, c->value};
        o.calibration = c->rounds ? &seen : NULL;
        if (!write_sample(in, &o, path, diags, err) || !calibrate_package(path, opt.calibrate, c, err))
            return false;
    } while (c->unsettled && c->rounds < MOST_ROUNDS);
    return true;
}

static bool run_calibration(const Inputs *in, const PipelineOptions *o, Calibrated *c, Diags *diags,
                            Error *err)
{
    char *beside = default_output(".pkg");
    char *folder = dir_begin(opt.output && strcmp(opt.output, "-") != 0 ? opt.output : beside, err);
    char *path = folder ? path_join(folder, "sample.pkg") : NULL;
    bool ok = path && run_rounds(in, o, c, path, diags, err);
    if (folder)
        dir_abandon(folder);
    free(path);
    free(beside);
    return ok && (!opt.calibration || calibrate_write(c, opt.calibration, err));
}

static bool calibrate(const Inputs *in, const PipelineOptions *o, Calibrated *c, Diags *diags)
{
    Error err;
    bool ok = true;
    if (opt.calibrate)
        ok = run_calibration(in, o, c, diags, &err) || error_prefix(&err, "--calibrate");
    else if (opt.calibration)
        ok = calibrate_read(opt.calibration, in->model.name, c, &err) || error_prefix(&err, "--calibration");
    return ok || fail(&err) == 0;
}

static int run_passes(Inputs *in, Diags *diags)
{
    Text stats = {0}, explain = {0};
    Calibrated calibrated = {0};
    Calibration calibration = {0};
    PipelineOptions o = {
        .profile = opt.profile,
        .buckets = in->model.bucket,
        .bucket_count = in->model.buckets,
        .model = {.name = in->model.name,
                  .context = in->model.context,
                  .vocab = in->model.vocab,
                  .bos = config_token(in, "bos_token_id"),
                  .eos = config_token(in, "eos_token_id")},
        .dump_stages = opt.dump,
        .dump = stderr,
        .stats = opt.stats ? &stats : NULL,
        .explain = opt.explain ? &explain : NULL,
        .weights = in->has_numbers ? &in->numbers : NULL,
        .fuse = opt.blocks,
        .no_rescale = opt.no_rescale,
        .stateful = wants("mlpackage"),
        .decode_int8 = strcmp(opt.decode_weights, "int8") == 0,
    };
    bool ok = calibrate(in, &o, &calibrated, diags);
    calibration = (Calibration){calibrated.count, calibrated.value};
    o.calibration = calibrated.count ? &calibration : NULL;
    Plan *plan = ok ? passes_run(in->graph, &o, diags) : NULL;
    int status = plan ? finish_plan(plan, in) : EXIT_USER;
    FILE *told = wants("pkg") ? stdout : stderr; /* another output may be on stdout itself */
    if (plan)
        fprintf(told, "%s%s", text_cstr(&explain), text_cstr(&stats));
    text_free(&stats);
    text_free(&explain);
    calibrate_free(&calibrated);
    plan_free(plan);
    return status;
}

static int compile(Inputs *in, Diags *diags)
{
    Error err;
    if (!inputs_graph(in, &opt.sets, diags))
        return EXIT_USER;
    if (opt.check)
        return inputs_numbers(in, opt.random_seed, diags) ? 0 : EXIT_USER;
    if (wants("ir") || wants("dot"))
        return emit_module(in->module);
    if (!inputs_numbers(in, opt.random_seed, diags))
        return EXIT_USER;
    if ((wants("pkg") || wants("mlpackage")) && !in->has_numbers) {
        error_set(&err,
                  "a package needs weights: give --weights PATH, or --random-weights SEED to try the shapes");
        return fail(&err);
    }
    return run_passes(in, diags);
}

/* FOLDER is what @model_path means in the program. */
static int write_program(Inputs *in, const char *folder)
{
    if (opt.check)
        return 0;
    if (wants("mlpackage"))
        return emit_mlpackage(in->module, NULL, folder, NULL);
    return emit_module(in->module);
}

/* The folder that holds weights/: that of the text, or the one above where the text is in a package's mil/.
 */
static char *blob_folder(const char *path)
{
    char *here = path_dir(path), *weights = path_join(here, "weights"), *above = path_join(here, "..");
    bool own = file_is_dir(weights) || !text_ends_with(here, "mil");
    free(weights);
    free(own ? above : here);
    return own ? here : above;
}

/* A .mil or .ir file is read, checked and printed again. */
static int process_mil(Inputs *in, Diags *diags)
{
    in->module =
        text_ends_with(opt.input, ".ir") ? mil_read_model(&in->source, diags) : mil_read(&in->source, diags);
    if (!in->module)
        return EXIT_USER;
    char *folder = blob_folder(opt.input);
    int status = write_program(in, folder);
    free(folder);
    return status;
}

/* So is a Core ML package. */
static int process_mlpackage(Inputs *in, Diags *diags)
{
    char *folder = NULL;
    in->module = mlpackage_read(opt.input, &folder, diags);
    int status = in->module ? write_program(in, folder) : EXIT_USER;
    free(folder);
    return status;
}

/* The checkpoint, which may have to be fetched, and which may say what model it is of. */
static bool open_checkpoint(Inputs *in, const char *program, Error *err)
{
    if (opt.from) {
        opt.weights = in->fetched = from_hub(opt.from, opt.quiet, err);
        if (!opt.weights)
            return error_prefix(err, "--from %s", opt.from);
    }
    if (opt.fetch_only || !opt.weights)
        return true;
    if (!(opt.random_seed >= 0 ? inputs_surroundings : inputs_checkpoint)(in, opt.weights, err))
        return false;
    if (!opt.input)
        opt.input = in->chosen = from_model_type(in->config, opt.models, program, err);
    return opt.input != NULL;
}

static bool read_source(Inputs *in, Error *err)
{
    char *text;
    size_t size;
    if (!file_read(opt.input, SOURCE_LIMIT, &text, &size, err))
        return false;
    in->source = (Source){opt.input, text, size};
    return true;
}

static int run(Inputs *in, Diags *diags, const char *program)
{
    Error err;
    if (opt.input && mlpackage_named(opt.input))
        return process_mlpackage(in, diags);
    /* what needs no checkpoint is read first: an error there is the one to tell */
    if (opt.input && !read_source(in, &err))
        return fail(&err);
    if (!open_checkpoint(in, program, &err))
        return fail(&err);
    if (opt.fetch_only)
        return printf("%s\n", opt.weights) < 0;
    if (!in->source.text && !read_source(in, &err))
        return fail(&err);
    if (text_ends_with(opt.input, ".mil") || text_ends_with(opt.input, ".ir"))
        return process_mil(in, diags);
    if (wants("ast"))
        return emit_ast(&in->source, diags);
    return compile(in, diags);
}

/* --fuse, as PipelineOptions.fuse. */
static bool read_fuse(Error *err)
{
    enum { MOST_BLOCKS = 100000 };
    char *end;
    long n = strtol(opt.fuse, &end, 10);
    opt.blocks = strcmp(opt.fuse, "pair") == 0 ? FUSE_PAIR : strcmp(opt.fuse, "block") == 0 ? 1 : FUSE_AUTO;
    if (opt.blocks != FUSE_AUTO || strcmp(opt.fuse, "auto") == 0)
        return true;
    if (end == opt.fuse || *end || n < 1 || n > MOST_BLOCKS)
        return error_set(err,
                         "--fuse %.40s: auto, pair, block or a number of blocks from 1 to %d is expected",
                         opt.fuse, MOST_BLOCKS);
    opt.blocks = (int)n;
    return true;
}

static bool check_options(Error *err)
{
    static const char *const kinds[] = {"ast", "ir", "mil", "dot", "pkg", "mlpackage"};
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known |= wants(kinds[i]);
    if (!known)
        return error_set(err, "--emit: \"%s\" is not ast, ir, mil, dot, pkg or mlpackage", opt.emit);
    if (opt.from && opt.weights)
        return error_set(err, "give one of --from and --weights");
    if (opt.calibrate && (opt.random_seed >= 0 || !(opt.weights || opt.from)))
        return error_set(err, "--calibrate needs the model's weights: --weights or --from");
    if (opt.fetch_only && !opt.from)
        return error_set(err, "--fetch-only needs --from");
    if (strcmp(opt.decode_weights, "fp16") != 0 && strcmp(opt.decode_weights, "int8") != 0)
        return error_set(err, "--decode-weights: \"%.40s\" is not fp16 or int8", opt.decode_weights);
    return read_fuse(err);
}

/* Options that print something of the program's own. */
static bool lists(void)
{
    return opt.list_passes || opt.list_profiles || opt.explain_profile;
}

static bool read_command_line(int argc, char **argv, Error *err)
{
    const char **rest = xcalloc((size_t)argc, sizeof *rest);
    int rests = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, rest, &rests, err);
    if (ok && !opt.help && !opt.version && !lists()) {
        opt.input = rest[0];
        ok = rests > 1                             ? error_set(err, "one model at a time")
             : !rests && !opt.weights && !opt.from ? error_set(err, "which model?")
                                                   : check_options(err);
    }
    free(rest);
    return ok;
}

static int print_list(void)
{
    Text t = {0};
    Error err;
    Arena a = {0};
    const Profile *p = NULL;
    if (opt.list_passes)
        passes_list(&t);
    for (int i = 0; opt.list_profiles && profile_name(i); i++)
        if ((p = profile_load(&a, profile_name(i), &err)) != NULL)
            text_printf(&t, "  %-10s %s\n", p->name, p->about);
    if (opt.explain_profile && (p = profile_load(&a, opt.explain_profile, &err)) != NULL)
        profile_show(&t, p);
    arena_free(&a);
    if (opt.explain_profile && !p)
        return fail(&err);
    return finish_text(&t);
}

int anec_compile(int argc, char **argv)
{
    Error err;
    if (!read_command_line(argc, argv, &err))
        return tool_usage("anec", &err);
    if (opt.help)
        return print_help();
    if (opt.version)
        return printf("anec %s\n", ANEC_VERSION) < 0;
    if (lists())
        return print_list();
    Inputs in = {0};
    Diags diags = {.out = stderr, .quiet = opt.quiet, .colour = isatty(STDERR_FILENO)};
    int status = run(&in, &diags, argv[0]);
    inputs_free(&in);
    free(opt.sets.item);
    free(opt.about.item);
    return status;
}
