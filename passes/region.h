/* Growing the set of ops that becomes one program. */
#ifndef PASSES_REGION_H
#define PASSES_REGION_H

#include "passes/pipeline.h"
#include "passes/users.h"

typedef struct Region {
    Pipeline *p;
    Arena *scratch;
    int id;         /* Op.group of its ops */
    unsigned stamp; /* unique, also among regions that came to nothing */
    int ops, cap;
    Op **op;
    const char *why;    /* why there is no such region; NULL: there may be one */
    const Op *obstacle; /* the first op that could not join; NULL: none was met */
} Region;

/* An empty region of pipeline->graph, whose values have their Info. */
void region_begin(Region *r, Pipeline *p, Arena *scratch);
bool region_has(const Region *r, const Op *op);
/* Adds an op that is in no region yet; no effect where it is in this one. */
void region_add(Region *r, Op *op);
/* Whether op is free and may stand in a program; the first that is not becomes r->obstacle. */
bool region_takes(Region *r, const Op *op);
/* Sets r->why and returns false. */
bool region_fail(Region *r, const char *why);

/* The values that two or more linears of the region read are one: returned. NULL: there are several, or none.
 */
Value *region_common_input(const Region *r);
/* Whether all data operands of op but v are known before run time. */
bool only_known_beside(const Op *op, const Value *v);
/* The op that alone uses v; NULL: several, none, or v is an output. */
Op *only_user(const Value *v);
/* Adds single-use arithmetic with constants behind v; returns the last value. */
Value *region_absorb_tail(Region *r, Value *v);

/* Makes it a group, if it can be a program: what goes in and comes out has one axis of tokens, and nothing
 * outside lies between two of its ops. Else its ops are free again, and r->why says why. */
bool region_commit(Region *r, const char *kind, const Value *x, const Value *out);

/* Adds the norm that makes x, if it may stand in a program and nothing outside reads it: the program's input
 * then. */
Value *region_absorb_norm(Region *r, Value *x);

/* The name that v is to have in its program. */
void region_name(Region *r, const Value *v, const char *role);

#endif
