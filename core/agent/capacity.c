/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getaffinity */
#include "core/agent/capacity.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define SITE_INI "/etc/repx/site.ini"
#define SMALL_FILE 65536
#define NICE 10

static void lower(int64_t *value, int64_t bound)
{
    if (bound > 0 && bound < *value)
        *value = bound;
}

/* Text of a small file, or "". Caller frees. */
static char *slurp(const char *path)
{
    struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, SMALL_FILE, &b, NULL) < 0)
        repx_buf_free(&b);
    return repx_buf_detach(&b);
}

static int64_t first_number(const char *path)
{
    REPX_AUTO_FREE char *text = slurp(path);

    return strtoll(text, NULL, 10); /* "max" is 0: no bound */
}

/* ---- cgroups: every level up to the root may bound us ---- */

static void bound_by_quota(int64_t *cpus, const char *path)
{
    REPX_AUTO_FREE char *text = slurp(path);
    char *end;
    int64_t quota = strtoll(text, &end, 10), period = strtoll(end, NULL, 10);

    if (quota > 0 && period > 0)
        lower(cpus, (quota + period - 1) / period);
}

static void bound_by_group(struct capacity *c, int v2, char *group)
{
    for (;;) {
        REPX_AUTO_FREE char *memory =
            repx_format("/sys/fs/cgroup%s%s/%s", v2 ? "" : "/memory", group,
                        v2 ? "memory.max" : "memory.limit_in_bytes");
        REPX_AUTO_FREE char *quota = repx_format("/sys/fs/cgroup%s/cpu.max", group);
        lower(&c->memory, first_number(memory));
        if (v2)
            bound_by_quota(&c->cpus, quota);
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

static void bound_by_cgroups(struct capacity *c)
{
    REPX_AUTO_FREE char *text = slurp("/proc/self/cgroup");
    char *rest = text, *line;

    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        char *group = strrchr(line, ':');
        if (!group)
            continue;
        *group++ = 0;
        if (strcmp(line, "0:") == 0) {
            bound_by_group(c, 1, group);
        } else if (strstr(line, ":memory")) {
            bound_by_group(c, 0, group);
        }
    }
}

/* ---- this process ---- */

static int64_t memory_total(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (int64_t)pages * size : INT64_MAX;
}

static int64_t cpus_allowed(void)
{
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return online > 0 ? online : 1;
}

/* ---- the admin's word ---- */

static int64_t amount(const char *text)
{
    static const char units[] = "KMGT";
    char *end;
    int64_t n = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;

    if (n <= 0)
        return n;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    return n > INT64_MAX >> shift ? INT64_MAX : n << shift;
}

static void site_line(struct capacity *c, const char *key, const char *value)
{
    if (strcmp(key, "cpus") == 0) {
        lower(&c->cpus, amount(value));
    } else if (strcmp(key, "memory") == 0) {
        lower(&c->memory, amount(value));
    } else if (strcmp(key, "nice") == 0 && amount(value) >= 0) {
        c->nice = amount(value);
    }
}

void capacity_site(struct capacity *c, const char *text)
{
    REPX_AUTO_FREE char *copy = repx_strdup(text);
    char *rest = copy, *line;

    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        line += strspn(line, " \t");
        char *equals = strchr(line, '=');
        if (!equals || strchr("#;[", *line))
            continue;
        line[strcspn(line, " \t=")] = 0;
        equals++;
        site_line(c, line, equals + strspn(equals, " \t"));
    }
}

void capacity_get(struct capacity *c)
{
    struct rlimit limit;
    struct stat st;

    *c = (struct capacity){
        .cpus = cpus_allowed(), .memory = memory_total(), .nice = NICE};
    bound_by_cgroups(c);
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        lower(&c->memory, (int64_t)limit.rlim_cur);
    if (stat(SITE_INI, &st) == 0 && st.st_uid == 0 &&
        !(st.st_mode & (S_IWGRP | S_IWOTH))) {
        REPX_AUTO_FREE char *text = slurp(SITE_INI);
        capacity_site(c, text);
    }
}
