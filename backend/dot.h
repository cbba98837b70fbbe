#ifndef BACKEND_DOT_H
#define BACKEND_DOT_H

#include "ir/ir.h"

/* A function as a Graphviz graph, top to bottom: parameters and outputs as ovals, ops as boxes with the type
 * of their first result, weights as folded notes, fusion groups as frames. Small constants are written into
 * the box of their user. */
void dot_print(Text *out, const Func *f);

#endif
