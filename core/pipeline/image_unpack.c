/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* mkostemp */
#include "image_unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define INDEX_MAX ((size_t)8 << 20)
#define INDEX_HEAD "repx-image 1\n"
#define PART ".part."
#define PART_OLD 86400 /* seconds */

/* ---- the image in the Lab ---- */

static int by_path(const void *key, const void *entry)
{
    return strcmp(key, ((const struct repx_entry *)entry)->path);
}

static const struct repx_entry *entry_at(const struct repx_entry *all, size_t n,
                                         const char *path)
{
    const struct repx_entry *e =
        n ? bsearch(path, all, n, sizeof(*all), by_path) : NULL;

    for (int hop = 0; e && e->kind == REPX_ENTRY_LINK && hop < 40; hop++) {
        REPX_AUTO_FREE char *to = archive_resolve(e->path, e->link);
        e = to ? bsearch(to, all, n, sizeof(*all), by_path) : NULL;
    }
    return e && e->kind != REPX_ENTRY_LINK ? e : NULL;
}

static int is_compressed(struct lab *lab, size_t index, struct repx_err *err)
{
    static const struct {
        size_t n;
        char bytes[5];
    } heads[] = {{2, "\x1f\x8b"},
                 {4, "\x28\xb5\x2f\xfd"},
                 {5,
                  "\xfd"
                  "7zXZ"},
                 {3, "BZh"}};
    char head[5] = {0};
    int64_t got = lab_read(lab, index, 0, head, sizeof(head), err);

    for (size_t i = 0; got > 0 && i < sizeof(heads) / sizeof(heads[0]); i++) {
        if ((size_t)got >= heads[i].n && memcmp(head, heads[i].bytes, heads[i].n) == 0)
            return 1;
    }
    return got < 0 ? -1 : 0;
}

/* Nodes unpack plain tars; others have to be made that first. */
static int has_compressed(struct lab *lab, const struct repx_entry *all, size_t n,
                          const char *path, struct repx_err *err)
{
    size_t len = strlen(path);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (strncmp(all[i].path, path, len) != 0 || all[i].path[len] != '/')
            continue;
        const struct repx_entry *e = entry_at(all, n, all[i].path);
        size_t name = strlen(all[i].path);
        int is_text = name > 5 && strcmp(all[i].path + name - 5, ".json") == 0;
        if (e && e->kind == REPX_ENTRY_FILE && !is_text)
            rc = is_compressed(lab, (size_t)(e - all), err);
    }
    return rc;
}

int image_is_packed(struct lab *lab, const char *path, struct repx_err *err)
{
    const struct repx_entry *all;
    size_t n;

    if (lab_entries(lab, &all, &n, err) < 0)
        return -1;
    const struct repx_entry *e = entry_at(all, n, path);
    REPX_AUTO_FREE char *manifest = repx_format("%s/manifest.json", path);
    REPX_AUTO_FREE char *index = repx_format("%s/index.json", path);
    if (e && e->kind == REPX_ENTRY_FILE)
        return 1;
    if (entry_at(all, n, manifest))
        return has_compressed(lab, all, n, path, err);
    if (entry_at(all, n, index))
        return 1;
    return repx_fail(
        err, REPX_E_CORRUPT,
        "image `%s` of the Lab is not there, or holds no manifest.json and "
        "no index.json",
        path);
}

int image_digest(struct lab *lab, const char *path, struct digest *out,
                 struct repx_err *err)
{
    const struct repx_entry *all;
    size_t n, count = 0, len = strlen(path);

    if (lab_entries(lab, &all, &n, err) < 0)
        return -1;
    REPX_AUTO_FREE struct repx_entry *own = repx_array(n + 1, sizeof(*own));
    for (size_t i = 0; i < n; i++) {
        if (strncmp(all[i].path, path, len) != 0 ||
            (all[i].path[len] != '/' && all[i].path[len]))
            continue;
        const struct repx_entry *file = entry_at(all, n, all[i].path);
        own[count] = file && file->kind == REPX_ENTRY_FILE ? *file : all[i];
        own[count++].path = all[i].path;
    }
    digest_tree(own, count, out);
    return 0;
}

struct stream {
    struct lab *lab;
    size_t index;
    uint64_t at, length;
};

static int64_t stream_read(void *ctx, void *to, size_t len, struct repx_err *err)
{
    struct stream *s = ctx;
    int64_t n = lab_read(s->lab, s->index, s->at, to, len, err);

    s->at += n > 0 ? (uint64_t)n : 0;
    return n;
}

static int64_t stream_skip(void *ctx, int64_t n)
{
    struct stream *s = ctx;
    uint64_t left = s->length > s->at ? s->length - s->at : 0;
    uint64_t skip = n < 0 ? 0 : (uint64_t)n < left ? (uint64_t)n : left;

    s->at += skip;
    return (int64_t)skip;
}

static int visit_file(void *ctx, archive_visit *each, void *each_ctx,
                      struct repx_err *err)
{
    const struct image_unpack *u = ctx;
    const struct repx_entry *all;
    size_t n;

    if (lab_entries(u->lab, &all, &n, err) < 0)
        return -1;
    struct stream s = {u->lab, u->first, 0, all[u->first].length};
    const struct archive_data data = {&s, stream_read, stream_skip};
    return archive_each_in(&data, each, each_ctx, err);
}

static int visit_dir(void *ctx, archive_visit *each, void *each_ctx,
                     struct repx_err *err)
{
    const struct image_unpack *u = ctx;
    const struct repx_entry *all;
    size_t n;
    int rc = lab_entries(u->lab, &all, &n, err);

    for (size_t i = u->first; rc == 0 && i < u->first + u->count; i++) {
        const struct repx_entry *e = entry_at(all, n, all[i].path);
        if (!e || e->kind != REPX_ENTRY_FILE)
            continue;
        struct stream s = {u->lab, (size_t)(e - all), 0, e->length};
        const struct archive_data data = {&s, stream_read, NULL};
        const struct archive_member m = {all[i].path + strlen(u->path) + 1, NULL, 1};
        rc = each(each_ctx, &data, &m, err);
    }
    return rc < 0 ? -1 : 0;
}

static int find_entries(struct image_unpack *u, struct repx_err *err)
{
    const struct repx_entry *all;
    size_t n, len = strlen(u->path);

    if (lab_entries(u->lab, &all, &n, err) < 0)
        return -1;
    const struct repx_entry *e = entry_at(all, n, u->path);
    u->is_file = e && e->kind == REPX_ENTRY_FILE;
    if (u->is_file) {
        u->first = (size_t)(e - all);
        u->count = 1;
        u->bytes = e->length;
        memcpy(u->key.bytes, e->digest, sizeof(u->key.bytes));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (strncmp(all[i].path, u->path, len) != 0 || all[i].path[len] != '/')
            continue;
        u->first = u->count++ ? u->first : i;
        const struct repx_entry *file = entry_at(all, n, all[i].path);
        u->bytes += file ? file->length : 0;
    }
    return image_digest(u->lab, u->path, &u->key, err);
}

/* ---- what is remembered ---- */

static int cache_find(struct image_unpack *u, struct repx_err *err)
{
    u->cache = repx_cache_path("images");
    if (!u->cache) {
        return repx_fail(err, REPX_E_FAILED,
                         "an image that is an archive is unpacked in a cache; set HOME "
                         "or XDG_CACHE_HOME");
    }
    return repx_make_dirs(u->cache, 0700, err);
}

static char *cache_name(const struct image_unpack *u, const struct digest *d,
                        const char *suffix)
{
    char hex[DIGEST_HEX];

    digest_hex(d, hex);
    return repx_format("%s/%s%s", u->cache, hex, suffix);
}

static char *layer_name(const struct image_unpack *u, const struct digest *d)
{
    return cache_name(u, d, "-layer.tar");
}

static int index_write(const struct image_unpack *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = cache_name(u, &u->key, "");
    REPX_AUTO_BUF struct repx_buf text = {0};
    char hex[DIGEST_HEX];

    digest_hex(&u->parts.config_digest, hex);
    repx_buf_fmt(&text, INDEX_HEAD "config %s %zu\n", hex, u->parts.config.len);
    for (size_t i = 0; i < u->parts.layer_count; i++) {
        const struct image_layer *l = &u->parts.layers[i];
        digest_hex(&l->digest, hex);
        repx_buf_fmt(&text, "layer %s %llu\n", hex, (unsigned long long)l->length);
    }
    repx_buf_char(&text, '\n');
    repx_buf_add(&text, repx_buf_text(&u->parts.config), u->parts.config.len);
    return repx_write_file(AT_FDCWD, path, repx_buf_text(&text), text.len, 0600, err);
}

/* "WORD HEX NUMBER\n": 1 and *at behind it, else 0. */
static int index_line(const char **at, const char *word, struct image_layer *l)
{
    const char *p = *at;
    char hex[DIGEST_HEX], *end;
    size_t n = strlen(word);

    if (strncmp(p, word, n) != 0 || strlen(p) < n + DIGEST_HEX)
        return 0;
    memcpy(hex, p + n, DIGEST_HEX - 1);
    hex[DIGEST_HEX - 1] = 0;
    p += n + DIGEST_HEX - 1;
    errno = 0;
    l->length = strtoull(p, &end, 10);
    if (*p != ' ' || errno || *end != '\n' || !digest_parse(hex, &l->digest))
        return 0;
    *at = end + 1;
    return 1;
}

/* 1 when it was there and is what was written. */
static int index_read(struct image_unpack *u)
{
    REPX_AUTO_FREE char *path = cache_name(u, &u->key, "");
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct image_layer config, l;
    struct digest is;
    size_t head = strlen(INDEX_HEAD);

    if (repx_read_file(AT_FDCWD, path, INDEX_MAX, &text, NULL) < 0 || text.len < head ||
        memcmp(text.data, INDEX_HEAD, head) != 0)
        return 0;
    const char *at = text.data + head;
    if (!index_line(&at, "config ", &config))
        return 0;
    while (index_line(&at, "layer ", &l)) {
        u->parts.layers =
            repx_grow(u->parts.layers, u->parts.layer_count + 1, sizeof(l));
        u->parts.layers[u->parts.layer_count++] = l;
    }
    size_t left = text.len - (size_t)(at - text.data);
    if (*at++ != '\n' || left - 1 != config.length || !u->parts.layer_count)
        return 0;
    digest_of(at, left - 1, &is);
    if (memcmp(&is, &config.digest, sizeof(is)) != 0)
        return 0;
    u->parts.config_digest = is;
    repx_buf_add(&u->parts.config, at, left - 1);
    return 1;
}

/* ---- unpacking ---- */

/* One layer on its way into the cache. */
struct unpacking {
    struct image_unpack *u;
    char *part;
};

static int layer_begin(void *ctx, struct repx_err *err)
{
    struct unpacking *w = ctx;

    w->part = repx_format("%s/" PART "XXXXXX", w->u->cache);
    int fd = mkostemp(w->part, O_CLOEXEC);
    if (fd < 0) {
        (void)repx_fail_errno(err, "%s", w->part);
        free(w->part);
        w->part = NULL;
    }
    return fd;
}

static void layer_drop(void *ctx, int fd)
{
    struct unpacking *w = ctx;

    (void)close(fd);
    (void)unlink(w->part);
    free(w->part);
    w->part = NULL;
}

static int layer_end(void *ctx, int fd, const struct digest *digest,
                     struct repx_err *err)
{
    struct unpacking *w = ctx;
    REPX_AUTO_FREE char *name = layer_name(w->u, digest);

    if (rename(w->part, name) < 0) {
        (void)repx_fail_errno(err, "%s", name);
        layer_drop(ctx, fd);
        return -1;
    }
    free(w->part);
    w->part = NULL;
    return close(fd) < 0 ? repx_fail_errno(err, "%s", name) : 0;
}

/* What a client that was killed left there. */
static void sweep(const char *cache)
{
    DIR *dir = opendir(cache);
    const struct dirent *d;
    struct stat st;

    while (dir && (d = readdir(dir))) {
        if (strncmp(d->d_name, PART, strlen(PART)) == 0 &&
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            time(NULL) - st.st_mtime > PART_OLD)
            (void)unlinkat(dirfd(dir), d->d_name, 0);
    }
    if (dir)
        (void)closedir(dir);
}

static int unpack(struct image_unpack *u, struct repx_err *err)
{
    struct unpacking w = {u, NULL};
    const struct image_input in = {u, u->bytes, u->is_file ? visit_file : visit_dir};
    const struct image_sink sink = {&w, layer_begin, layer_end, layer_drop};

    sweep(u->cache);
    image_parts_free(&u->parts);
    if (image_read(&in, &sink, &u->parts, err) < 0 || index_write(u, err) < 0)
        return repx_wrap(err, "image %s", u->path);
    return 0;
}

int image_unpack_open(struct image_unpack *u, struct lab *lab, const char *path,
                      struct repx_err *err)
{
    *u = (struct image_unpack){.lab = lab, .path = repx_strdup(path)};
    if (cache_find(u, err) < 0 || find_entries(u, err) < 0)
        return -1;
    if (index_read(u))
        return 0;
    return unpack(u, err);
}

static int layer_open(const struct image_unpack *u, const struct image_layer *layer)
{
    REPX_AUTO_FREE char *name = layer_name(u, &layer->digest);
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == layer->length)
        return fd;
    repx_close_fd(&fd);
    return -1;
}

int image_unpack_layer(struct image_unpack *u, const struct image_layer *layer,
                       struct repx_err *err)
{
    const struct image_layer wanted = *layer; /* unpack replaces the list */
    int fd = layer_open(u, &wanted);

    if (fd >= 0)
        return fd;
    if (unpack(u, err) < 0)
        return -1;
    fd = layer_open(u, &wanted);
    return fd >= 0 ? fd
                   : repx_fail(err, REPX_E_FAILED,
                               "image %s: a layer is gone from %s; try again", u->path,
                               u->cache);
}

void image_unpack_done(const struct image_unpack *u)
{
    for (size_t i = 0; i < u->parts.layer_count; i++) {
        REPX_AUTO_FREE char *name = layer_name(u, &u->parts.layers[i].digest);
        (void)unlink(name);
    }
}

void image_unpack_forget(const struct image_unpack *u)
{
    REPX_AUTO_FREE char *name = cache_name(u, &u->key, "");

    (void)unlink(name);
    image_unpack_done(u);
}

void image_unpack_close(struct image_unpack *u)
{
    image_parts_free(&u->parts);
    free(u->path);
    free(u->cache);
    *u = (struct image_unpack){.lab = NULL};
}
