/* Writes a program as a Core ML package (docs/mlpackage.md): a folder that the public API runs.
 *
 *     X.mlpackage/Manifest.json
 *     X.mlpackage/Data/com.apple.CoreML/model.mlmodel
 *     X.mlpackage/Data/com.apple.CoreML/weights/weight.bin
 */
#ifndef BACKEND_MLPACKAGE_MLPACKAGE_H
#define BACKEND_MLPACKAGE_MLPACKAGE_H

#include "backend/blob.h"
#include "ir/plan.h"

typedef struct MlpackageOptions {
    const WeightSource *weights; /* where the module has WEIGHT(..) constants */
    const char *folder;          /* what @model_path means in the module's BLOBFILE constants; NULL: none */
    const char *summary;         /* where the module has no `description` (module_about); NULL: none */
    void (*progress)(void *context, uint64_t done, uint64_t total); /* bytes of weights; NULL: not told */
    void *context;
} MlpackageOptions;

/* Writes the package to PATH: in a temporary sibling that is renamed at the end; replaces an older Core ML
 * package there, nothing else. Weights get their places in weight.bin (the module is changed so); files that
 * BLOBFILE constants name are copied. A tensor_buffer becomes the tensor that it holds. Same module, same
 * weights: same bytes. */
MUST_USE bool mlpackage_write(Module *m, const MlpackageOptions *options, const char *path, Error *err);

/* Whether PATH is a folder that mlpackage_write may replace. */
bool mlpackage_is(const char *path);

#endif
