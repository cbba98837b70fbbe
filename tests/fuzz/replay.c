/* fuzz_NAME [-n MUTATIONS] [-t SECONDS] [-s SEED] [-o FOLDER] CORPUS...: feeds every file of the corpus
 * (files, or folders of files) to the target, then mutations of them. They depend on the seed and the
 * corpus alone, so a failure comes again; a slow machine stops early, at SECONDS. The input that ends the
 * program, by a crash, a sanitizer report or ten seconds without an answer, is left in FOLDER/crash-NAME.
 * For machines without libFuzzer, and for the default test run; see tests/fuzz/run.sh for the real search. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "tests/fuzz/fuzz.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifdef SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

enum { INPUT_LIMIT = 1 << 20, GROWTH = 4096, HANG_SECONDS = 10 };

typedef struct Input {
    char *path;
    uint8_t *data;
    size_t size;
} Input;

typedef struct Corpus {
    Input *inputs;
    size_t count, cap;
} Corpus;

/* What is being run, for the report of a crash. */
static struct {
    const uint8_t *data;
    size_t size;
    const char *origin, *folder, *name;
    uint64_t mutation;
} current;

/* ---- the report ---- */

static void save_current(void)
{
    char path[1024];
    if (!current.data)
        return; /* the end of the program: leaks are reported there, for all inputs together */
    snprintf(path, sizeof path, "%s/crash-%s", current.folder, current.name);
    FILE *f = fopen(path, "wb");
    if (f) {
        fwrite(current.data, 1, current.size, f);
        fclose(f);
    }
    fprintf(stderr, "%s: this input (%zu bytes, mutation %llu of %s) is now in %s\n", current.name,
            current.size, (unsigned long long)current.mutation, current.origin, path);
}

static void on_signal(int sig)
{
    fprintf(stderr, "%s: %s\n", current.name, sig == SIGALRM ? "no answer for ten seconds" : "aborted");
    save_current();
    _exit(1);
}

static void run_target(const uint8_t *data, size_t size, const char *origin, uint64_t mutation)
{
    /* A copy of exactly this size: one byte too far is then seen. */
    uint8_t *copy = xmalloc(size);
    if (size)
        memcpy(copy, data, size);
    current.data = copy;
    current.size = size;
    current.origin = origin;
    current.mutation = mutation;
    alarm(HANG_SECONDS);
    LLVMFuzzerTestOneInput(copy, size);
    alarm(0);
    current.data = NULL;
    free(copy);
}

/* ---- the corpus ---- */

static bool add_file(Corpus *corpus, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    uint8_t *data = xmalloc(INPUT_LIMIT);
    size_t size = fread(data, 1, INPUT_LIMIT, f);
    bool fits = fgetc(f) == EOF && !ferror(f);
    fclose(f);
    if (!fits) {
        free(data);
        return false;
    }
    if (corpus->count == corpus->cap) {
        corpus->cap = corpus->cap ? 2 * corpus->cap : 64;
        corpus->inputs = xrealloc(corpus->inputs, corpus->cap * sizeof *corpus->inputs);
    }
    corpus->inputs[corpus->count++] = (Input){xstrdup(path), xrealloc(data, size), size};
    return true;
}

static bool add_path(Corpus *corpus, const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return add_file(corpus, path);
    bool all = true;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char child[1024];
        struct stat info;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && stat(child, &info) == 0 && S_ISREG(info.st_mode))
            all = add_file(corpus, child) && all;
    }
    closedir(dir);
    return all;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const Input *)a)->path, ((const Input *)b)->path);
}

/* ---- mutations ---- */

static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return n ? (size_t)(next_random() % n) : 0;
}

static void write_number(uint8_t *at, size_t width)
{
    static const uint64_t edges[] = {
        0,         1,      64,        0x7f,        0x80,       0xff,      0x7fff,
        0x8000,    0xffff, INT32_MAX, 0x80000000u, UINT32_MAX, INT64_MAX, (uint64_t)1 << 63,
        UINT64_MAX};
    uint64_t value = edges[below(sizeof edges / sizeof *edges)] + below(3) - 1;
    for (size_t i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* Replaces the run of digits at or after `at` by a number that a reader may not expect. */
static size_t change_digits(uint8_t *data, size_t size, size_t at)
{
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "1",
                                          "00",
                                          "1.5",
                                          "1e999",
                                          "2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "99999999999999999999999"};
    while (at < size && (data[at] < '0' || data[at] > '9'))
        at++;
    size_t end = at;
    while (end < size && data[end] >= '0' && data[end] <= '9')
        end++;
    if (at == end)
        return size;
    const char *number = numbers[below(sizeof numbers / sizeof *numbers)];
    size_t length = strlen(number);
    memmove(data + at + length, data + end, size - end);
    memcpy(data + at, number, length);
    return size - (end - at) + length;
}

static size_t remove_range(uint8_t *data, size_t size)
{
    size_t at = below(size), n = 1 + below(below(2) ? 8 : size - at);
    if (n > size - at)
        n = size - at;
    memmove(data + at, data + at + n, size - at - n);
    return size - n;
}

static size_t insert_bytes(uint8_t *data, size_t size, const uint8_t *bytes, size_t n)
{
    size_t at = below(size + 1);
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, bytes, n);
    return size + n;
}

/* Inserts a piece of `other`, which may be the input itself: repeated and misplaced parts. */
static size_t insert_piece(uint8_t *data, size_t size, const uint8_t *other, size_t other_size)
{
    uint8_t piece[256];
    size_t at = below(other_size), n = 1 + below(sizeof piece - 1);
    if (n > other_size - at)
        n = other_size - at;
    memcpy(piece, other + at, n);
    return insert_bytes(data, size, piece, n);
}

/* One step; each adds at most 256 bytes, and `data` has room for GROWTH more than it began with. */
static size_t mutate(uint8_t *data, size_t size, const Input *other)
{
    uint8_t byte = (uint8_t)next_random();
    size_t at = below(size);
    if (size < 8)
        return other->size ? insert_piece(data, size, other->data, other->size)
                           : insert_bytes(data, size, &byte, 1);
    switch (below(9)) {
    case 0: data[at] ^= (uint8_t)(1u << below(8)); return size;
    case 1: data[at] = byte; return size;
    case 2: data[at] = (uint8_t) "\"{}[]()<>,:;.=\\\n\0 -#/*"[below(23)]; return size;
    case 3: write_number(data + below(size - 7), (size_t)1 << below(4)); return size;
    case 4: return change_digits(data, size, at);
    case 5: return remove_range(data, size);
    case 6: return insert_piece(data, size, data, size);
    case 7: return other->size ? insert_piece(data, size, other->data, other->size) : size;
    default: return below(8) ? insert_bytes(data, size, &byte, 1) : at; /* seldom: cut short */
    }
}

static void run_mutation(const Corpus *corpus, uint64_t number)
{
    const Input *input = &corpus->inputs[below(corpus->count)];
    const Input *other = &corpus->inputs[below(corpus->count)];
    uint8_t *data = xmalloc(input->size + GROWTH);
    size_t size = input->size;
    if (size)
        memcpy(data, input->data, size);
    for (size_t steps = 1 + below(1 + below(8)); steps; steps--)
        size = mutate(data, size, other);
    run_target(data, size, input->path, number);
    free(data);
}

/* ---- the program ---- */

static void usage(void)
{
    fprintf(stderr, "usage: %s [-n MUTATIONS] [-t SECONDS] [-s SEED] [-o FOLDER] CORPUS...\n", current.name);
    exit(2);
}

static void free_corpus(Corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->inputs[i].path);
        free(corpus->inputs[i].data);
    }
    free(corpus->inputs);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    uint64_t mutations = 20000;
    double seconds = 15;
    Corpus corpus = {0};
    int option;

    current.name = slash ? slash + 1 : argv[0];
    current.folder = ".";
    state = 1;
    while ((option = getopt(argc, argv, "n:t:s:o:")) != -1) {
        switch (option) {
        case 'n': mutations = strtoull(optarg, NULL, 10); break;
        case 't': seconds = strtod(optarg, NULL); break;
        case 's': state = strtoull(optarg, NULL, 10); break;
        case 'o': current.folder = optarg; break;
        default: usage();
        }
    }
    for (int i = optind; i < argc; i++) {
        if (!add_path(&corpus, argv[i])) {
            fprintf(stderr, "%s: cannot read %s (or a file of it has over %d bytes)\n", current.name, argv[i],
                    INPUT_LIMIT);
            return 2;
        }
    }
    if (!corpus.count) {
        fprintf(stderr, "%s: the corpus is empty\n", current.name);
        return 2;
    }
    qsort(corpus.inputs, corpus.count, sizeof *corpus.inputs, by_path); /* readdir has no order */

#ifdef SANITIZED
    __sanitizer_set_death_callback(save_current);
#endif
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);

    double end = clock_seconds() + seconds;
    for (size_t i = 0; i < corpus.count; i++)
        run_target(corpus.inputs[i].data, corpus.inputs[i].size, corpus.inputs[i].path, 0);
    uint64_t done = 0;
    while (done < mutations && clock_seconds() < end)
        run_mutation(&corpus, ++done);

    printf("%s: %zu files, %llu mutations\n", current.name, corpus.count, (unsigned long long)done);
    printf("%zu passed, 0 failed, 0 skipped\n", corpus.count);
    free_corpus(&corpus);
    return 0;
}
