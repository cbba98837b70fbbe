/* greedy_agrees LOGITS IDS PROMPT VOCAB GAP: LOGITS holds one float32 row for each of the ids but the last
 * ("1 2 3"), of which the first PROMPT are given and each of the others was once the likeliest. Prints every
 * place where another one is now, and by how much; that is allowed only where the difference is below GAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static int fault(const char *text)
{
    fprintf(stderr, "greedy_agrees: %s\n", text);
    return 2;
}

static float logit(const char *data, size_t row, size_t vocab, size_t id)
{
    float f;
    memcpy(&f, data + (row * vocab + id) * sizeof f, sizeof f);
    return f;
}

static size_t likeliest(const char *data, size_t row, size_t vocab)
{
    size_t best = 0;
    for (size_t id = 1; id < vocab; id++)
        if (logit(data, row, vocab, id) > logit(data, row, vocab, best))
            best = id;
    return best;
}

int main(int argc, char **argv)
{
    Error err;
    char *data, *end;
    size_t size, vocab, row = 0;
    if (argc != 6)
        return fault("wants LOGITS IDS PROMPT VOCAB GAP");
    if (!file_read(argv[1], 0, &data, &size, &err))
        return fault(err.text);
    vocab = strtoul(argv[4], NULL, 10);
    size_t prompt = strtoul(argv[3], NULL, 10), rows = size / sizeof(float) / vocab;
    double gap = strtod(argv[5], NULL);
    bool good = true;
    (void)strtoul(argv[2], &end, 10); /* the first id is nobody's answer */
    for (const char *p = end; *p; p = end, row++) {
        size_t id = strtoul(p, &end, 10);
        if (end == p || row >= rows || id >= vocab)
            return fault("ids and logits do not belong together");
        size_t best = likeliest(data, row, vocab);
        if (row + 1 < prompt || best == id)
            continue;
        double by = (double)(logit(data, row, vocab, best) - logit(data, row, vocab, id));
        printf("token %zu: %zu instead of %zu, likelier by %g\n", row + 1, best, id, by);
        good &= by < gap;
    }
    free(data);
    if (row != rows)
        return fault("there are more logits than ids");
    return good ? 0 : 1;
}
