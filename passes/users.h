/* Who uses what: an index that lives in Value.mark while one pass runs. */
#ifndef PASSES_USERS_H
#define PASSES_USERS_H

#include "ir/ir.h"

typedef struct Info {
    int position; /* of its op in the function; -1: a parameter */
    int users;    /* once per argument */
    Op **user;
    bool output;                    /* of the function */
    unsigned stamp, roles, visited; /* these and what follows: for the pass */
    bool found;
    Value *copy; /* outline.c: its copy in `copied_in` */
    Func *copied_in;
    int wire, segment; /* place.c */
} Info;

/* Gives every value that an op of the function makes, and every parameter, its Info, until
 * func_clear_marks. */
void users_index(Func *f, Arena *a);
/* NULL for a constant that was written in place. */
Info *info_of(const Value *v);
int op_position(const Op *op); /* -1: an op without results */

#endif
