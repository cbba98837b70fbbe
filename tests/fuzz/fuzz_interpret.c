/* MIL programs from bytes, run op by op: shapes and numbers that no type rule saw coming. Every parameter is
 * filled with small whole numbers; open lengths are 3. */
#include <stdlib.h>
#include <string.h>

#include "frontend/mil/mil.h"
#include "runtime/interpret.h"
#include "tests/fuzz/fuzz.h"

enum { MEMORY = 1 << 20, MOST_ELEMENTS = 1 << 12 };

/* False where a parameter is larger than worth the time. */
static bool fill_params(const Func *f, Tensor *param)
{
    for (int i = 0; i < f->params; i++) {
        Type t = *f->param[i]->type;
        for (int d = 0; d < t.rank; d++)
            t.dim[d] = t.dim[d] < 0 ? 3 : t.dim[d];
        int64_t n = type_elements(&t);
        if (n < 0 || n > MOST_ELEMENTS || dtype_info[t.dtype].bits < 8)
            return false;
        param[i] = tensor_of(&t, t.dtype, calloc(1, (size_t)n * 8 + 8));
        for (int64_t k = 0; k < n; k++)
            tensor_put_int(&param[i], k, k % 5 - 1);
    }
    return true;
}

/* So large a product takes long without being interesting. */
static bool small_values(const Func *f)
{
    for (const Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            if (type_elements(op->result[i]->type) > MOST_ELEMENTS)
                return false;
    return true;
}

static void run(Func *f)
{
    Tensor *param = xcalloc((size_t)f->params + 1, sizeof *param);
    Tensor *output = xcalloc((size_t)f->outputs + 1, sizeof *output);
    InterpretOptions options = {.numerics = NUMERICS_STORED, .memory = MEMORY};
    Error err = {""};
    if (fill_params(f, param) && small_values(f) && !interpret(f, param, output, NULL, &options, &err) &&
        !err.text[0])
        abort();
    for (int i = 0; i < f->params; i++)
        free(param[i].data);
    for (int i = 0; i < f->outputs; i++)
        free(output[i].data);
    free(param);
    free(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    Source source = {"fuzz", text, size};
    Diags diags = {.quiet = true};
    Module *m = mil_read(&source, &diags);
    for (int i = 0; m && i < m->funcs; i++)
        run(m->func[i]);
    module_free(m);
    free(text);
    return 0;
}
