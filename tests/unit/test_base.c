/* base/: half floats against arithmetic, placement against its promise, texts, hashes, files, command lines.
 */
#include "tests/unit/check.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/half.h"
#include "base/placement.h"
#include "base/sha256.h"
#include "base/text.h"

/* The value of a binary16 pattern by its definition. */
static double half_value(unsigned h)
{
    int exponent = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    double v = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

static void test_half(void)
{
    int wrong = 0, wrong_ties = 0, wrong_sides = 0;
    for (unsigned h = 0; h < 0x10000; h++) {
        if ((h >> 10 & 31) == 31)
            continue;
        float f = half_to_float((uint16_t)h);
        wrong += (double)f != half_value(h) || half_from_float(f) != h;
    }
    CHECK(wrong == 0);
    /* Half way between two neighbours goes to the even one, a little more or less to the nearer. */
    for (unsigned h = 0; h < 0x7bff; h++) {
        float tie = (float)((half_value(h) + half_value(h + 1)) / 2);
        wrong_ties += half_from_float(tie) != (h & 1 ? h + 1 : h);
        wrong_sides += half_from_float(nextafterf(tie, INFINITY)) != h + 1;
        wrong_sides += half_from_float(nextafterf(tie, 0)) != h;
    }
    CHECK(wrong_ties == 0);
    CHECK(wrong_sides == 0);
    CHECK(half_from_float(65519.996f) == 0x7bff && half_from_float(65520.0f) == 0x7c00);
    CHECK(half_from_float(-INFINITY) == 0xfc00 && isinf(half_to_float(0x7c00)));
    CHECK(isnan(half_to_float(half_from_float(NAN))));
    CHECK(bf16_to_float(0x3fc0) == 1.5f);
}

/* Buffers that live at the same time must not overlap, and the block holds all of them. */
static void test_placement(void)
{
    enum { N = 60 };
    uint32_t random = 12345;
    int overlaps = 0, unaligned = 0, outside = 0;
    for (int round = 0; round < 200; round++) {
        Lifetime item[N];
        size_t sum = 0;
        for (int i = 0; i < N; i++) {
            random = random * 1664525u + 1013904223u;
            item[i] = (Lifetime){.size = random >> 20, .first = (int)(random >> 8 & 31)};
            item[i].last = item[i].first + (int)(random >> 4 & 7);
            sum += item[i].size + 63;
        }
        size_t total = placement(item, N, 64);
        outside += total > sum;
        for (int i = 0; i < N; i++) {
            unaligned += item[i].offset % 64 != 0;
            outside += item[i].offset + item[i].size > total;
            for (int k = 0; k < i; k++)
                overlaps += item[i].first <= item[k].last && item[k].first <= item[i].last &&
                            item[i].offset < item[k].offset + item[k].size &&
                            item[k].offset < item[i].offset + item[i].size;
        }
    }
    CHECK(overlaps == 0);
    CHECK(unaligned == 0);
    CHECK(outside == 0);
    Lifetime apart[2] = {{.size = 1000, .first = 0, .last = 1}, {.size = 1000, .first = 2, .last = 3}};
    CHECK(placement(apart, 2, 64) == 1000);
}

static void test_texts(void)
{
    char hex[65], quoted[16];
    Error err;
    CHECK(text_distance("layers", "layerz", 3) == 1);
    CHECK(text_distance("kitten", "sitting", 5) == 3);
    CHECK(text_distance("a", "abcdef", 2) == 3);
    CHECK_TEXT(error_quote(quoted, sizeof quoted, "a\n\\b", 4), "a\\x0a\\x5cb");
    CHECK_TEXT(error_quote(quoted, sizeof quoted, "abcdefghijklmnopq", 17), "abcdefghijkl...");
    /* FIPS 180-2, appendix B.1 */
    sha256_of("abc", 3, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(!error_set(&err, "%d things", 3) && !error_prefix(&err, "%s", "first"));
    CHECK_TEXT(err.text, "first: 3 things");
}

static void test_diag(void)
{
    static const char text[] = "one\n  two three\n";
    Source source = {"file", text, sizeof text - 1};
    char *shown = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&shown, &size);
    Diags d = {.out = out, .limit = 1};
    diag_error(&d, (Span){&source, 10, 5}, "no such %s", "number");
    diag_error(&d, (Span){&source, 0, 3}, "counted, not shown");
    fclose(out);
    CHECK(d.errors == 2);
    CHECK_TEXT(shown, "file:2:7: error: no such number\n      two three\n          ^~~~~\n");
    free(shown);
}

static void test_files(void)
{
    char folder[] = "/tmp/test_base.XXXXXX";
    Error err;
    FileMap map;
    CHECK(mkdtemp(folder) != NULL);
    char *path = path_join(folder, "a"), *made, *inner;
    CHECK(file_write_atomic(path, "hello", 5, &err));
    CHECK(file_map(&map, path, &err) && map.size == 5 && memcmp(map.data, "hello", 5) == 0);
    file_unmap(&map);
    CHECK(!file_map(&map, folder, &err) && strstr(err.text, "not a regular file"));
    made = dir_begin(path, &err);
    CHECK(made && file_is_dir(made));
    inner = path_join(made, "b");
    CHECK(mkdir(inner, 0777) == 0);
    /* A file is in the way, and nothing says that it may be replaced: the new folder goes, the file stays. */
    CHECK(!dir_commit(made, path, NULL, &err) && strstr(err.text, "left as it is"));
    CHECK(file_exists(path) && !file_exists(inner));
    free(inner);
    free(path);
    char *parent = path_dir("a/b/"), *none = path_dir("b");
    CHECK_TEXT(parent, "a");
    CHECK_TEXT(none, ".");
    free(parent);
    free(none);
    CHECK(dir_remove(folder, &err) && !file_exists(folder));
}

/* What is no regular file is written to, never replaced. */
static void test_pipe(void)
{
    Error err;
    char folder[] = "/tmp/test_base.XXXXXX", got[8] = {0};
    CHECK(mkdtemp(folder) != NULL);
    char *path = path_join(folder, "pipe");
    CHECK(mkfifo(path, 0600) == 0);
    int fd = open(path, O_RDWR); /* so that neither side waits for the other */
    struct stat st;
    CHECK_TOLD(file_write_atomic(path, "hello", 5, &err), "%s", err.text);
    CHECK(read(fd, got, sizeof got - 1) == 5 && strcmp(got, "hello") == 0);
    CHECK(stat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    close(fd);
    char *link = path_join(folder, "link");
    CHECK(symlink("file", link) == 0);
    for (int i = 0; i < 2; i++) { /* the second time there is a file behind it */
        CHECK_TOLD(file_write_atomic(link, "linked", 6, &err), "%s", err.text);
        CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
        CHECK(stat(link, &st) == 0 && st.st_size == 6);
    }
    free(link);
    free(path);
    CHECK(dir_remove(folder, &err));
}

static void test_flags(void)
{
    int64_t n = 1;
    double x = 0;
    bool on = false;
    FlagList list = {0};
    const Flag flags[] = {
        {FLAG_INT, "--count", "-n", "N", &n, 0, 10, "a number of things"},
        {FLAG_NUMBER, "--ratio", NULL, "X", &x, 0, 1, "a ratio"},
        {FLAG_BOOL, "--on", NULL, NULL, &on, 0, 0, "a switch"},
        {FLAG_LIST, "--name", NULL, "TEXT", &list, 0, 0, "a name"},
    };
    char *good[] = {"t", "-n", "7", "rest", "--ratio=0.5", "--on", "--name", "a", "--name=b", "--", "--on"};
    char *bad[][3] = {
        {"t", "--count", "11"}, {"t", "--ratio", "much"}, {"t", "--on=1", ""}, {"t", "--cuont", "1"}};
    static const char *const messages[] = {
        "--count: \"11\" is not a whole number from 0 to 10", "--ratio: \"much\" is not a number from 0 to 1",
        "--on takes no value", "unknown option --cuont (did you mean --count?)"};
    const char *rest[16];
    int rests;
    Error err;
    CHECK(flags_parse(flags, 4, 11, good, rest, &rests, &err));
    CHECK(n == 7 && x == 0.5 && on && list.count == 2 && rests == 2);
    CHECK_TEXT(rest[1], "--on");
    for (int i = 0; i < 4; i++) {
        CHECK(!flags_parse(flags, 4, 3, bad[i], rest, &rests, &err));
        CHECK_TEXT(err.text, messages[i]);
    }
    CHECK(!flags_parse(flags, 4, 2, (char *[]){"t", "--count"}, rest, &rests, &err));
    CHECK_TEXT(err.text, "--count needs a value: --count N");
    free(list.item);
}

int main(void)
{
    test_half();
    test_placement();
    test_texts();
    test_diag();
    test_files();
    test_pipe();
    test_flags();
    return check_report();
}
