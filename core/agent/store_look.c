/* SPDX-License-Identifier: MIT */
/* Content that lies here and that nobody told of: layers, archives and tools that RepX or an
 * older index brought, under names of their own. Before a large object is asked for, files of
 * just its length in artifacts/store, images and image are read. */
#include "store_own.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define LARGE 4096u /* of what is smaller, asking costs less than looking */

struct length {
    uint64_t bytes;
};

struct lengths {
    struct length *items; /* sorted */
    size_t count;
};

static int by_length(const void *a, const void *b)
{
    const struct length *x = a, *y = b;

    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static struct lengths lengths_missing(const struct store *s)
{
    struct lengths l = {repx_array(s->object_count + 1, sizeof(*l.items)), 0};

    for (size_t i = 0; i < s->object_count; i++) {
        const struct object *o = &s->objects[i];
        if (o->state == OBJECT_MISSING && o->length >= LARGE)
            l.items[l.count++].bytes = o->length;
    }
    if (l.count)
        qsort(l.items, l.count, sizeof(*l.items), by_length);
    return l;
}

/* Then the index was asked. */
static int is_known(struct store *s, const char *path)
{
    const struct index_entry *e = index_path(store_index(s), path);

    return e && !e->dropped;
}

static void deliver(struct store *s, const struct digest *digest, uint64_t length,
                    const char *path)
{
    struct repx_err ignored = {0};

    for (uint8_t executable = 0; executable < 2; executable++) {
        struct object *o = store_object_find(s, digest, executable);
        if (o && o->state == OBJECT_MISSING && o->length == length)
            (void)store_deliver(s, o, s->site->base_fd, path, &ignored);
    }
}

static void look_at(struct store *s, int dir, const char *name, const char *path,
                    const struct stat *st)
{
    struct digest digest;
    uint64_t length;

    if (!store_hash(dir, name, &digest, &length))
        return;
    REPX_AUTO_FREE char *own = repx_strdup(path);
    const struct index_entry e = {.digest = digest,
                                  .executable = (st->st_mode & S_IXUSR) != 0,
                                  .size = length,
                                  .sec = st->st_mtim.tv_sec,
                                  .nsec = (uint32_t)st->st_mtim.tv_nsec,
                                  .ino = st->st_ino,
                                  .path = own};
    index_add(store_index(s), &e);
    deliver(s, &digest, length, path);
}

static void look_in(struct store *s, const char *path, const struct lengths *l)
{
    int fd = store_walk(s->site->base_fd, path, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d)
        repx_close_fd(&fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        REPX_AUTO_FREE char *file = repx_format("%s/%s", path, e->d_name);
        struct length key;
        struct stat st;
        if (is_known(s, file) || store_lstat(dirfd(d), e->d_name, &st) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        key.bytes = (uint64_t)st.st_size;
        if (bsearch(&key, l->items, l->count, sizeof(key), by_length))
            look_at(s, dirfd(d), e->d_name, file, &st);
    }
    if (d)
        (void)closedir(d);
}

void store_look(struct store *s)
{
    static const char *const where[] = {"artifacts/store", "artifacts/images",
                                        "artifacts/image"};
    struct lengths l = lengths_missing(s);

    for (size_t i = 0; l.count && i < sizeof(where) / sizeof(where[0]); i++)
        look_in(s, where[i], &l);
    free(l.items);
}
