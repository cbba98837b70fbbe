/* manifest.json from any bytes: it is refused with a text, or everything in it is within bounds. */
#include <stdlib.h>
#include <string.h>

#include "runtime/manifest.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Manifest m;
    Error err = {""};
    if (!manifest_parse(&m, (const char *)data, size, &err)) {
        require(err.text[0] != 0);
        return 0;
    }
    for (int i = 0; i < m.plan.states; i++)
        require(type_bytes(m.plan.state[i].type) > 0);
    for (int i = 0; i < m.plan.entries; i++)
        for (int k = 0; k < m.plan.entry[i].steps; k++)
            require(m.plan.entry[i].step[k].program != NULL);
    manifest_free(&m);
    return 0;
}
