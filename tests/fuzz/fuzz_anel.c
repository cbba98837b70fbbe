/* .anel: any text parses, prints and compiles, or is refused. The first byte of each tensor's name decides
 * whether the checkpoint has it. */
#include <stdlib.h>

#include "frontend/anel/anel.h"
#include "tests/fuzz/fuzz.h"

static bool has_tensor(void *context, const char *name)
{
    return (*name & 1) != 0;
}

static AnelFound config(void *context, const char *key, Arena *arena, AnelValue *out)
{
    *out = (AnelValue){.kind = ANEL_INT, .integer = 4};
    return (*key & 1) != 0 ? ANEL_FOUND : ANEL_ABSENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const search[] = {"models"};
    Arena arena = {0};
    Source source = {.name = "fuzz/no/such/folder.anel",
                     .text = arena_str(&arena, (const char *)data, size),
                     .size = size};
    AnelOptions options = {.config = config, .has_tensor = has_tensor, .search = search, .search_count = 1};
    Diags diags = {0};
    AnelModel model;
    Text text = {0};

    AnelFile *file = anel_parse(&source, &diags);
    anel_print_ast(&text, file);
    anel_file_free(file);
    text_free(&text);

    diags = (Diags){0};
    Module *module = anel_compile(&source, &options, &model, &diags);
    if (module && !module_verify(module, "the front end", &diags))
        abort(); /* what compiles has to be a correct graph */
    module_free(module);
    arena_free(&arena);
    return 0;
}
