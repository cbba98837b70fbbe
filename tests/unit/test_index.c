/* The index of compiled programs: what is kept, what goes, and what is told of it. */
#include "runtime/ane/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/test_index.XXXXXX";

/* `count` entries of build A and one of B, of so many bytes each; the later the newer. */
static void write_index(int count, uint64_t bytes)
{
    Text t = {0};
    Error err;
    char *dir = path_join(folder, "anec"), *path = path_join(folder, "anec/compiled");
    mkdir(dir, 0700);
    text_puts(&t, "anec compiled programs 1\nB old 1 99 of another build\n");
    for (int i = 0; i < count; i++)
        text_printf(&t, "A id%04d %" PRIu64 " %d program %d\n", i, bytes, 1000 + i, i);
    CHECK_TOLD(file_write_atomic(path, t.data, t.size, &err), "%s", err.text);
    text_free(&t);
    free(dir);
    free(path);
}

static int told;
static char first_told[64];

static void tell(void *context, const IndexEntry *e)
{
    if (!told++)
        snprintf(first_told, sizeof first_told, "%s", e->identifier);
}

static AneIndex *reopened(AneIndex *x)
{
    Error err;
    CHECK_TOLD(index_save(x, &err), "%s", err.text);
    index_close(x);
    return index_open();
}

static void test_bytes(void)
{
    write_index(10, INDEX_MOST_BYTES / 4);
    AneIndex *x = index_open();
    CHECK(x->entries == 11 && index_find(x, "A", "id0003") && !index_find(x, "B", "id0003"));
    index_note(x, "A", "id0000", "program 0", INDEX_MOST_BYTES / 4);
    told = 0;
    index_trim(x, "A", tell, NULL);
    CHECK_TOLD(x->entries == 4 && told == 6, "%d kept, %d told", x->entries, told);
    CHECK_TOLD(strcmp(first_told, "id0006") == 0, "%s goes first", first_told);
    x = reopened(x);
    CHECK(x->entries == 4 && index_find(x, "A", "id0000") && index_find(x, "A", "id0009"));
    CHECK(!index_find(x, "A", "id0006") && !index_find(x, "B", "old"));
    CHECK_TEXT(index_find(x, "A", "id0009")->name, "program 9");
    index_close(x);
}

/* What the process uses stays, however large. */
static void test_ours(void)
{
    write_index(3, 1);
    AneIndex *x = index_open();
    for (int i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "new%d", i);
        index_note(x, "A", id, "with a\nnew line", INDEX_MOST_BYTES);
    }
    told = 0;
    index_trim(x, "A", tell, NULL);
    CHECK_TOLD(x->entries == 3 && told == 3, "%d kept, %d told", x->entries, told);
    x = reopened(x);
    CHECK(x->entries == 3);
    CHECK_TEXT(index_find(x, "A", "new1")->name, "with a_new line");
    index_close(x);
}

static void test_count(void)
{
    write_index(INDEX_MOST - 1, 1);
    AneIndex *x = index_open();
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "new%d", i);
        index_note(x, "A", id, "new", 1);
    }
    told = 0;
    index_trim(x, "A", tell, NULL);
    CHECK_TOLD(x->entries == INDEX_MOST && told == 4, "%d kept, %d told", x->entries, told);
    Error err;
    CHECK(index_clear(x, &err) && index_clear(x, &err));
    x = reopened(x);
    CHECK(x->entries == 0);
    index_close(x);
}

int main(void)
{
    Error ignored;
    if (!mkdtemp(folder))
        return 1;
    setenv("XDG_CACHE_HOME", folder, 1);
    test_bytes();
    test_ours();
    test_count();
    CHECK(dir_remove(folder, &ignored));
    return check_report();
}
