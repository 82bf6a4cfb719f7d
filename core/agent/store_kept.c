/* SPDX-License-Identifier: MIT */
/* B/.repx/kept/<sha256><mode>: small files that another took the name of. Labs share the names
 * of their manifests, so whoever changes between two of them would send each manifest again
 * and again. The object index leads to what is kept. */
#include "store_own.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define KEPT ".repx/kept"
#define LARGEST ((off_t)4 << 20)
#define LARGEST_MANIFEST ((off_t)256 << 20)
#define KEPT_S ((time_t)30 * 86400)

static int is_for_keeping(const char *name)
{
    return strncmp(name, "artifacts/", 10) == 0 &&
           strncmp(name, "artifacts/store/", 16) != 0;
}

/* Manifests are what two Labs that are sent at once take from each other. */
static off_t largest(const char *name)
{
    return strncmp(name, "artifacts/lab/", 14) == 0 ||
                   strncmp(name, "artifacts/revision/", 19) == 0
               ? LARGEST_MANIFEST
               : LARGEST;
}

/* The files that nobody asked for in a month go. */
static void sweep(const struct store *s)
{
    int fd = store_walk(s->site->base_fd, KEPT, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    time_t before = time(NULL) - KEPT_S;
    struct stat st;

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.' && store_lstat(dirfd(d), e->d_name, &st) == 0 &&
            st.st_ctim.tv_sec < before)
            (void)store_unlinkat(dirfd(d), e->d_name);
    }
    (void)closedir(d);
}

/* What it holds, by the index, or by its bytes: another session may have brought it. */
static int look_up(struct store *s, const char *name, const struct stat *st,
                   struct index_entry *found)
{
    const struct index_entry *e = index_path(store_index(s), name);
    uint64_t length;

    if (e && !e->dropped && index_agrees(e, st, NULL)) {
        *found = *e;
        return 1;
    }
    *found = (struct index_entry){.executable = (st->st_mode & S_IXUSR) != 0,
                                  .size = (uint64_t)st->st_size};
    return store_hash(s->site->base_fd, name, &found->digest, &length) &&
           length == found->size;
}

void store_keep(struct store *s, const char *name)
{
    struct index_entry kept;
    char hex[DIGEST_HEX];
    struct stat st;

    if (!is_for_keeping(name) || store_lstat(s->site->base_fd, name, &st) < 0 ||
        !S_ISREG(st.st_mode) || st.st_size > largest(name) || st.st_uid != geteuid() ||
        !look_up(s, name, &st, &kept))
        return;
    digest_hex(&kept.digest, hex);
    REPX_AUTO_FREE char *path =
        repx_format(KEPT "/%s%c", hex, kept.executable ? 'x' : 'f');
    REPX_AUTO_CLOSE int dir = store_walk(s->site->base_fd, KEPT, 1);
    if (dir < 0)
        return;
    (void)store_unlinkat(s->site->base_fd, path);
    if (store_linkat(s->site->base_fd, name, s->site->base_fd, path) < 0)
        return;
    kept.path = path;
    kept.sec = st.st_mtim.tv_sec;
    kept.nsec = (uint32_t)st.st_mtim.tv_nsec;
    kept.ino = st.st_ino;
    index_add(store_index(s), &kept);
    sweep(s);
}
