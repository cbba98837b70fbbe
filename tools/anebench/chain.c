#include "tools/anebench/chain.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/half.h"
#include "frontend/mil/mil.h"
#include "tools/shared/draft.h"

static void build_blocks(Draft *b, int64_t width, int64_t length, int first, int count)
{
    Node x = draft_input(b, "x", width, length);
    b->names = first; /* programs of one text may be one program to a device */
    for (int i = 0; i < count; i++) {
        Node w = draft_weight(b, node4(width, width, 1, 1), (Fill){FILL_RANDOM, 1.5 / (double)width});
        Node y = draft_conv(b, &x, &w);
        x = draft_unary(b, "relu", &y);
    }
    draft_output(b, &x);
}

static bool give_file(void *context, const char *path, const void **data, size_t *size, Error *err)
{
    const Text *weights = context;
    *data = weights->data;
    *size = weights->size;
    return true;
}

bool chain_open(Chain *c, Device *device, int64_t width, int64_t length, int first, int count, Error *err)
{
    Draft b = {0};
    Diags quiet = {.quiet = true};
    *c = (Chain){.bytes = (size_t)(width * length) * sizeof *c->in};
    build_blocks(&b, width, length, first, count);
    draft_print(&b, &c->mil);
    draft_weights(&b, &c->weights);
    draft_free(&b);
    c->source = (Source){"chain.mil", c->mil.data, c->mil.size};
    c->module = mil_read(&c->source, &quiet);
    BlobResolver blobs = {.find = draft_find_blob, .context = &c->weights, .file = give_file};
    if (c->module)
        c->kernel = device_compile(device, module_find(c->module, "main"), &blobs, err);
    else
        error_set(err, "the program of %d blocks is wrong", count);
    c->in = xcalloc(c->bytes, 1);
    c->out = xcalloc(c->bytes, 1);
    for (size_t i = 0; i < c->bytes / sizeof *c->in; i++)
        c->in[i] = half_from_float((float)(i % 17) / 17);
    bool ok = c->kernel;
    if (!ok)
        chain_close(c);
    return ok;
}

bool chain_run(Chain *c, Error *err)
{
    PortData data[2] = {{c->in, c->bytes}, {c->out, c->bytes}};
    return device_run(c->kernel, data, 2, NULL, err);
}

void chain_close(Chain *c)
{
    kernel_release(c->kernel);
    module_free(c->module);
    text_free(&c->mil);
    text_free(&c->weights);
    free(c->in);
    free(c->out);
    *c = (Chain){0};
}
