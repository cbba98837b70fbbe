/* Inside grow: the graph as pieces between places where one value alone goes on, and blocks made of them. */
#ifndef PASSES_GROW_H
#define PASSES_GROW_H

#include "passes/pipeline.h"

/* The ops at positions first .. last that depend on the tokens. */
typedef struct Piece {
    int first, last;
    Value *in, *out;    /* what alone goes in and on */
    int groups;         /* programs of the pair form in it */
    bool attention;     /* one of them is an attention */
    const Op *obstacle; /* the first op that no program can take; NULL: none */
    const char *why;    /* why it cannot */
    const char *doubt;  /* why the profile does not speak for it; NULL: it does */
} Piece;

/* Pieces that make one layer of the model: an attention, and what follows up to the next. */
typedef struct Block {
    int first, last; /* pieces */
    int groups;
    int chain; /* blocks of one chain follow one another without a gap */
} Block;

/* Blocks first .. last as one program. */
typedef struct Stretch {
    int first, last;
} Stretch;

/* A way to cut the model into programs. */
typedef struct Candidate {
    int blocks; /* the most in a program; 0: attention and MLP are a program each */
    int programs;
    double us;         /* predicted, the sum over the buckets; -1: the profile lacks numbers */
    const char *limit; /* which limit of the profile kept it from larger programs; NULL: none */
    int stretches, cap;
    Stretch *stretch;
} Candidate;

typedef struct Grow {
    Pipeline *p;
    Arena scratch;
    int ops;
    Op **op;     /* by position */
    bool *token; /* by position: depends on the tokens */
    int pieces, pieces_cap;
    Piece *piece;
    int blocks, blocks_cap;
    Block *block;
    double **flops, **norm_us; /* by bucket and position */
    int *seen;                 /* by position of a constant: the last count that met it */
    int counts;
} Grow;

/* What one program, made of the ops of some positions and groups, has in its files and at its ends. */
typedef struct Load {
    int64_t blobs, convs, channels; /* channels: of its one joined output */
    double weight_bytes;
} Load;

/* Whether a layer_norm is written as it is: the profile has the op, and for an epsilon as small. */
bool grow_norm_is_native(const Profile *profile, const Op *op);

/* Ops of pieces `first` .. `last`; of one group of theirs alone where group > 0. */
Load grow_load(Grow *g, int first, int last, int group);
/* The limit that a program of blocks first .. last breaks, as a phrase; NULL: it is within them. */
const char *grow_limit(Grow *g, int first, int last);

/* Fills flops and norm_us of `ops` ops; the values' Info is gone then. */
void grow_measure(Grow *g);
/* What a norm or a reduction takes in a program, by its own curve; 0 for other ops. Of static shapes. */
double grow_norm_us(const Profile *profile, const Op *op);
/* One evaluation of a program; `ends`: bytes that go in and out. -1: the profile lacks numbers. */
double grow_program_us(const Profile *profile, double flops, double weight_bytes, double ends, double norms);
/* Predicts a candidate, and counts its programs. */
void grow_predict(Grow *g, Candidate *c);

#endif
