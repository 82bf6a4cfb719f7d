/* SPDX-License-Identifier: MIT */
/* helper_capacity.c: what this machine leaves us. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "helper_queue.h"

/* First number of a file, and the second (-1 when there is none); 0 when unreadable. */
static int read_numbers(const char *path, int64_t *first, int64_t *second)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    char *end;

    if (repx_read_file(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return 0;
    *second = -1;
    *first = strtoll(repx_buf_text(&text), &end, 10);
    if (end == repx_buf_text(&text))
        return 0;
    if (*end == ' ')
        *second = strtoll(end + 1, NULL, 10);
    return 1;
}

/* Our cgroup below /sys/fs/cgroup: v2 when controller is "", else v1's. NULL: none. */
static char *cgroup_of(const char *controller)
{
    struct repx_buf text REPX_AUTO_BUF = {0};

    if (repx_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0)
        return NULL;
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        char *list = strchr(line, ':');
        char *path = list ? strchr(list + 1, ':') : NULL;
        if (path) {
            *path++ = 0;
            const char *found = *controller ? strstr(list + 1, controller) : NULL;
            if (*controller ? found != NULL : list[1] == 0)
                return repx_strdup(path);
        }
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

/* The smallest value of `file` in our cgroup and those above it; 0: no limit. ratio: the
 * file holds "quota period". */
static int64_t cgroup_least(const char *root, const char *controller, const char *file,
                            int ratio)
{
    REPX_AUTO_FREE char *path = cgroup_of(controller);
    int64_t least = 0, a, b;

    while (path) {
        REPX_AUTO_FREE char *name = repx_format("%s%s/%s", root, path, file);
        char *slash = strrchr(path, '/');
        if (read_numbers(name, &a, &b) && a > 0 && (!ratio || b > 0)) {
            int64_t value = ratio ? (a + b - 1) / b : a;
            least = !least || value < least ? value : least;
        }
        if (!slash || !*path)
            break;
        *slash = 0;
    }
    return least;
}

static int64_t lesser(int64_t have, int64_t limit)
{
    return limit > 0 && limit < have ? limit : have;
}

int64_t capacity_cpus(void)
{
    cpu_set_t set;
    int64_t cpus = sysconf(_SC_NPROCESSORS_ONLN), quota, period, none;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        cpus = CPU_COUNT(&set);
    cpus = lesser(cpus, cgroup_least("/sys/fs/cgroup", "", "cpu.max", 1));
    if (read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, &none) &&
        quota > 0 &&
        read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &none) &&
        period > 0)
        cpus = lesser(cpus, (quota + period - 1) / period);
    return cpus > 0 ? cpus : 1;
}

int64_t capacity_memory(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    int64_t memory = pages > 0 && page > 0 ? pages * page : INT64_MAX;
    struct rlimit limit;

    memory = lesser(memory, cgroup_least("/sys/fs/cgroup", "", "memory.max", 0));
    memory = lesser(memory, cgroup_least("/sys/fs/cgroup/memory", "memory",
                                         "memory.limit_in_bytes", 0));
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < INT64_MAX)
        memory = lesser(memory, (int64_t)limit.rlim_cur);
    return memory;
}
