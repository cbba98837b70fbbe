/* How many cores there are for threads that wait for one another. */
#ifndef BASE_CORES_H
#define BASE_CORES_H

#include <stdbool.h>

typedef struct Cores {
    int allowed; /* what this process may use at once: its affinity mask, at most its cgroup's quota */
    int fast;    /* of these, the ones that are not slower by design than the fastest; 1 <= fast <= allowed */
} Cores;

/* Where a system tells nothing, all cores are allowed and fast. Apple: fast are the physical cores of
 * performance level 0. */
Cores cores_of_process(void);

/* The Linux part, for a machine whose /sys and /proc are below `root` ("" for this one): mask[i] of `count`
 * tells whether the process may run on core i. A core is fast if its capacity (`cpu_capacity`, arm64 and
 * newer kernels) is at least two thirds of the greatest, or, on Intel's hybrids, if it is listed as a
 * `cpu_core`. A quota (cgroup 2 `cpu.max`, cgroup 1 `cpu.cfs_quota_us`) counts whole cores, of the process's
 * group and of all above. */
Cores cores_of_machine(const char *root, const bool *mask, int count);

/* Asks the system to run the calling thread on fast cores, without which macOS may use slow ones. */
void cores_prefer_fast(void);

#endif
