/* SPDX-License-Identifier: MIT */
/* B/.repx/kept/<sha256><mode>: small files that another took the name of. Labs share the names
 * of their manifests, so whoever changes between two of them would send each manifest again
 * and again. The object index leads to what is kept. Manifests are kept before they get their
 * names: of two sessions that replace the same one, neither sees what the other brought. */
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
static int is_manifest(const char *name)
{
    return strncmp(name, "artifacts/lab/", 14) == 0 ||
           strncmp(name, "artifacts/revision/", 19) == 0;
}

char *store_kept_path(const struct digest *digest, uint8_t executable)
{
    char hex[DIGEST_HEX];

    digest_hex(digest, hex);
    return repx_format(KEPT "/%s%c", hex, executable ? 'x' : 'f');
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
        if (store_lstat(dirfd(d), e->d_name, &st) == 0 && S_ISREG(st.st_mode) &&
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

/* The file of that inode, whatever has taken its name meanwhile: 1, or 0 when it is gone. */
static int link_it(struct store *s, int dir, const char *name, const struct stat *st,
                   const char *path)
{
    REPX_AUTO_FREE char *tmp = repx_format(KEPT "/.%s", s->session);
    int base = s->site->base_fd;
    struct stat is;

    (void)store_unlinkat(base, tmp);
    if (store_linkat(dir, name, base, tmp) < 0)
        return 0;
    int rc = store_lstat(base, tmp, &is) == 0 && is.st_ino == st->st_ino &&
             store_rename(base, tmp, base, path) == 0;
    (void)store_unlinkat(base, tmp); /* two names of one file stay two */
    return rc;
}

/* Its digest and mode are in *e. */
static void keep(struct store *s, int dir, const char *name, const struct stat *st,
                 struct index_entry *e)
{
    REPX_AUTO_FREE char *path = store_kept_path(&e->digest, e->executable);
    REPX_AUTO_CLOSE int kept = store_walk(s->site->base_fd, KEPT, 1);
    if (kept < 0 || !link_it(s, dir, name, st, path))
        return;
    e->path = path;
    e->sec = st->st_mtim.tv_sec;
    e->nsec = (uint32_t)st->st_mtim.tv_nsec;
    e->ino = st->st_ino;
    index_add(store_index(s), e);
}

void store_keep(struct store *s, const char *name)
{
    struct index_entry e;
    struct stat st;

    if (!is_for_keeping(name) || store_lstat(s->site->base_fd, name, &st) < 0 ||
        !S_ISREG(st.st_mode) ||
        st.st_size > (is_manifest(name) ? LARGEST_MANIFEST : LARGEST) ||
        st.st_uid != geteuid() || !look_up(s, name, &st, &e))
        return;
    keep(s, s->site->base_fd, name, &st, &e);
    sweep(s);
}

void store_keep_coming(struct store *s, const struct build *b)
{
    const struct store_item *item = b->tree.items;
    struct stat st;

    if (!is_manifest(b->tree.name) || item->kind != REPX_ENTRY_FILE ||
        store_lstat(s->stage_fd, b->staged, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > LARGEST_MANIFEST)
        return;
    struct index_entry e = {.digest = item->digest,
                            .executable = item->executable,
                            .size = (uint64_t)st.st_size};
    keep(s, s->stage_fd, b->staged, &st, &e);
}
