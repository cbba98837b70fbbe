/* What a compilation reads: the model's source, its checkpoint and what stands beside it. */
#ifndef TOOLS_ANEC_INPUTS_H
#define TOOLS_ANEC_INPUTS_H

#include <jansson.h>

#include "base/flags.h"
#include "frontend/anel/anel.h"
#include "frontend/weights/bind.h"
#include "frontend/weights/random.h"
#include "frontend/weights/weights.h"

/* The parts point into each other and die together. */
typedef struct Inputs {
    Source source;
    char *fetched, *chosen; /* paths of the checkpoint and the model, where nobody named them */
    Weights *weights; /* NULL: none given, or only what surrounds them */
    char *folder;     /* of the checkpoint: tokenizer and licence are there; NULL: none */
    json_t *config;   /* config.json, or what stands for it in the checkpoint; NULL: none */
    char *config_path;
    Module *module;
    AnelModel model;
    const Func *graph; /* in module */
    Bound *bound;
    RandomWeights *random;
    WeightSource numbers;
    bool has_numbers;
} Inputs;

/* The checkpoint at PATH: tensors, config, folder. */
MUST_USE bool inputs_checkpoint(Inputs *in, const char *path, Error *err);
/* Only the config and the folder at PATH: the numbers are made up. */
MUST_USE bool inputs_surroundings(Inputs *in, const char *path, Error *err);
/* Compiles in->source to in->graph, with `sets` (NAME=VALUE) over the config. */
MUST_USE bool inputs_graph(Inputs *in, const FlagList *sets, Diags *diags);
/* Binds the graph's weights to the checkpoint, or to random numbers where it has none and seed >= 0. */
MUST_USE bool inputs_numbers(Inputs *in, int64_t seed, Diags *diags);
void inputs_free(Inputs *in);

#endif
