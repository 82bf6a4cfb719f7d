/* SPDX-License-Identifier: MIT */
/* runtime_layers.c: layers of an image become its root. On a node's own disk each is kept,
 * unpacked alone, in <cache>/layers/<layer>/{fs,notes}, and images are hard links to what
 * lies there: an image with one other layer costs that layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_bwrap.h"
#include "core/agent/runtime_image.h"
#include "core/agent/runtime_node.h"
#include "core/agent/runtime_tar.h"
#include "core/agent/runtime_whole.h"
#include "core/agent/state_check.h"

#define NOTES_MAX ((size_t)1 << 30)

struct making {
    const char *image; /* directory */
    const char *cache; /* of layers, or NULL: none is kept */
    int root;
    struct layer_options o;
};

static int layer_open(const char *image, const char *layer, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", image, layer);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)repx_fail_errno(err, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        (void)repx_fail(err, REPX_E_CORRUPT, "%s: not a file", path);
    } else {
        return fd;
    }
    repx_close_fd(&fd);
    return -1;
}

static int unpack_over(const struct making *m, const char *layer, struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd = layer_open(m->image, layer, err);

    return fd < 0 || layer_unpack(fd, m->root, &m->o, err) < 0
               ? repx_wrap(err, "%s/%s", m->image, layer)
               : 0;
}

char *image_layer_line(const char *image, const char *layer)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", image, layer);
    struct stat st = {0};

    (void)stat(path, &st);
    return repx_format("%s %llu %lld.%09ld %llu", layer, (unsigned long long)st.st_size,
                       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                       (unsigned long long)st.st_ino);
}

char *image_layer_copy(const char *line)
{
    size_t n = strcspn(line, "/");
    REPX_AUTO_FREE char *name = repx_strndup(line, n);
    struct digest digest;
    char hex[DIGEST_HEX];

    if (strncmp(line + n, "/layer.tar ", 11) != 0 || !state_name_ok(name) ||
        *name == '.' || n > 180)
        return NULL;
    digest_of(line, strlen(line), &digest);
    digest_hex(&digest, hex);
    return repx_format("%s.%.16s", name, hex);
}

static int unpack_alone(const struct making *m, const char *layer, const char *to,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *fs = repx_format("%s/fs", to);
    REPX_AUTO_FREE char *path = repx_format("%s/notes", to);
    REPX_AUTO_FREE char *record = repx_format("%s/dirs", to);
    REPX_AUTO_BUF struct repx_buf notes = {0};
    struct layer_options o = m->o;

    o.notes = &notes;
    if (repx_make_dirs(fs, 0755, err) < 0)
        return -1;
    REPX_AUTO_CLOSE int in = layer_open(m->image, layer, err);
    REPX_AUTO_CLOSE int root =
        in < 0 ? -1 : open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || layer_unpack(in, root, &o, err) < 0)
        return repx_wrap(err, "%s/%s", m->image, layer);
    if (tree_note(fs, record, err) < 0)
        return -1;
    return repx_write_file(AT_FDCWD, path, repx_buf_text(&notes), notes.len, 0644, err);
}

static int layer_whole(const char *dir)
{
    REPX_AUTO_FREE char *fs = repx_format("%s/fs", dir);
    REPX_AUTO_FREE char *notes = repx_format("%s/notes", dir);
    REPX_AUTO_FREE char *record = repx_format("%s/dirs", dir);

    return access(notes, F_OK) == 0 && tree_whole(fs, record);
}

/* Unpack it unless it is there; others may do the same at the same time. */
static int layer_keep(const struct making *m, const char *layer, const char *dir,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *staging = repx_format("%s.staging.%ld", dir, (long)getpid());
    int rc = repx_remove_tree(AT_FDCWD, staging, err);

    if (rc == 0)
        rc = unpack_alone(m, layer, staging, err);
    if (rc == 0 && !layer_whole(dir))
        rc = tree_retire(dir, dir, err);
    if (rc == 0 && rename(staging, dir) < 0 && access(dir, F_OK) < 0)
        rc = repx_fail_errno(err, "%s", dir);
    (void)repx_remove_tree(AT_FDCWD, staging, NULL);
    return rc;
}

static int merge(const struct making *m, const char *dir, struct repx_err *err)
{
    REPX_AUTO_FREE char *fs = repx_format("%s/fs", dir);
    REPX_AUTO_FREE char *path = repx_format("%s/notes", dir);
    REPX_AUTO_BUF struct repx_buf notes = {0};
    REPX_AUTO_CLOSE int from = open(fs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (from < 0)
        return repx_fail_errno(err, "%s", fs);
    if (repx_read_file(AT_FDCWD, path, NOTES_MAX, &notes, err) < 0)
        return -1;
    return layer_merge(from, &notes, m->root, &m->o, err);
}

static int one_layer(const struct making *m, const char *layer, struct repx_err *err)
{
    REPX_AUTO_FREE char *line = image_layer_line(m->image, layer);
    REPX_AUTO_FREE char *name = m->cache ? image_layer_copy(line) : NULL;

    if (!name)
        return unpack_over(m, layer, err);
    REPX_AUTO_FREE char *dir = repx_format("%s/%s", m->cache, name);
    node_use(dir);
    if (!layer_whole(dir) && layer_keep(m, layer, dir, err) < 0)
        return -1;
    return merge(m, dir, err) < 0 ? repx_wrap(err, "%s", dir) : 0;
}

int image_unpack(const struct runtime_request *q, const char *image,
                 const json_t *layers, int root, const struct layer_options *o,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *cache = cache_dir(q);
    REPX_AUTO_FREE char *dir = q->node_local ? repx_format("%s/layers", cache) : NULL;
    const struct making m = {image, dir, root, *o};
    size_t i;
    json_t *layer;

    if (dir && (repx_make_dirs(dir, 0755, err) < 0 || node_dir_ours(dir, err) < 0))
        return -1;
    json_array_foreach(layers, i, layer)
    {
        if (one_layer(&m, json_string_value(layer), err) < 0)
            return -1;
    }
    return 0;
}
