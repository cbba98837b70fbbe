#include "tools/anerun/lines.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

enum { HISTORY_SIZE = 1000 };

struct Lines {
    EditLine *editor; /* NULL: no terminal */
    History *history;
    char *history_path; /* NULL: none is kept */
    volatile sig_atomic_t *interrupted;
    bool broken_off; /* Ctrl-C was typed */
    bool more;       /* within a message */
};

bool lines_terminal(const Lines *l)
{
    return l->editor != NULL;
}

/* ---- the history's file ---- */

static bool make_dirs(const char *path)
{
    char *copy = xstrdup(path);
    for (char *p = copy + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            (void)mkdir(copy, 0700);
            *p = '/';
        }
    bool ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
    free(copy);
    return ok;
}

/* $XDG_STATE_HOME/anec/history, or below ~/.local/state. malloc'ed; NULL where there is no home. */
static char *history_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if ((!state || *state != '/') && (!home || *home != '/'))
        return NULL;
    char *base = state && *state == '/' ? xstrdup(state) : path_join(home, ".local/state");
    char *dir = path_join(base, "anec"), *path = make_dirs(dir) ? path_join(dir, "history") : NULL;
    free(base);
    free(dir);
    return path;
}

/* What people say to a model is theirs alone: the file is made for its owner before anything is in it. */
static void save_history(Lines *l)
{
    HistEvent event;
    if (!l->history_path)
        return;
    mode_t mask = umask(077);
    history(l->history, &event, H_SAVE, l->history_path);
    umask(mask);
    (void)chmod(l->history_path, 0600);
}

/* ---- the editor ---- */

static Lines *lines_of(EditLine *editor)
{
    void *data = NULL;
    el_get(editor, EL_CLIENTDATA, &data);
    return data;
}

static char *prompt(EditLine *editor)
{
    static char first[] = "> ", more[] = ". ";
    return lines_of(editor)->more ? more : first;
}

/* Ctrl-C is a key while a line is edited. */
static unsigned char break_off(EditLine *editor, int c)
{
    (void)c;
    lines_of(editor)->broken_off = true;
    return CC_NEWLINE;
}

/* What a terminal pastes stands between ESC [200~ and ESC [201~; its line ends are part of the message. */
static unsigned char paste(EditLine *editor, int c)
{
    static const char end[] = "\033[201~";
    Text t = {0};
    char byte;
    (void)c;
    while (el_getc(editor, &byte) == 1) {
        text_putc(&t, byte == '\r' ? '\n' : byte);
        if (t.size >= sizeof end - 1 && strcmp(t.data + t.size - (sizeof end - 1), end) == 0) {
            t.data[t.size - (sizeof end - 1)] = 0;
            break;
        }
    }
    int full = t.size && *t.data ? el_insertstr(editor, t.data) : 0;
    text_free(&t);
    return full < 0 ? CC_ERROR : CC_REFRESH;
}

static void open_editor(Lines *l)
{
    HistEvent event;
    setlocale(LC_CTYPE, "");
    l->editor = el_init("anerun", stdin, stdout, stderr);
    l->history = history_init();
    if (!l->editor || !l->history)
        return;
    history(l->history, &event, H_SETSIZE, (int)HISTORY_SIZE);
    history(l->history, &event, H_SETUNIQUE, 1);
    l->history_path = history_path();
    if (l->history_path)
        history(l->history, &event, H_LOAD, l->history_path);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, prompt);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_HIST, history, l->history);
    /* The narrow call would copy the names and never free them. */
    el_wset(l->editor, EL_ADDFN, L"anec-break", L"Break off", break_off);
    el_wset(l->editor, EL_ADDFN, L"anec-paste", L"Paste", paste);
    el_set(l->editor, EL_SETTY, "-d", "-isig", NULL);
    el_source(l->editor, NULL); /* the user's ~/.editrc */
    el_set(l->editor, EL_BIND, "^C", "anec-break", NULL);
    el_set(l->editor, EL_BIND, "\\e[200~", "anec-paste", NULL);
}

Lines *lines_open(volatile sig_atomic_t *interrupted)
{
    Lines *l = xcalloc(1, sizeof *l);
    l->interrupted = interrupted;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        open_editor(l);
    return l;
}

void lines_close(Lines *l)
{
    if (l->history)
        history_end(l->history);
    if (l->editor)
        el_end(l->editor);
    free(l->history_path);
    free(l);
}

/* ---- reading ---- */

static LinesResult read_edited(Lines *l, Text *out)
{
    int count = 0;
    l->broken_off = false;
    fputs("\033[?2004h", stdout); /* pasting is announced */
    fflush(stdout);
    const char *line = el_gets(l->editor, &count);
    fputs("\033[?2004l", stdout);
    fflush(stdout);
    if (line && count > 0)
        text_add(out, line, (size_t)count);
    if (l->broken_off) {
        putchar('\n');
        return LINES_NOTHING;
    }
    return line && count > 0 ? LINES_MESSAGE : LINES_END;
}

static LinesResult read_plain(Lines *l, Text *out)
{
    char *line = NULL;
    size_t cap = 0;
    errno = 0;
    ssize_t n = getline(&line, &cap, stdin);
    if (n > 0)
        text_add(out, line, (size_t)n);
    free(line);
    if (n > 0)
        return LINES_MESSAGE;
    bool broken_off = errno == EINTR && *l->interrupted;
    clearerr(stdin);
    return broken_off ? LINES_NOTHING : LINES_END;
}

static LinesResult read_line(Lines *l, Text *out)
{
    LinesResult r = l->editor ? read_edited(l, out) : read_plain(l, out);
    while (out->size && (out->data[out->size - 1] == '\n' || out->data[out->size - 1] == '\r'))
        out->data[--out->size] = 0;
    return r;
}

static bool ends_with(const Text *t, const char *end)
{
    size_t n = strlen(end);
    return t->size >= n && memcmp(t->data + t->size - n, end, n) == 0;
}

/* The lines between three quotation marks; the first line is in `out`. */
static LinesResult read_block(Lines *l, Text *out)
{
    Text line = {0};
    LinesResult r = LINES_MESSAGE;
    memmove(out->data, out->data + 3, out->size - 2);
    out->size -= 3;
    bool first = out->size == 0;
    while (r == LINES_MESSAGE && !ends_with(out, "\"\"\"")) {
        text_clear(&line);
        r = read_line(l, &line);
        if (!first)
            text_putc(out, '\n');
        first = false;
        text_puts(out, text_cstr(&line));
    }
    text_free(&line);
    if (ends_with(out, "\"\"\""))
        out->data[out->size -= 3] = 0;
    if (out->size && out->data[out->size - 1] == '\n')
        out->data[--out->size] = 0;
    return r == LINES_END && out->size ? LINES_MESSAGE : r;
}

static void remember(Lines *l, const Text *message)
{
    HistEvent event;
    if (!l->history || !message->size || strspn(message->data, " \t\n") == message->size)
        return;
    history(l->history, &event, H_ENTER, message->data);
    save_history(l);
}

LinesResult lines_read(Lines *l, Text *out)
{
    text_clear(out);
    text_puts(out, "");
    l->more = false;
    LinesResult r = read_line(l, out);
    l->more = true;
    if (r == LINES_MESSAGE && out->size >= 3 && memcmp(out->data, "\"\"\"", 3) == 0) {
        r = read_block(l, out);
    } else {
        while (r == LINES_MESSAGE && ends_with(out, "\\")) {
            out->data[out->size - 1] = '\n';
            r = read_line(l, out);
        }
        r = r == LINES_END && out->size ? LINES_MESSAGE : r;
    }
    if (r == LINES_MESSAGE)
        remember(l, out);
    return r;
}
