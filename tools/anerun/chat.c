#include "tools/anerun/chat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "tools/anerun/lines.h"
#include "tools/shared/command.h"

enum { MESSAGES_LIMIT = 64 << 20 };

typedef struct Chat {
    Talk *talk;
    Session *session;
    Sampler *sampler;
    const ChatOptions *options;
    Lines *lines;
    GenerateStats last;
    int replies;
    int write_error; /* errno of the first failure */
    bool over;
} Chat;

static void complain(const Error *err)
{
    fflush(stdout);
    fprintf(stderr, "anerun: %s\n", err->text);
}

static void note(const Chat *c, const char *text)
{
    fflush(stdout);
    if (!c->options->quiet)
        fprintf(stderr, "anerun: note: %s\n", text);
}

/* ---- replies ---- */

static bool put_text(void *context, const char *text, size_t size)
{
    Chat *c = context;
    if (fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0)
        return true;
    c->write_error = errno;
    return false;
}

static void print_stats(const Chat *c)
{
    const GenerateStats *g = &c->last;
    int decoded = g->tokens > 1 ? g->tokens - 1 : 0; /* the first token comes out of the prompt */
    fprintf(stderr, "prompt %d tokens, %d of them new, %.1f ms; %d tokens, %.1f tokens/s; context %d of %d\n",
            g->prompt_tokens, g->read_tokens, g->prefill_ms, g->tokens,
            g->decode_ms > 0 ? decoded / g->decode_ms * 1e3 : 0.0, session_length(c->session),
            session_context(c->session));
}

static void tell_end(const Chat *c, int left_out)
{
    char text[100];
    if (left_out) {
        snprintf(text, sizeof text, "the context is full: the model no longer sees the oldest %d messages",
                 left_out);
        note(c, text);
    }
    if (c->last.end == END_CONTEXT)
        note(c, "the reply has reached the end of the model's context");
    if (c->last.end == END_INTERRUPTED && !c->write_error)
        note(c, "stopped; what was said is kept");
}

static bool reply(Chat *c, Error *err)
{
    GenerateOptions o = c->options->generate;
    int left_out = 0;
    o.emit = put_text;
    o.context = c;
    sampler_reset(c->sampler, c->options->sampling.seed + (uint64_t)c->replies);
    bool ok = talk_reply(c->talk, &o, &c->last, &left_out, err);
    if (!ok)
        return false;
    c->replies++;
    (void)put_text(c, "\n", 1);
    tell_end(c, left_out);
    if (c->options->stats)
        print_stats(c);
    return true;
}

/* A message that got no reply is taken back, so that it can be put another way. */
static void answer(Chat *c, bool retry)
{
    Error err;
    if (reply(c, &err))
        return;
    complain(&err);
    if (!retry)
        (void)talk_back(c->talk, true);
}

/* ---- commands ---- */

static void do_help(Chat *c, const char *rest);

static void do_system(Chat *c, const char *rest)
{
    talk_system(c->talk, rest, strlen(rest));
    note(c, *rest ? "the system message is set" : "there is no system message now");
}

static void do_reset(Chat *c, const char *rest)
{
    talk_reset(c->talk);
    note(c, "the conversation begins again");
}

static void do_retry(Chat *c, const char *rest)
{
    if (talk_back(c->talk, false))
        answer(c, true);
    else
        note(c, "there is nothing to answer yet");
}

static void do_undo(Chat *c, const char *rest)
{
    note(c, talk_back(c->talk, true) ? "the last message and its reply are gone"
                                     : "there is nothing to take back");
}

static void do_save(Chat *c, const char *rest)
{
    Error err;
    char *text = json_dumps(talk_messages(c->talk), JSON_INDENT(2));
    Text t = {0};
    text_puts(&t, text ? text : "[]");
    text_putc(&t, '\n');
    if (!*rest)
        note(c, "give a file: /save FILE");
    else if (file_write_atomic(rest, t.data, t.size, &err))
        note(c, "saved");
    else
        complain(&err);
    text_free(&t);
    free(text);
}

/* A list of messages, or an object whose "messages" is one. */
static bool load_messages(Talk *talk, const char *path, Error *err)
{
    char *text;
    size_t size;
    json_error_t where;
    if (!file_read(path, MESSAGES_LIMIT, &text, &size, err))
        return false;
    json_t *root = json_loadb(text, size, 0, &where);
    bool ok = root != NULL;
    if (!ok)
        error_set(err, "line %d: %s", where.line, where.text);
    ok = ok && talk_set_messages(talk, json_is_object(root) ? json_object_get(root, "messages") : root, err);
    json_decref(root);
    free(text);
    return ok || error_prefix(err, "%s", path);
}

static void do_load(Chat *c, const char *rest)
{
    Error err;
    if (!*rest)
        note(c, "give a file: /load FILE");
    else if (load_messages(c->talk, rest, &err))
        note(c, "loaded");
    else
        complain(&err);
}

static void do_stats(Chat *c, const char *rest)
{
    if (c->replies)
        print_stats(c);
    else
        note(c, "there was no reply yet");
}

static void do_quit(Chat *c, const char *rest)
{
    c->over = true;
}

static const struct {
    const char *name, *argument, *about;
    void (*run)(Chat *c, const char *rest);
} commands[] = {
    {"/help", "", "this list", do_help},
    {"/system", " TEXT", "set the system message; without TEXT, take it away", do_system},
    {"/reset", "", "begin again; the system message stays", do_reset},
    {"/retry", "", "another reply to the last message", do_retry},
    {"/undo", "", "take back the last message and its reply", do_undo},
    {"/save", " FILE", "write the conversation as JSON", do_save},
    {"/load", " FILE", "go on with a conversation that was saved", do_load},
    {"/stats", "", "counts and speed of the last reply", do_stats},
    {"/quit", "", "leave (so does Ctrl-D)", do_quit},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void do_help(Chat *c, const char *rest)
{
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stderr, "  %s%-*s %s\n", commands[i].name, (int)(14 - strlen(commands[i].name)),
                commands[i].argument, commands[i].about);
    fputs("A line that ends with \\ goes on in the next; \"\"\" begins and ends a message of several lines.\n"
          "Ctrl-C stops a reply.\n",
          stderr);
}

static void command(Chat *c, const char *line)
{
    size_t n = strcspn(line, " \t\n");
    const char *rest = line + n + strspn(line + n, " \t\n");
    for (int i = 0; i < COMMANDS; i++)
        if (strlen(commands[i].name) == n && memcmp(commands[i].name, line, n) == 0) {
            commands[i].run(c, rest);
            return;
        }
    note(c, "there is no such command; /help lists them");
}

/* ---- the conversation ---- */

static void converse(Chat *c)
{
    Text line = {0};
    while (!c->over && !c->write_error) {
        /* A Ctrl-C that comes between the message and its reply stops the reply. */
        *c->options->interrupted = 0;
        LinesResult r = lines_read(c->lines, &line);
        if (r == LINES_END)
            break;
        if (r == LINES_NOTHING) {
            if (!line.size)
                note(c, "Ctrl-D or /quit leaves");
        } else if (line.size && line.data[0] == '/') {
            command(c, line.data);
        } else if (line.size && strspn(line.data, " \t\n") < line.size) {
            talk_add(c->talk, "user", line.data, line.size);
            answer(c, false);
        }
    }
    if (lines_terminal(c->lines) && !c->over)
        putchar('\n');
    text_free(&line);
}

static int show_prompt(const Chat *c)
{
    Error err;
    ChatText t = {{0}, {0}};
    bool ok = talk_render(c->talk, &t, &err);
    if (ok)
        fwrite(text_cstr(&t.text), 1, t.text.size, stdout);
    chat_text_free(&t);
    return ok ? 0 : tool_fail("anerun", &err);
}

static int show_ids(const Chat *c)
{
    Error err;
    int32_t *ids;
    size_t count;
    if (!talk_ids(c->talk, &ids, &count, &err))
        return tool_fail("anerun", &err);
    for (size_t i = 0; i < count; i++)
        printf(i ? " %d" : "%d", (int)ids[i]);
    putchar('\n');
    free(ids);
    return 0;
}

static bool set_system(Talk *talk, const ChatOptions *o, Error *err)
{
    char *text;
    size_t size;
    if (o->system)
        talk_system(talk, o->system, strlen(o->system));
    if (!o->system_file)
        return true;
    if (!file_read(o->system_file, MESSAGES_LIMIT, &text, &size, err))
        return false;
    talk_system(talk, text, size);
    free(text);
    return true;
}

static int reply_once(Chat *c)
{
    Error err;
    return reply(c, &err) ? (c->last.end == END_INTERRUPTED ? 130 : 0) : tool_fail("anerun", &err);
}

int chat_run(Talk *talk, Session *session, Sampler *sampler, const ChatOptions *options)
{
    Error err;
    int status = 0;
    Chat c = {.talk = talk, .session = session, .sampler = sampler, .options = options};
    if ((options->messages && !load_messages(talk, options->messages, &err)) ||
        !set_system(talk, options, &err))
        return tool_fail("anerun", &err);
    if (options->show_prompt || options->tokenize) {
        status = options->show_prompt ? show_prompt(&c) : show_ids(&c);
    } else if (options->messages) {
        status = reply_once(&c);
    } else {
        c.lines = lines_open(options->interrupted);
        if (lines_terminal(c.lines) && !options->quiet)
            fputs("/help lists the commands; Ctrl-C stops a reply; Ctrl-D leaves.\n", stderr);
        converse(&c);
        lines_close(c.lines);
    }
    if (c.write_error && c.write_error != EPIPE) {
        error_set_errno(&err, c.write_error, "cannot write the reply");
        status = tool_fail("anerun", &err);
    }
    return c.write_error ? EXIT_USER : status;
}
