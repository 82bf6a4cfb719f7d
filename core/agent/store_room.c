/* SPDX-License-Identifier: MIT */
/* How much more can be written below the base path: what the file system has, and what the
 * user's quota leaves where the kernel can tell (local file systems; a quota of NFS or Lustre
 * shows when it is hit). Quotas of directories are in what the file system says. */
#define _DEFAULT_SOURCE /* quotactl */
#include "store_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kit/alloc.h>

/* The device that a mount comes from: of the line of /proc/self/mountinfo with that number. */
static char *source_of(dev_t device)
{
    REPX_AUTO_FREE char *number = repx_format("%u:%u", major(device), minor(device));
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, *source = NULL;
    size_t cap = 0;

    while (f && !source && getline(&line, &cap, f) > 0) {
        char seen[32], name[256];
        const char *rest = strstr(line, " - ");
        if (rest && sscanf(line, "%*s %*s %31s", seen) == 1 &&
            strcmp(seen, number) == 0 && sscanf(rest, " - %*s %255s", name) == 1 &&
            *name == '/')
            source = repx_strdup(name);
    }
    free(line);
    if (f)
        (void)fclose(f);
    return source;
}

static void at_most(uint64_t *value, uint64_t limit, uint64_t used)
{
    uint64_t left = limit > used ? limit - used : 0;

    if (limit && left < *value)
        *value = left;
}

static void ask_quota(const struct store *s, uint64_t *bytes, uint64_t *inodes)
{
    struct dqblk q = {0};
    struct stat st;

    if (fstat(s->site->base_fd, &st) < 0)
        return;
    REPX_AUTO_FREE char *device = source_of(st.st_dev);
    /* QCMD of an int would shift a bit into the sign */
    const int command = (int)QCMD((unsigned)Q_GETQUOTA, USRQUOTA);
    if (!device || quotactl(command, device, (int)geteuid(), (char *)(void *)&q) < 0)
        return;
    at_most(bytes, q.dqb_bhardlimit * UINT64_C(1024), q.dqb_curspace);
    at_most(inodes, q.dqb_ihardlimit, q.dqb_curinodes);
}

int store_room(struct store *s, uint64_t *bytes, uint64_t *inodes, struct repx_err *err)
{
    struct statvfs v;

    if (statvfs(s->site->base, &v) < 0)
        return repx_fail_errno(err, "%s", s->site->base);
    *bytes = (uint64_t)v.f_bavail * v.f_frsize;
    /* some file systems make inodes as they need them and count none */
    *inodes = v.f_files ? v.f_favail : UINT64_MAX;
    ask_quota(s, bytes, inodes);
    return 0;
}
