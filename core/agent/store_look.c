/* SPDX-License-Identifier: MIT */
/* Content that lies here and that nobody told of: RepX, or an index that is lost, brought it
 * under names of its own. Before content is asked for, files of just its length are read:
 * large ones in artifacts/store, images and image, all in packages that the index does not
 * know. Looking costs a call a file and sending costs bytes, so packages are looked through
 * for as long as that is the lesser. */
#include "store_own.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define LARGE 4096u /* of what is smaller, asking costs less than looking */
#define JOBS "artifacts/jobs"
#define DEEPEST 32
#define CALLS 1000u /* are always worth it */
#define BYTES_OF_A_CALL 1024u

struct looking {
    uint64_t *lengths; /* sorted */
    size_t count;
    uint64_t calls; /* that may still be made */
};

static int by_length(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lengths of what is missing, from `least` on. */
static struct looking look_for(const struct store *s, uint64_t least)
{
    struct looking l = {repx_array(s->object_count + 1, sizeof(*l.lengths)), 0, CALLS};

    for (size_t i = 0; i < s->object_count; i++) {
        const struct object *o = &s->objects[i];
        if (o->state != OBJECT_MISSING || o->length < least)
            continue;
        l.lengths[l.count++] = o->length;
        l.calls += o->length / BYTES_OF_A_CALL;
    }
    if (l.count)
        qsort(l.lengths, l.count, sizeof(*l.lengths), by_length);
    return l;
}

/* Then the index was asked. */
static int is_known(struct store *s, const char *path)
{
    const struct index_entry *e = index_path(store_index(s), path);

    return e && !e->dropped;
}

static void look_in(struct store *s, struct looking *l, const char *path, int deep);

static void look_at(struct store *s, struct looking *l, int dir, const char *name,
                    const char *path, int deep)
{
    struct stat st;

    if (is_known(s, path) || !l->calls || store_lstat(dir, name, &st) < 0)
        return;
    l->calls--;
    uint64_t length = (uint64_t)st.st_size;
    if (S_ISDIR(st.st_mode) && deep) {
        look_in(s, l, path, deep - 1);
    } else if (S_ISREG(st.st_mode) &&
               bsearch(&length, l->lengths, l->count, sizeof(length), by_length)) {
        store_learn(s, dir, name, path, &st);
    }
}

static void look_in(struct store *s, struct looking *l, const char *path, int deep)
{
    int fd = store_walk(s->site->base_fd, path, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        REPX_AUTO_FREE char *below = repx_format("%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            look_at(s, l, dirfd(d), e->d_name, below, deep);
    }
    (void)closedir(d);
}

/* Packages that the index did not see come. */
static void look_in_packages(struct store *s, struct looking *l)
{
    REPX_AUTO_FREE const char **known = NULL;
    size_t count = index_tree_names(store_index(s), &known);
    int fd = store_walk(s->site->base_fd, JOBS, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    if (count)
        qsort(known, count, sizeof(*known), by_name);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        REPX_AUTO_FREE char *path = repx_format(JOBS "/%s", e->d_name);
        const char *key = path;
        if (e->d_name[0] != '.' &&
            (!count || !bsearch(&key, known, count, sizeof(*known), by_name)))
            look_in(s, l, path, DEEPEST);
    }
    (void)closedir(d);
}

/* A tree that becomes whole changes what lies at a name, so nothing is taken while that is
 * looked at. */
static void take_known(struct store *s)
{
    struct repx_err ignored = {0};

    for (size_t i = 0; i < s->object_count; i++) {
        if (s->objects[i].state == OBJECT_MISSING)
            (void)store_refill(s, &s->objects[i], &ignored);
    }
}

void store_look(struct store *s)
{
    struct looking l = look_for(s, LARGE);

    l.calls = UINT64_MAX;
    if (l.count) {
        look_in(s, &l, "artifacts/store", 0);
        look_in(s, &l, "artifacts/images", 2);
        look_in(s, &l, "artifacts/image", 2);
    }
    free(l.lengths);
    l = look_for(s, 0);
    if (l.count)
        look_in_packages(s, &l);
    free(l.lengths);
    take_known(s);
}
