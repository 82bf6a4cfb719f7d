/* SPDX-License-Identifier: MIT */
/* What a directory holds now, as the digest that a client would declare for it. */
#include "store_digest.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "store_fs.h"

#define DEEPEST 64

struct found {
    struct repx_entry *entries;
    size_t count, cap;
    int depth;
};

static struct repx_entry *add(struct found *f, uint32_t kind, const char *path)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->entries = repx_grow(f->entries, f->cap, sizeof(*f->entries));
    }
    struct repx_entry *e = &f->entries[f->count++];
    *e = (struct repx_entry){
        .size = sizeof(*e), .kind = kind, .path = repx_strdup(path)};
    return e;
}

static int read_dir(struct found *f, int dir, const char *name, const char *path);

static int read_file(struct found *f, int dir, const char *name, const char *path,
                     const struct stat *st)
{
    struct repx_entry *e = add(f, REPX_ENTRY_FILE, path);
    struct digest digest;

    if (!store_hash(dir, name, &digest, &e->length))
        return 0;
    e->executable = (st->st_mode & S_IXUSR) != 0;
    memcpy(e->digest, digest.bytes, sizeof(e->digest));
    return 1;
}

static int read_entry(struct found *f, int dir, const char *name, const char *path)
{
    struct stat st;

    if (store_lstat(dir, name, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return read_dir(f, dir, name, path);
    if (S_ISREG(st.st_mode))
        return read_file(f, dir, name, path, &st);
    if (!S_ISLNK(st.st_mode))
        return 0;
    struct repx_entry *e = add(f, REPX_ENTRY_LINK, path);
    e->link = store_readlink(dir, name);
    return e->link != NULL;
}

static int read_dir(struct found *f, int dir, const char *name, const char *path)
{
    int fd = store_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 || f->depth == DEEPEST ? NULL : fdopendir(fd);
    size_t before = f->count;
    int rc = 1;

    if (!d) {
        repx_close_fd(&fd);
        return 0;
    }
    f->depth++;
    for (struct dirent *e = readdir(d); e && rc; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        REPX_AUTO_FREE char *below =
            *path ? repx_format("%s/%s", path, e->d_name) : repx_strdup(e->d_name);
        rc = read_entry(f, dirfd(d), e->d_name, below);
    }
    f->depth--;
    (void)closedir(d);
    if (rc && *path && f->count == before)
        (void)add(f, REPX_ENTRY_DIR, path);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct repx_entry *)a)->path,
                  ((const struct repx_entry *)b)->path);
}

int store_digest(int dir, const char *name, struct digest *out)
{
    struct found f = {0};
    int rc = read_dir(&f, dir, name, "");

    if (rc && f.count)
        qsort(f.entries, f.count, sizeof(*f.entries), by_path);
    if (rc)
        digest_tree(f.entries, f.count, out);
    for (size_t i = 0; i < f.count; i++) {
        free((char *)(uintptr_t)f.entries[i].path);
        free((char *)(uintptr_t)f.entries[i].link);
    }
    free(f.entries);
    return rc;
}
