/* A model.mlmodel from bytes. What reads must print. */
#include "frontend/mlpackage/mlpackage.h"

#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Diags diags = {0};
    Text out = {0};
    Module *m = mlmodel_read(data, size, "fuzz", &diags);
    if ((m == NULL) != (diags.errors > 0))
        abort();
    if (m)
        module_print(&out, m);
    text_free(&out);
    module_free(m);
    return 0;
}
