/* How many threads a machine gets: false /sys and /proc of machines that are not at hand. The files are as
 * the kernel's documentation has them (Documentation/ABI/testing/sysfs-devices-system-cpu, cgroup-v2.rst). */
#include "base/cores.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/unit/check.h"

#if defined(__linux__)
#include <sched.h>
#endif

static char folder[] = "/tmp/test_cores.XXXXXX";

/* A file of the false machine, with its folders. */
static void put(const char *path, const char *contents)
{
    Text full = {0};
    Error err;
    text_printf(&full, "%s%s", folder, path);
    for (char *p = full.data + sizeof folder; (p = strchr(p, '/')); p++) {
        *p = 0;
        CHECK(mkdir(full.data, 0700) == 0 || errno == EEXIST);
        *p = '/';
    }
    CHECK_TOLD(file_write_atomic(full.data, contents, strlen(contents), &err), "%s", err.text);
    text_free(&full);
}

static void put_capacity(int core, const char *capacity)
{
    Text path = {0};
    text_printf(&path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", core);
    put(path.data, capacity);
    text_free(&path);
}

static void clear_machine(void)
{
    static const char *const trees[] = {"sys", "proc"};
    for (int i = 0; i < 2; i++) {
        char *path = path_join(folder, trees[i]);
        Error err;
        CHECK_TOLD(dir_remove(path, &err), "%s", err.text);
        free(path);
    }
}

/* The mask is one character a core: 1, the process may run on it. */
static void expect(const char *mask, int allowed, int fast, const char *what)
{
    bool may[64] = {false};
    int count = (int)strlen(mask);
    for (int i = 0; i < count; i++)
        may[i] = mask[i] == '1';
    Cores c = cores_of_machine(folder, may, count);
    CHECK_TOLD(c.allowed == allowed && c.fast == fast, "%s: %d allowed, %d fast instead of %d and %d", what,
               c.allowed, c.fast, allowed, fast);
}

static void test_equal_cores(void)
{
    expect("11111111", 8, 8, "nothing is told");
    expect("0101", 2, 2, "half of the cores by affinity");
    expect("0000", 1, 1, "an empty mask");
    expect("", 1, 1, "no core at all");
}

/* 4 small, 3 large and 1 largest core, as many telephones have them. */
static void test_capacities(void)
{
    static const char *const capacity[] = {"250\n", "250\n", "250\n", "250\n",
                                           "870\n", "870\n", "870\n", "1024\n"};
    for (int i = 0; i < 8; i++)
        put_capacity(i, capacity[i]);
    expect("11111111", 8, 4, "large and largest are fast");
    expect("11110000", 4, 4, "small ones alone are as fast as it gets");
    expect("11000011", 4, 2, "affinity takes some of both");
    put_capacity(5, "fast\n");
    expect("11111111", 8, 8, "a core that doesn't tell: all count");
    expect("11110011", 6, 2, "unless the process may not use it");
    clear_machine();
}

static void test_hybrid(void)
{
    put("/sys/devices/cpu_core/cpus", "0-3,6\n");
    expect("11111111", 8, 5, "Intel's list of large cores");
    expect("00001101", 3, 3, "none of them allowed");
    put("/sys/devices/cpu_core/cpus", "all\n");
    expect("1111", 4, 4, "a list that is none");
    clear_machine();
}

static void test_quota(void)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "max 100000\n");
    expect("11111111", 8, 8, "no quota");
    put("/sys/fs/cgroup/cpu.max", "350000 100000\n");
    expect("11111111", 3, 3, "three cores and a half");
    expect("1100", 2, 2, "more than the affinity allows");
    put("/sys/fs/cgroup/cpu.max", "20000 100000\n");
    expect("11111111", 1, 1, "a fifth of a core");
    put("/sys/fs/cgroup/cpu.max", "800000 0\n");
    expect("1111", 4, 4, "a period of nothing");
    clear_machine();
    put("/proc/self/cgroup", "0::/work.slice/job\n");
    put("/sys/fs/cgroup/work.slice/cpu.max", "200000 100000\n");
    put("/sys/fs/cgroup/work.slice/job/cpu.max", "600000 100000\n");
    expect("11111111", 2, 2, "the group above is the tighter one");
    put("/sys/fs/cgroup/work.slice/job/cpu.max", "100000 100000\n");
    expect("11111111", 1, 1, "the group itself is");
    clear_machine();
}

static void test_old_quota(void)
{
    put("/proc/self/cgroup", "5:cpuset:/tight\n4:cpu,cpuacct:/job\n");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/tight/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu/tight/cpu.cfs_period_us", "100000\n");
    expect("1111", 4, 4, "no quota, and another controller's group");
    put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "250000\n");
    expect("1111", 2, 2, "two cores and a half");
    clear_machine();
}

/* Large cores and a quota: the quota holds, whatever the cores are. */
static void test_both(void)
{
    for (int i = 0; i < 4; i++)
        put_capacity(i, i < 2 ? "446\n" : "1024\n");
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    expect("1111", 3, 2, "three cores allowed, two are fast");
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    expect("1111", 1, 1, "one core allowed");
    clear_machine();
}

static void test_here(void)
{
    Cores c = cores_of_process();
    CHECK(c.allowed >= 1 && c.fast >= 1 && c.fast <= c.allowed);
    cores_prefer_fast();
#if defined(__linux__)
    cpu_set_t set, one;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && c.allowed <= CPU_COUNT(&set));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &set))
            CPU_SET(i, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    c = cores_of_process();
    CHECK_TOLD(c.allowed == 1 && c.fast == 1, "pinned to one core, %d allowed", c.allowed);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
#endif
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    test_equal_cores();
    test_capacities();
    test_hybrid();
    test_quota();
    test_old_quota();
    test_both();
    test_here();
    Error err;
    CHECK(dir_remove(folder, &err));
    return check_report();
}
