/* Unigram models: the best way through the text, left to right (Viterbi). Sums are rounded where
 * SentencePiece's EncodeOptimized rounds them, so that near ties fall the same way. */
#include <float.h>
#include <stdlib.h>

#include "runtime/tokenizer/classes.h"
#include "runtime/tokenizer/spm.h"

/* The best cut of the text up to some byte: its last piece starts at `start`. */
typedef struct Node {
    float score;
    int32_t id;
    int64_t start; /* -1: no cut reaches this byte */
} Node;

static void reach(Node *node, size_t start, int32_t id, double score)
{
    if (node->start < 0 || score > node->score)
        *node = (Node){(float)score, id, (int64_t)start};
}

/* A user-defined piece has a score that no other cut of its text has. */
static double piece_score(const Spm *s, const AddedToken *piece)
{
    if (s->kinds[piece->id] == PIECE_USER_DEFINED)
        return (float)piece->text.size * s->best_score - 0.1;
    return s->scores[piece->id];
}

static void reach_from(const Spm *s, const char *text, size_t size, size_t at, size_t length, Node *nodes)
{
    PrefixWalk walk = prefix_walk(&s->normal, text + at, size - at);
    bool has_character = false;
    for (const AddedToken *piece; (piece = prefix_walk_next(&walk)) != NULL;) {
        reach(&nodes[at + piece->text.size], at, piece->id, piece_score(s, piece) + nodes[at].score);
        has_character = has_character || piece->text.size == length;
    }
    if (!has_character)
        reach(&nodes[at + length], at, -1, s->unknown_score + nodes[at].score);
}

size_t unigram_cut(const Spm *s, const char *text, size_t size, Cut **cuts)
{
    Node *nodes = xmalloc((size + 1) * sizeof *nodes);
    nodes[0] = (Node){0, -1, 0};
    for (size_t i = 1; i <= size; i++)
        nodes[i].start = -1;
    for (size_t at = 0; at < size;) {
        int length;
        char_class((const unsigned char *)text + at, (const unsigned char *)text + size, &length);
        reach_from(s, text, size, at, (size_t)length, nodes);
        at += (size_t)length;
    }
    size_t count = 0;
    for (size_t end = size; end; end = (size_t)nodes[end].start)
        count++;
    *cuts = xmalloc((count ? count : 1) * sizeof **cuts);
    for (size_t end = size, i = count; end; end = (size_t)nodes[end].start)
        (*cuts)[--i] = (Cut){nodes[end].id, (uint32_t)end};
    free(nodes);
    return count;
}
