#include "runtime/ane/index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cache.h"
#include "base/file.h"
#include "base/text.h"

enum { MOST_FILE = 4 << 20, MOST_WORD = 255 };
static const char head[] = "anec compiled programs 1\n";

/* ---- reading ---- */

/* A word up to a blank, which is overwritten; NULL: there is none. */
static char *take_word(char **p)
{
    char *word = *p, *end = strchr(word, ' ');
    if (!end || end == word || end - word > MOST_WORD)
        return NULL;
    *end = '\0';
    *p = end + 1;
    return word;
}

static bool take_number(char **p, int64_t *out)
{
    char *word = take_word(p), *end = NULL;
    if (!word || *word < '0' || *word > '9')
        return false;
    errno = 0;
    *out = strtoll(word, &end, 10);
    return errno == 0 && *end == '\0';
}

/* BUILD IDENTIFIER BYTES SECONDS NAME */
static void read_line(AneIndex *x, char *line)
{
    int64_t bytes = 0;
    IndexEntry e = {.build = take_word(&line)};
    e.identifier = e.build ? take_word(&line) : NULL;
    if (!e.identifier || !take_number(&line, &bytes) || !take_number(&line, &e.used) ||
        x->entries == INDEX_MOST)
        return;
    e.bytes = (uint64_t)bytes;
    e.name = line;
    arena_push(&x->arena, x->entry, x->entries, x->cap, e);
}

AneIndex *index_open(void)
{
    AneIndex *x = xcalloc(1, sizeof *x);
    char *text = NULL;
    size_t size;
    Error ignored;
    x->path = cache_path("compiled");
    if (!x->path || !file_read(x->path, MOST_FILE, &text, &size, &ignored))
        return x;
    char *copy = arena_str(&x->arena, text, size);
    free(text);
    if (strncmp(copy, head, strlen(head)) != 0)
        return x;
    for (char *line = copy + strlen(head), *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        read_line(x, line);
    }
    return x;
}

static IndexEntry *find(const AneIndex *x, const char *build, const char *identifier)
{
    for (int i = 0; i < x->entries; i++)
        if (strcmp(x->entry[i].identifier, identifier) == 0 && strcmp(x->entry[i].build, build) == 0)
            return &x->entry[i];
    return NULL;
}

const IndexEntry *index_find(const AneIndex *x, const char *build, const char *identifier)
{
    return find(x, build, identifier);
}

/* ---- changing ---- */

/* The framework's words as words of ours: a blank or a control character would break the line. */
static const char *word_of(AneIndex *x, const char *text, bool blanks)
{
    char *word = arena_str(&x->arena, text, strlen(text));
    for (char *p = word; *p; p++)
        if ((unsigned char)*p < ' ' || (*p == ' ' && !blanks))
            *p = '_';
    return word;
}

void index_note(AneIndex *x, const char *build, const char *identifier, const char *name, uint64_t bytes)
{
    IndexEntry *e = find(x, build, identifier);
    if (!e) {
        IndexEntry fresh = {.build = word_of(x, build, false),
                            .identifier = word_of(x, identifier, false),
                            .name = word_of(x, name, true)};
        arena_push(&x->arena, x->entry, x->entries, x->cap, fresh);
        e = &x->entry[x->entries - 1];
    }
    e->bytes = bytes;
    e->used = time(NULL);
    e->ours = true;
    x->changed = true;
}

static int by_use(const void *a, const void *b)
{
    const IndexEntry *x = a, *y = b;
    if (x->ours != y->ours)
        return x->ours ? -1 : 1;
    return (x->used < y->used) - (x->used > y->used);
}

void index_trim(AneIndex *x, const char *build, void (*gone)(void *context, const IndexEntry *e),
                void *context)
{
    uint64_t bytes = 0;
    int kept = 0;
    if (x->entries)
        qsort(x->entry, (size_t)x->entries, sizeof *x->entry, by_use);
    for (int i = 0; i < x->entries; i++) {
        IndexEntry e = x->entry[i];
        bool here = strcmp(e.build, build) == 0;
        bool room = kept < INDEX_MOST && e.bytes <= INDEX_MOST_BYTES && bytes <= INDEX_MOST_BYTES - e.bytes;
        if (here && (room || e.ours)) {
            x->entry[kept++] = e;
            bytes += e.bytes;
        } else if (here && gone) {
            gone(context, &e);
        }
    }
    x->changed |= kept != x->entries;
    x->entries = kept;
}

bool index_save(AneIndex *x, Error *err)
{
    if (!x->changed || !x->path)
        return true;
    Text t = {0};
    text_puts(&t, head);
    for (int i = 0; i < x->entries; i++) {
        const IndexEntry *e = &x->entry[i];
        text_printf(&t, "%s %s %" PRIu64 " %" PRId64 " %s\n", e->build, e->identifier, e->bytes, e->used,
                    e->name);
    }
    cache_make_folder(x->path);
    bool ok = file_write_atomic(x->path, t.data, t.size, err);
    text_free(&t);
    x->changed = !ok;
    return ok;
}

bool index_clear(AneIndex *x, Error *err)
{
    x->entries = 0;
    x->changed = false;
    return !x->path || unlink(x->path) == 0 || errno == ENOENT || error_set_errno(err, errno, "%s", x->path);
}

void index_close(AneIndex *x)
{
    if (!x)
        return;
    arena_free(&x->arena);
    free(x->path);
    free(x);
}
