#include "tools/anec/from.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "frontend/hub/hub.h"

enum { HEAD = 1 << 16, BAR = 24, SHOWN = 24 };

/* ---- progress ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

typedef struct Bar {
    const char *file;
    double start, shown; /* seconds */
    uint64_t first;      /* bytes that were there before */
} Bar;

static void show(void *context, const char *file, int index, int files, uint64_t done, uint64_t total)
{
    Bar *b = context;
    double t = clock_seconds();
    if (b->file != file)
        *b = (Bar){file, t, 0, done};
    if (t - b->shown < 0.1 && done < total)
        return;
    b->shown = t;
    double seconds = t - b->start, rate = seconds > 0 ? (double)(done - b->first) / seconds : 0;
    int full = total ? (int)(BAR * done / total) : BAR;
    fprintf(stderr, "\r\033[K%d/%d %-32.32s [%.*s%*s] %6.1f of %.1f MB", index, files, file, full,
            "########################", BAR - full, "", (double)done * 1e-6, (double)total * 1e-6);
    if (rate > 0 && done < total)
        fprintf(stderr, ", %.1f MB/s, %.0f s", rate * 1e-6, (double)(total - done) / rate);
    if (done >= total && index == files)
        fputs("\r\033[K", stderr);
}

char *from_hub(const char *text, bool quiet, Error *err)
{
    HubName name;
    Bar bar = {0};
    HubProgress progress = {.context = &bar, .interrupted = &interrupted};
    if (!quiet && isatty(STDERR_FILENO))
        progress.show = show;
    if (!hub_name_parse(text, &name, err))
        return NULL;
    struct sigaction on = {.sa_handler = on_interrupt}, before;
    sigaction(SIGINT, &on, &before);
    char *path = hub_fetch(&name, &progress, err);
    sigaction(SIGINT, &before, NULL);
    if (!path && progress.show)
        fputc('\n', stderr);
    return path;
}

/* ---- the model of a type ---- */

/* Letters and digits in small letters: "gpt_neox" and "gptneox" are one. */
static bool same_word(const char *a, size_t a_size, const char *b, size_t b_size)
{
    for (size_t i = 0, k = 0;;) {
        while (i < a_size && !isalnum((unsigned char)a[i]))
            i++;
        while (k < b_size && !isalnum((unsigned char)b[k]))
            k++;
        if (i == a_size || k == b_size)
            return i == a_size && k == b_size;
        if (tolower((unsigned char)a[i++]) != tolower((unsigned char)b[k++]))
            return false;
    }
}

/* Whether the comment at the file's beginning says "model_type: ... TYPE ...". */
static bool says_type(const char *path, const char *type)
{
    static const char mark[] = "model_type:";
    char *text;
    size_t size;
    Error ignored;
    if (!file_read(path, HEAD, &text, &size, &ignored))
        return false;
    bool found = false;
    for (const char *line = text; *line == '#' && !found;
         line += strcspn(line, "\n"), line += *line == '\n') {
        const char *end = line + strcspn(line, "\n"), *p = strstr(line, mark);
        for (p = p && p < end ? p + strlen(mark) : end; p < end && !found;) {
            p += strspn(p, " ,\t");
            size_t n = strcspn(p, " ,\t\n");
            found = n && same_word(p, n, type, strlen(type));
            p += n;
        }
    }
    free(text);
    return found;
}

static bool is_model(const char *name, size_t *base)
{
    size_t n = strlen(name);
    *base = n > 5 ? n - 5 : 0;
    return n > 5 && strcmp(name + n - 5, ".anel") == 0 && strcmp(name, "std.anel") != 0;
}

/* Looks through one folder; `known` collects the names of its models. */
static char *look_into(const char *folder, const char *type, Text *known)
{
    DIR *d = opendir(folder);
    char *found = NULL;
    size_t base;
    for (struct dirent *e; d && (e = readdir(d)) && !found;) {
        if (!is_model(e->d_name, &base))
            continue;
        char *path = path_join(folder, e->d_name);
        if (same_word(e->d_name, base, type, strlen(type)) || says_type(path, type)) {
            found = path;
            continue;
        }
        free(path);
        if (known->size < 2000)
            text_printf(known, " %.*s", (int)base, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

/* The folder that the program lies in: from its path, or from $PATH. */
static char *program_folder(const char *program)
{
    char *real = strchr(program, '/') ? realpath(program, NULL) : NULL;
    const char *path = getenv("PATH");
    while (!real && !strchr(program, '/') && path && *path) {
        size_t n = strcspn(path, ":");
        Text one = {0};
        text_printf(&one, "%.*s/%s", (int)n, path, program);
        if (access(one.data, X_OK) == 0)
            real = realpath(one.data, NULL);
        text_free(&one);
        path += n + (path[n] == ':');
    }
    char *folder = real ? path_dir(real) : NULL;
    free(real);
    return folder;
}

static char *look_beside(const char *program, const char *type, Text *known)
{
    static const char *const places[] = {"../share/anec/models", "../models"};
    char *folder = program_folder(program), *found = NULL;
    for (size_t i = 0; folder && !found && i < sizeof places / sizeof *places; i++) {
        char *place = path_join(folder, places[i]);
        found = look_into(place, type, known);
        free(place);
    }
    free(folder);
    return found;
}

static char *look_everywhere(const char *folder, const char *program, const char *type, Text *known)
{
    char *found = folder ? look_into(folder, type, known) : NULL;
    const char *list = getenv("ANEC_MODELS");
    while (!found && list && *list) {
        size_t n = strcspn(list, ":");
        Text one = {0};
        text_add(&one, list, n);
        found = look_into(text_cstr(&one), type, known);
        text_free(&one);
        list += n + (list[n] == ':');
    }
    return found ? found : look_beside(program, type, known);
}

char *from_model_type(const json_t *config, const char *folder, const char *program, Error *err)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    char shown[64];
    Text known = {0};
    if (!type) {
        error_set(err, "which model? The checkpoint has no config.json with a model_type: name a .anel file");
        return NULL;
    }
    char *found = look_everywhere(folder, program, type, &known);
    if (!found && known.size)
        error_set(err,
                  "there is no model for the type \"%s\"; there are:%s. Name a .anel file, or write one "
                  "(docs/porting.md)",
                  error_quote(shown, sizeof shown, type, (long)strlen(type)), known.data);
    else if (!found)
        error_set(err, "no folder with models was found: name a .anel file, or give --models DIR");
    text_free(&known);
    return found;
}
