/* Devices: what runs MIL functions. A function is compiled once to a Kernel; a run binds caller memory to the
 * kernel's ports and does no string work and no allocation. The `cpu` device is runtime/cpu/; others fill the
 * same table.
 *
 *     Device *d = cpu_device_open(&(DeviceOptions){.threads = 2}, err);
 *     Kernel *k = device_compile(d, func, &blobs, err);
 *     PortData data[...];                      one per port, in the order of k->port
 *     data[kernel_port(k, PORT_INPUT, "x")] = (PortData){x, bytes};
 *     device_run(k, data, k->ports, NULL, err);
 */
#ifndef RUNTIME_DEVICE_H
#define RUNTIME_DEVICE_H

#include "ir/ir.h"

typedef struct Device Device;
typedef struct Kernel Kernel;

typedef enum Numerics {
    NUMERICS_FP32,  /* floats are fp32 inside a function, whatever their MIL type says */
    NUMERICS_STORED /* every value is rounded to its MIL type where it is made; slow, op by op */
} Numerics;

typedef struct DeviceOptions {
    int threads; /* 0: one a core */
    Numerics numerics;
    bool generic; /* no fused steps: every op by its evaluator in runtime/eval/ (for checks; slow) */
    /* Computes as the Neural Engine would (runtime/eval/engine.h), op by op; `numerics` is then
     * NUMERICS_FP32. Must outlive the device. NULL: as the CPU does. */
    struct Engine *engine;
} DeviceOptions;

/* Where BLOBFILE constants come from. `find` gives the payload of the record at `offset` of the file `path`
 * (spelled as in the MIL text), checked to hold `elements` elements of `dtype`; it stays valid and unchanged
 * while any kernel that was compiled with it lives. package_blob is one such function. */
typedef struct BlobResolver {
    bool (*find)(void *context, const char *path, uint64_t offset, DType dtype, int64_t elements,
                 const void **data, Error *err);
    void *context;
    const char
        *folder; /* what "@model_path/" stands for, where files lie below it as they are named; else NULL */
    /* The whole file, as `find` names it; the same lifetime. Only devices that hand files on need it. */
    bool (*file)(void *context, const char *path, const void **data, size_t *size, Error *err);
} BlobResolver;

typedef enum PortKind { PORT_INPUT, PORT_OUTPUT, PORT_STATE } PortKind;

typedef struct Port {
    PortKind kind;
    const char *name;
    const Type *type; /* a static TY_TENSOR: of a state, the tensor it holds */
    size_t bytes;     /* of the dense row-major tensor */
} Port;

/* Memory behind one port, the caller's: dense, row-major, of the port's type, aligned to its element. Inputs
 * are only read. States are read and written, and keep their contents between runs because the caller passes
 * them again. Outputs and states must not overlap anything else that is bound. */
typedef struct PortData {
    void *data;
    size_t bytes; /* must equal Port.bytes */
} PortData;

/* One step of a run, for --trace. Strings live as long as the kernel. */
typedef struct TraceStep {
    const char *name; /* of the value that it makes */
    const char *kind; /* "linear+gelu", "attention", "softmax" ... */
    const Type *type; /* of that value */
    double seconds;
    double bytes, flops; /* moved from and to memory at the least, and computed, by the step's shape */
    float least, most;   /* of the value's finite elements; 0, 0 where there are none or `ranges` is off */
    int64_t nans, infinities;
    bool seen; /* a finite element: least and most are of some */
} TraceStep;

/* Takes one element of the step's value into its range; start with a step whose `seen` is false. */
void trace_element(TraceStep *s, double element);

typedef struct Trace {
    bool ranges; /* look at every value */
    void (*step)(void *context, const TraceStep *step);
    void (*enter)(void *context, const char *program, bool engine); /* whose steps follow, and whether it is
                                                                     * for the engine; NULL: not told */
    void *context;
} Trace;

/* Tells of a whole program as one step, named after its first output; its ports are inputs, then outputs. */
void trace_program(const Trace *trace, const Kernel *k, int inputs, double seconds);

/* Every kernel begins with this. */
struct Kernel {
    Device *device;
    const char *name; /* of the function */
    int ports;
    const Port *port; /* inputs and states in the order of the function's parameters, then its outputs */
    int steps;
    size_t workspace; /* bytes that a run needs of the device's shared scratch memory */
    size_t constants; /* bytes of constants that the kernel made for itself */
};

/* Every device begins with this. */
struct Device {
    const char *name;        /* "cpu" */
    const char *description; /* "2 threads, avx512" */
    Kernel *(*compile)(Device *d, const Func *f, const BlobResolver *blobs, Error *err);
    bool (*run)(Kernel *k, const PortData *data, const Trace *trace, Error *err);
    void (*release)(Kernel *k);
    void (*close)(Device *d);
};

/* Compiles one function that func_verify has passed. `f`'s module must outlive the kernel. `blobs` is copied;
 * it may be NULL where the function has no BLOBFILE. Fails on dynamic shapes and on ops that the device does
 * not have. */
MUST_USE Kernel *device_compile(Device *d, const Func *f, const BlobResolver *blobs, Error *err);

/* The index of a port in k->port; -1 where there is none. */
int kernel_port(const Kernel *k, PortKind kind, const char *name);

/* Runs with data[0..count) bound, data[i] to port i; every port must be bound. trace may be NULL. After an
 * error the outputs and states hold anything. Kernels of one device share scratch memory: one run at a time.
 */
MUST_USE bool device_run(Kernel *k, const PortData *data, int count, const Trace *trace, Error *err);

void kernel_release(Kernel *k); /* NULL is allowed */
void device_close(Device *d);   /* after all its kernels; NULL is allowed */

/* ---- runtime/cpu/ ---- */

MUST_USE Device *cpu_device_open(const DeviceOptions *options, Error *err); /* NULL options: all defaults */

/* ---- runtime/ane/ ---- */

/* Apple's Neural Engine through its private framework. `library` is NULL, or for tests what apple_open takes
 * (runtime/ane/objc.h). Fails where there is none, saying why. */
MUST_USE Device *ane_device_open(const char *library, Error *err);

enum { ANE_SECONDS = 30 }; /* a usual time limit: healthy calls take milliseconds */

typedef struct AneOptions {
    const char *library;
    int compiles;      /* the most compilations of this process; 0: 110 */
    int surface_bytes; /* of the smallest surface, where that is above 49152; else 0 */
    int resident;      /* the most programs loaded at a time; 0: as many as the engine takes */
    double seconds; /* after which a call has failed, and the device with it; compiling may take ten times as
                     * long; 0: never */
    /* The words that start a worker (runtime/remote/remote.h), which takes the programs that this process may
     * not compile any more; must outlive the device. NULL: these are errors. */
    const char *const *worker;
    bool remember; /* note programs in the user's index, and start from it (runtime/ane/index.h) */
} AneOptions;

MUST_USE Device *ane_device_open_as(const AneOptions *options, Error *err);

/* Whether the last program was refused because this process may compile no more. */
bool ane_device_is_spent(const Device *ane);

/* How many processes run programs of this device: 1, and one more for each worker. */
int ane_device_processes(const Device *ane);

#endif
