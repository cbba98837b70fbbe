/* MIL text from bytes, as a program and as a model. What reads must print, what was printed must read again,
 * and print the same. */
#include <stdlib.h>
#include <string.h>

#include "frontend/mil/mil.h"
#include "tests/fuzz/fuzz.h"

typedef Module *ReadFn(const Source *src, Diags *diags);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool read_and_print(ReadFn *read, const char *text, size_t size, Text *out)
{
    Source source = {"fuzz", text, size};
    Diags diags = {0};
    Module *m = read(&source, &diags);
    require((m == NULL) == (diags.errors > 0));
    if (m)
        module_print(out, m);
    module_free(m);
    return m != NULL;
}

static void both_ways(ReadFn *read, const char *text, size_t size)
{
    Text first = {0}, second = {0};
    if (read_and_print(read, text, size, &first)) {
        require(read_and_print(read, first.data, first.size, &second));
        require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    text_free(&first);
    text_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1); /* the reader wants a zero byte behind the text */
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    both_ways(mil_read, text, size);
    both_ways(mil_read_model, text, size);
    free(text);
    return 0;
}
