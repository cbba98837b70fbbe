/* JSON from bytes: json_tree_read has to say what jansson says. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/libjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool taken;
    if (!json_readers_agree((const char *)data, size, &taken))
        abort();
    return 0;
}
