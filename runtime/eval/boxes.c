/* Non-maximum suppression, as coremltools describes it (NeuralNetwork.proto and the tests of
 * ops/defs/iOS15/tensor_operation.py). */
#include <math.h>
#include <stdlib.h>

#include "runtime/eval/eval.h"

typedef struct Box {
    double x1, y1, x2, y2;
    double score; /* the largest of its classes */
    int64_t class, index;
} Box;

typedef struct Boxes {
    int64_t count, classes;
    const Tensor *boxes, *scores;
    bool last; /* the boxes are the last axis */
} Boxes;

static int64_t element(const Boxes *b, int64_t batch, int64_t box, int64_t of, int64_t per_box)
{
    return b->last ? (batch * per_box + of) * b->count + box : (batch * b->count + box) * per_box + of;
}

/* From (x, y, width, height), where (x, y) is the middle. */
static Box read_box(const Boxes *b, int64_t batch, int64_t i)
{
    double v[4];
    Box box = {.index = i, .score = -INFINITY};
    for (int k = 0; k < 4; k++)
        v[k] = tensor_get(b->boxes, element(b, batch, i, k, 4));
    box.x1 = v[0] - v[2] / 2;
    box.x2 = v[0] + v[2] / 2;
    box.y1 = v[1] - v[3] / 2;
    box.y2 = v[1] + v[3] / 2;
    for (int64_t k = 0; k < b->classes; k++) {
        double score = tensor_get(b->scores, element(b, batch, i, k, b->classes));
        if (score > box.score) {
            box.score = score;
            box.class = k;
        }
    }
    return box;
}

static int by_score(const void *a, const void *b)
{
    const Box *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static double overlap(const Box *a, const Box *b)
{
    double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1), h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
    double both = fmax(w, 0) * fmax(h, 0);
    double all = (a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) - both;
    return all > 0 ? both / all : 0;
}

/* Leaves the survivors in front of `box`, which is sorted; returns how many. Where no box has the score, the
 * best one stays, so that there is always a result. */
static int64_t suppress(const EvalCall *c, Box *box, int64_t count, int64_t most)
{
    double limit = call_number(c, "iou_threshold", 1), least = call_number(c, "score_threshold", -INFINITY);
    bool per_class = call_bool(c, "per_class_suppression", false);
    int64_t kept = 0;
    for (int64_t i = 0; i < count && kept < most && box[i].score >= least; i++) {
        bool stays = true;
        for (int64_t k = 0; k < kept && stays; k++)
            stays = (per_class && box[k].class != box[i].class) || !(overlap(&box[k], &box[i]) > limit);
        if (stays)
            box[kept++] = box[i];
    }
    return kept || !count ? kept : 1;
}

static void write_batch(const EvalCall *c, const Boxes *b, int64_t batch, const Box *box, int64_t kept,
                        int64_t most)
{
    Boxes to = {.count = most, .classes = b->classes, .last = b->last};
    Tensor *const *out = c->result;
    for (int64_t i = 0; i < most; i++) {
        for (int64_t k = 0; k < 4; k++)
            tensor_put(out[0], element(&to, batch, i, k, 4),
                       i < kept ? tensor_get(b->boxes, element(b, batch, box[i].index, k, 4)) : 0);
        for (int64_t k = 0; k < b->classes; k++)
            tensor_put(out[1], element(&to, batch, i, k, b->classes),
                       i < kept ? tensor_get(b->scores, element(b, batch, box[i].index, k, b->classes)) : 0);
        tensor_put_int(out[2], batch * most + i, i < kept ? box[i].index : -1);
    }
    if (c->results > 3)
        tensor_put_int(out[3], batch, kept);
}

bool eval_non_maximum_suppression(const EvalCall *c, Error *err)
{
    Boxes b = {.boxes = call_operand(c, "boxes"), .scores = call_operand(c, "scores")};
    b.last = !call_operand(c, "score_threshold");
    if (b.boxes->rank != 3 || b.scores->rank != 3 || b.boxes->dim[b.last ? 1 : 2] != 4 || c->results < 3 ||
        c->result[2]->rank != 2)
        return call_error(c, err, "the boxes and scores do not fit");
    b.count = b.boxes->dim[b.last ? 2 : 1];
    b.classes = b.scores->dim[b.last ? 1 : 2];
    if (b.scores->dim[b.last ? 2 : 1] != b.count || b.scores->dim[0] != b.boxes->dim[0])
        return call_error(c, err, "there are not as many scores as boxes");
    Box *box = xcalloc((size_t)b.count + 1, sizeof *box);
    int64_t most = c->result[2]->dim[1];
    for (int64_t batch = 0; batch < b.boxes->dim[0]; batch++) {
        for (int64_t i = 0; i < b.count; i++)
            box[i] = read_box(&b, batch, i);
        qsort(box, (size_t)b.count, sizeof *box, by_score);
        write_batch(c, &b, batch, box, suppress(c, box, b.count, most), most);
    }
    free(box);
    return true;
}
