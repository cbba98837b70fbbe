/* .npy files from bytes; every byte of what was read is looked at. */
#include <stdlib.h>
#include <string.h>

#include "runtime/npy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Npy n;
    Error err = {""};
    if (!npy_parse(data, size, &n, &err)) {
        if (!err.text[0] || n.data)
            abort();
        return 0;
    }
    unsigned sum = 0;
    for (int64_t i = 0; i < type_bytes(&n.type); i++)
        sum += ((const uint8_t *)n.data)[i];
    npy_free(&n);
    return sum == (unsigned)-1 && size == 0;
}
