/* Reads Core ML packages (docs/mlpackage.md): ML Programs of specification versions 6 to 9. */
#ifndef FRONTEND_MLPACKAGE_MLPACKAGE_H
#define FRONTEND_MLPACKAGE_MLPACKAGE_H

#include "ir/ir.h"

/* Whether PATH is to be read by mlpackage_read: X.mlpackage, X.mlmodel. */
bool mlpackage_named(const char *path);

/* The verified program of the package, or of a lone .mlmodel file, at PATH; NULL where it is wrong, which
 * diags has said. `folder` (may be NULL) gets what @model_path means, malloc'ed. Types and constants become
 * what MIL text would make of them; ranges of the description become FlexibleShapeInformation. */
Module *mlpackage_read(const char *path, char **folder, Diags *diags);

/* The same for the bytes of a model.mlmodel; `name` is what messages call it. */
Module *mlmodel_read(const void *data, size_t size, const char *name, Diags *diags);

#endif
