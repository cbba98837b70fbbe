/* The smallest test harness: CHECK(condition), CHECK_TOLD(condition, format, ...), CHECK_TEXT(got, expected),
 * SKIP(reason); end main with `return check_report();`. A failed check is printed and counted; the program
 * goes on. */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed, check_skipped;

#define CHECK(condition)                                                                                     \
    ((condition) ? (void)check_passed++                                                                      \
                 : (void)(check_failed++, printf("%s:%d: FAILED: %s\n", __FILE__, __LINE__, #condition)))

#define CHECK_TOLD(condition, ...)                                                                           \
    ((condition) ? (void)check_passed++                                                                      \
                 : (void)(check_failed++, printf("%s:%d: FAILED: ", __FILE__, __LINE__),                     \
                          printf(__VA_ARGS__), putchar('\n')))

#define CHECK_TEXT(got, expected) check_text((got), (expected), __FILE__, __LINE__)

#define SKIP(reason) (check_skipped++, printf("%s:%d: skipped: %s\n", __FILE__, __LINE__, (reason)))

static inline void check_text(const char *got, const char *expected, const char *file, int line)
{
    if (got && strcmp(got, expected) == 0) {
        check_passed++;
        return;
    }
    check_failed++;
    printf("%s:%d: FAILED: got \"%s\", expected \"%s\"\n", file, line, got ? got : "(null)", expected);
}

/* The folder of real checkpoints and texts, or NULL where there is none. */
static inline const char *check_data(void)
{
    const char *dir = getenv("ANEC_TEST_DATA");
    if (!dir || !*dir)
        dir = "../shared/data";
    FILE *f = fopen(dir, "r");
    if (!f)
        return NULL;
    fclose(f);
    return dir;
}

static inline int check_report(void)
{
    printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
    return check_failed ? 1 : 0;
}

#endif
