/* mlpackage_logits X.mlpackage 1,2,3 CHUNK OUT: the float32 logits of every token of a model that `anec
 * --emit mlpackage` wrote, one row a token, on the CPU device. CHUNK 0: each row from a run of its own, all
 * tokens up to it at once; else CHUNK tokens at a time, with the KV cache between: one row for the last of
 * each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/mil/blob.h"
#include "frontend/mlpackage/mlpackage.h"
#include "runtime/device.h"

enum { MOST = 256, MOST_RESULTS = 64 };

static Error err;
static char *folder;
static FileMap weights;
static void *state[MOST];

static void require(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "mlpackage_logits: %s\n", err.text);
    exit(2);
}

static bool find(void *context, const char *path, uint64_t offset, DType dtype, int64_t elements,
                 const void **data, Error *e)
{
    const uint8_t *bytes;
    bool ok = blob_find(&weights, offset, dtype, elements, &bytes, e);
    *data = bytes;
    return ok;
}

/* The program for n tokens: every type inferred from those of the parameters. */
static Module *read_for(const char *path, int64_t n)
{
    Diags diags = {.out = stderr};
    Module *m = mlpackage_read(path, folder ? NULL : &folder, &diags);
    error_set(&err, "cannot read the package");
    require(m != NULL);
    Func *f = m->func[0];
    for (int i = 0; i < f->params; i++)
        if (f->param[i]->type->kind == TY_TENSOR) {
            Type t = type_tensor(DT_INT32, 1, &n);
            f->param[i]->type = type_copy(&m->arena, &t);
        }
    for (Op *op = f->first; op; op = op->next) {
        Type t[MOST_RESULTS];
        int count = op->code == OP_CONST ? 0 : op_result_types(op, t, MOST_RESULTS, &err);
        require(count >= 0);
        for (int i = 0; i < count; i++)
            op->result[i]->type = type_copy(&m->arena, &t[i]);
    }
    return m;
}

static void run(Device *d, const char *path, const int32_t *ids, const int32_t *positions, int n,
                float **logits, size_t *bytes)
{
    Module *m = read_for(path, n);
    if (!weights.data) {
        char *file = path_join(folder, "weights/weight.bin");
        require(file_map(&weights, file, &err));
        free(file);
    }
    Kernel *k = device_compile(d, m->func[0], &(BlobResolver){.find = find}, &err);
    require(k != NULL);
    PortData data[MOST];
    for (int i = 0; i < k->ports; i++) {
        const Port *p = &k->port[i];
        data[i].bytes = p->bytes;
        if (p->kind == PORT_STATE && !state[i])
            state[i] = xcalloc(1, p->bytes);
        if (p->kind == PORT_OUTPUT && !*logits)
            *logits = xcalloc(1, *bytes = p->bytes);
        data[i].data = p->kind == PORT_STATE    ? state[i]
                       : p->kind == PORT_OUTPUT ? (void *)*logits
                       : p->name[0] == 't'      ? (void *)(uintptr_t)ids
                                                : (void *)(uintptr_t)positions;
    }
    require(device_run(k, data, k->ports, NULL, &err));
    kernel_release(k);
    module_free(m);
}

int main(int argc, char **argv)
{
    int32_t ids[MOST], positions[MOST];
    int n = 0;
    if (argc != 5)
        return 2;
    for (const char *s = strtok(argv[2], ","); s && n < MOST; s = strtok(NULL, ","), n++) {
        ids[n] = atoi(s);
        positions[n] = n;
    }
    Device *d = cpu_device_open(NULL, &err);
    require(d != NULL);
    FILE *out = fopen(argv[4], "wb");
    float *logits = NULL;
    size_t bytes = 0;
    int chunk = atoi(argv[3]);
    for (int i = 0; i < n; i++) {
        if (!chunk)
            run(d, argv[1], ids, positions, i + 1, &logits, &bytes);
        else if ((i + 1) % chunk == 0)
            run(d, argv[1], ids + i + 1 - chunk, positions + i + 1 - chunk, chunk, &logits, &bytes);
        else
            continue;
        if (out)
            fwrite(logits, 1, bytes, out);
    }
    for (int i = 0; i < MOST; i++)
        free(state[i]);
    free(logits);
    free(folder);
    file_unmap(&weights);
    device_close(d);
    return out ? fclose(out) != 0 : 2;
}
