/* Pickles of PyTorch checkpoints: the input is put into an archive with one storage, so that a pickle may
 * grow and shrink. Archives themselves are among the inputs of fuzz_safetensors. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "frontend/weights/weights.h"
#include "tests/fuzz/fuzz.h"

static void number(Text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        text_putc(t, (char)(i < 8 ? v >> 8 * i : 0));
}

static void entry(Text *file, Text *directory, const char *name, const void *data, size_t size)
{
    const size_t at = file->size, length = strlen(name);
    text_puts(file, "PK\3\4");
    number(file, 0, 22);
    number(file, length, 4);
    text_puts(file, name);
    text_add(file, data, size);
    text_puts(directory, "PK\1\2");
    number(directory, 0, 16);
    number(directory, size, 4);
    number(directory, size, 4);
    number(directory, length, 14);
    number(directory, at, 4);
    text_puts(directory, name);
}

static Text archive(const uint8_t *pickle, size_t size)
{
    static const float storage[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    Text file = {0}, directory = {0};
    entry(&file, &directory, "a/data.pkl", pickle, size);
    entry(&file, &directory, "a/data/0", storage, sizeof storage);
    const size_t at = file.size;
    text_add(&file, directory.data, directory.size);
    text_puts(&file, "PK\5\6");
    number(&file, 0, 6);
    number(&file, 2, 2);
    number(&file, directory.size, 4);
    number(&file, at, 4);
    number(&file, 0, 2);
    text_free(&directory);
    return file;
}

/* Every byte that the reader promises is there. */
static void read_bytes(const Tensor *t)
{
    volatile uint8_t seen;
    for (uint64_t i = 0; i < t->size; i++)
        seen = t->data[i];
    (void)seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    Error err;
    Text file = archive(data, size);
    Weights *w = weights_open_memory(file.data, file.size, "fuzz", &err);
    for (size_t i = 0; w && i < weights_count(w); i++) {
        const Tensor *t = weights_at(w, i);
        if (weights_find(w, t->name) != t || t->size > 8 * sizeof(float))
            abort();
        read_bytes(t);
        tensor_describe(t, text, sizeof text);
    }
    if (!w && strncmp(err.text, "fuzz: ", 6) != 0)
        abort();
    weights_close(w);
    text_free(&file);
    return 0;
}
