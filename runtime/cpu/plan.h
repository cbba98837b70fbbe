/* A compiled function: blocks of memory, and steps that read and write views of them. Internal to
 * runtime/cpu. */
#ifndef RUNTIME_CPU_PLAN_H
#define RUNTIME_CPU_PLAN_H

#include "runtime/device.h"
#include "runtime/kernels/kernels.h"

typedef enum BlockHome { HOME_WORK, HOME_PORT, HOME_CONST } BlockHome;

typedef struct Block {
    BlockHome home;
    int port;             /* HOME_PORT */
    const void *constant; /* HOME_CONST */
    size_t bytes, offset; /* HOME_WORK: of the device's workspace */
    int first, last;      /* steps that use it; first > last where there is none yet */
} Block;

/* Elements of a block, strided. Slices, transposes and most reshapes of a value are views of the same block.
 */
typedef struct View {
    int block;
    DType store; /* as it lies in memory, which may differ from the MIL type (see cpu_store_of in lower.h) */
    int64_t first; /* element */
    int rank;
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK];
} View;

typedef struct CpuDevice {
    Device base;
    DeviceOptions options;
    Compute compute;
    char *work;   /* shared by all kernels: only one runs at a time */
    void *memory; /* the allocation behind work */
    size_t room;
    char description[64];
} CpuDevice;

typedef struct CpuStep CpuStep;

typedef struct CpuKernel {
    Kernel base;
    Arena arena;
    CpuDevice *device;
    Block *block;
    int blocks, blocks_cap;
    CpuStep *step;
    int steps, steps_cap;
} CpuKernel;

typedef struct Run {
    CpuDevice *device;
    const Block *block;
    const PortData *data;
    Compute *compute;
} Run;

struct CpuStep {
    bool (*run)(const Run *r, const CpuStep *s, Error *err);
    const char *name, *kind; /* for the trace */
    const Type *type;
    double bytes, flops;
    /* Where they depend on the data of a run, such as how much of a cache is filled; else NULL. */
    void (*work)(const Run *r, const CpuStep *s, double *bytes, double *flops);
    View out;
    int views; /* operands */
    View *view;
    const void *own; /* what else the step knows: a struct of its file */
};

/* The address of element `first` of a view. */
static inline void *view_data(const Run *r, const View *v)
{
    const Block *b = &r->block[v->block];
    size_t at = (size_t)v->first * (size_t)(dtype_info[v->store].bits / 8);
    switch (b->home) {
    case HOME_PORT: return (char *)r->data[b->port].data + at;
    case HOME_CONST: return (char *)(uintptr_t)b->constant + at;
    default: return r->device->work + b->offset + at;
    }
}

/* ---- view.c ---- */

View view_dense(int block, DType store, int rank, const int64_t *dim);
int64_t view_count(const View *v);
bool view_is_dense(const View *v);
bool view_has_dims(const View *v, const Type *t);
size_t view_bytes(const View *v);
/* The same elements with other dimensions; false where no strides say that. */
bool view_reshape(const View *v, int rank, const int64_t *dim, View *out);
View view_transpose(const View *v, const int *perm);
/* Drops axes of length 1 and joins neighbours that are contiguous; the order of the elements stays. */
View view_squeeze(const View *v);
/* The same for up to 4 views of one shape at once: joins only where all of them allow it. */
void views_squeeze(View *const *v, int n);
/* The shape of v without gaps, its axes in the same order in memory. */
View view_like(const View *v);
/* v with `rank` dimensions of the given lengths, its own aligned to the right and repeated with stride 0. */
bool view_broadcast(const View *v, int rank, const int64_t *dim, View *out);

#endif
