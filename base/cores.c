#include "base/cores.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <errno.h>
#include <sched.h>
#elif defined(__APPLE__)
#include <pthread/qos.h>
#include <sys/sysctl.h>
#endif

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

enum { MOST_CORES = 1 << 14, MOST_TEXT = 1 << 16 };

/* ---- files of /sys and /proc ---- */

/* malloc'ed, or NULL. */
static char *read_text(const char *root, const char *path)
{
    Text full = {0};
    char *data = NULL;
    size_t size;
    Error ignored;
    text_printf(&full, "%s%s", root, path);
    if (!file_read(full.data, MOST_TEXT, &data, &size, &ignored))
        data = NULL;
    text_free(&full);
    return data;
}

/* -1 if there is no such file or no number in it. */
static long long read_number(const char *root, const char *path)
{
    char *text = read_text(root, path), *end = NULL;
    long long n = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text)
        n = -1;
    free(text);
    return n;
}

/* ---- fast cores ---- */

static long long capacity_of(const char *root, int core)
{
    Text path = {0};
    text_printf(&path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", core);
    long long capacity = read_number(root, path.data);
    text_free(&path);
    return capacity;
}

/* Whether a list such as `0-3,8` names the core. */
static bool list_has(const char *list, int core)
{
    for (const char *p = list;;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        if (end == p)
            return false;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (core >= first && core <= last)
            return true;
        if (*end != ',')
            return false;
        p = end + 1;
    }
}

/* 0 where the system doesn't tell for every core of the mask. */
static int fast_by_capacity(const char *root, const bool *mask, int count)
{
    long long *capacity = xcalloc((size_t)count + 1, sizeof *capacity), most = 0;
    int fast = 0;
    bool known = true;
    for (int i = 0; i < count && known; i++) {
        capacity[i] = mask[i] ? capacity_of(root, i) : 0;
        known = capacity[i] >= 0;
        most = capacity[i] > most ? capacity[i] : most;
    }
    for (int i = 0; i < count && known; i++)
        fast += mask[i] && capacity[i] >= most - most / 3;
    free(capacity);
    return fast;
}

static int fast_by_list(const char *root, const bool *mask, int count)
{
    char *list = read_text(root, "/sys/devices/cpu_core/cpus");
    int fast = 0;
    for (int i = 0; list && i < count; i++)
        fast += mask[i] && list_has(list, i);
    free(list);
    return fast;
}

/* ---- quotas ---- */

/* Whole cores that `quota` us of every `period` us make; 0: no limit. */
static int whole_cores(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cores = quota / period;
    return cores < 1 ? 1 : cores > MOST_CORES ? MOST_CORES : (int)cores;
}

static int quota_of_group2(const char *root, const char *group)
{
    Text path = {0};
    text_printf(&path, "/sys/fs/cgroup%s/cpu.max", group);
    char *text = read_text(root, path.data), *end = text;
    long long quota = text ? strtoll(text, &end, 10) : 0;
    int cores = end != text ? whole_cores(quota, strtoll(end, NULL, 10)) : 0; /* else it is `max` */
    free(text);
    text_free(&path);
    return cores;
}

static int quota_of_group1(const char *root, const char *group)
{
    Text quota = {0}, period = {0};
    text_printf(&quota, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
    text_printf(&period, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    int cores = whole_cores(read_number(root, quota.data), read_number(root, period.data));
    text_free(&quota);
    text_free(&period);
    return cores;
}

/* The smallest quota of the group and of those above it, up to the root: "/a/b", "/a", "". In a container the
 * path may be the host's, of which only the root can be seen. */
static int least_quota(const char *root, char *group, int (*quota_of)(const char *root, const char *group))
{
    int least = 0;
    for (size_t n = strlen(group);; n--) {
        if (n == 0 || group[n] == '/' || group[n] == 0) {
            group[n] = 0;
            int quota = quota_of(root, group);
            if (quota && (!least || quota < least))
                least = quota;
        }
        if (n == 0)
            return least;
    }
}

/* A line of /proc/self/cgroup is `0::/path` in version 2, `4:cpu,cpuacct:/path` in version 1. */
static bool names_cpu(const char *names, const char *end)
{
    for (const char *p = names; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        if (stop - p == 3 && memcmp(p, "cpu", 3) == 0)
            return true;
        p = stop + 1;
    }
    return false;
}

static int quota_of_process(const char *root)
{
    char *groups = read_text(root, "/proc/self/cgroup");
    int least = 0;
    for (char *line = groups, *next; line && *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        line[n] = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        int quota = path == names + 1            ? least_quota(root, path + 1, quota_of_group2)
                    : names_cpu(names + 1, path) ? least_quota(root, path + 1, quota_of_group1)
                                                 : 0;
        if (quota && (!least || quota < least))
            least = quota;
    }
    free(groups);
    return least;
}

Cores cores_of_machine(const char *root, const bool *mask, int count)
{
    Cores cores = {0, 0};
    for (int i = 0; i < count; i++)
        cores.allowed += mask[i];
    cores.fast = fast_by_capacity(root, mask, count);
    if (!cores.fast)
        cores.fast = fast_by_list(root, mask, count);
    if (!cores.fast)
        cores.fast = cores.allowed;
    int quota = quota_of_process(root);
    if (quota && quota < cores.allowed)
        cores.allowed = quota;
    if (cores.allowed < 1)
        cores.allowed = 1;
    if (cores.fast > cores.allowed)
        cores.fast = cores.allowed;
    if (cores.fast < 1)
        cores.fast = 1;
    return cores;
}

/* ---- this process ---- */

#if defined(__linux__)
/* The affinity mask, however many cores the kernel was built for; NULL if it doesn't tell. */
static bool *affinity(int *count)
{
    for (int n = 1024; n <= MOST_CORES; n *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        size_t size = CPU_ALLOC_SIZE((size_t)n);
        if (!set)
            return NULL;
        if (sched_getaffinity(0, size, set) == 0) {
            bool *mask = xcalloc((size_t)n, sizeof *mask);
            for (int i = 0; i < n; i++)
                mask[i] = CPU_ISSET_S((size_t)i, size, set);
            CPU_FREE(set);
            *count = n;
            return mask;
        }
        int code = errno;
        CPU_FREE(set);
        if (code != EINVAL)
            return NULL;
    }
    return NULL;
}
#endif

Cores cores_of_process(void)
{
#if defined(__linux__)
    int count = 0;
    bool *mask = affinity(&count);
    if (mask) {
        Cores found = cores_of_machine("", mask, count);
        free(mask);
        return found;
    }
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    Cores cores = {1, 1};
    if (n > 1)
        cores.allowed = cores.fast = n < MOST_CORES ? (int)n : MOST_CORES;
#if defined(__APPLE__)
    int fast = 0;
    size_t size = sizeof fast;
    if (sysctlbyname("hw.perflevel0.physicalcpu", &fast, &size, NULL, 0) == 0 && fast > 0)
        cores.fast = fast < cores.allowed ? fast : cores.allowed;
#endif
    return cores;
}

void cores_prefer_fast(void)
{
#if defined(__APPLE__)
    /* Refused where the thread has a real-time policy of its own, which is as good. */
    (void)pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0);
#endif
}
