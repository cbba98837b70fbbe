/* --from: a checkpoint from the hub; and the model file that belongs to a checkpoint. */
#ifndef TOOLS_ANEC_FROM_H
#define TOOLS_ANEC_FROM_H

#include <jansson.h>

#include "base/error.h"

/* Fetches OWNER/NAME[@REVISION][:FILE]; returns the path for --weights, malloc'ed. Shows a progress bar on a
 * terminal unless quiet. */
MUST_USE char *from_hub(const char *name, bool quiet, Error *err);

/* The .anel file for config.json's model_type, malloc'ed: a file of a models folder whose name is the type
 * (but for case, - and _), or that says "# model_type: TYPE ..." in the comment at its beginning. Folders:
 * `folder` where given, those of $ANEC_MODELS, share/anec/models and models/ beside the program. */
MUST_USE char *from_model_type(const json_t *config, const char *folder, const char *program, Error *err);

#endif
