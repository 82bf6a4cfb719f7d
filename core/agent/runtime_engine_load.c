/* SPDX-License-Identifier: MIT */
/* runtime_engine_load.c: an image given to podman or docker.
 *
 * Both name an image by the digest of its configuration, never by a tag that somebody else
 * may have given. Whether that one is in their storage is asked before every job; if not,
 * it is loaded under a lease from a docker-archive made for the purpose. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_bwrap.h"
#include "core/agent/runtime_engine.h"
#include "core/agent/runtime_image.h"
#include "core/agent/state.h"
#include "core/agent/trust.h"

#define BLOCK ((size_t)512)
#define CHUNK ((size_t)256 * 1024)
#define WAIT_MS 600000
#define TOUCH_MS 15000

struct loading {
    const struct runtime_request *q;
    const struct engine *engine;
    const char *image, *lease;
    int64_t touched;
};

static void hold(void *ctx)
{
    struct loading *l = ctx;
    int64_t now = state_now_ms();

    if (now - l->touched < TOUCH_MS)
        return;
    l->touched = now;
    (void)lease_touch(l->q->site, l->lease, NULL);
}

/* ---- the archive ---- */

/* Octal digits while they suffice, else base 256. */
static void put_size(char *field, uint64_t size)
{
    if (size < UINT64_C(1) << 33) {
        (void)snprintf(field, 12, "%011llo", (unsigned long long)size);
        return;
    }
    field[0] = (char)0x80;
    for (int i = 11; i > 3; i--, size >>= 8)
        field[i] = (char)(size & 0xff);
}

static int header_write(int to, const char *name, uint64_t size)
{
    char b[BLOCK] = {0};
    unsigned sum = 0;

    (void)snprintf(b, 100, "%s", name);
    (void)snprintf(b + 100, 8, "%07o", 0644u);
    (void)snprintf(b + 108, 8, "%07o", 0u);
    (void)snprintf(b + 116, 8, "%07o", 0u);
    put_size(b + 124, size);
    (void)snprintf(b + 136, 12, "%011o", 0u);
    memset(b + 148, ' ', 8);
    b[156] = '0';
    memcpy(b + 257, "ustar", 6);
    b[263] = b[264] = '0';
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)b[i];
    (void)snprintf(b + 148, 8, "%06o", sum);
    return repx_write_all(to, b, BLOCK);
}

static int pad(int to, uint64_t size)
{
    static const char zeros[BLOCK];

    return repx_write_all(to, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

static int copy(struct loading *l, int from, uint64_t size, int to,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(CHUNK);

    for (uint64_t left = size; left;) {
        ssize_t n = read(from, chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "read");
        if (n == 0)
            return repx_fail(err, REPX_E_CORRUPT, "cut short");
        if (repx_write_all(to, chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "write");
        left -= (uint64_t)n;
        hold(l);
    }
    return pad(to, size) < 0 ? repx_fail_errno(err, "write") : 0;
}

/* A file of the image as `name`. */
static int add_file(struct loading *l, const char *inside, const char *name, int to,
                    struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", l->image, inside);
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return repx_fail(err, REPX_E_CORRUPT, "%s: not a file", path);
    if (header_write(to, name, (uint64_t)st.st_size) < 0)
        return repx_fail_errno(err, "write");
    return copy(l, fd, (uint64_t)st.st_size, to, err) < 0 ? repx_wrap(err, "%s", path)
                                                          : 0;
}

static size_t first_of(const json_t *layers, size_t i)
{
    const char *name = json_string_value(json_array_get(layers, i));

    for (size_t k = 0; k < i; k++) {
        if (strcmp(json_string_value(json_array_get(layers, k)), name) == 0)
            return k;
    }
    return i;
}

/* All names in it are ours. */
static int archive_fill(struct loading *l, const json_t *layers, const char *config,
                        const char *id, int to, struct repx_err *err)
{
    static const char end[2 * BLOCK];
    REPX_AUTO_BUF struct repx_buf manifest = {0};
    int rc = add_file(l, config, "config.json", to, err);

    repx_buf_fmt(&manifest,
                 "[{\"Config\":\"config.json\",\"RepoTags\":[\"localhost/repx:%.32s\"],"
                 "\"Layers\":[",
                 id);
    for (size_t i = 0; rc == 0 && i < json_array_size(layers); i++) {
        size_t first = first_of(layers, i);
        REPX_AUTO_FREE char *name = repx_format("%zu/layer.tar", first);
        repx_buf_fmt(&manifest, "%s\"%s\"", i ? "," : "", name);
        if (first == i) {
            rc = add_file(l, json_string_value(json_array_get(layers, i)), name, to,
                          err);
        }
    }
    repx_buf_str(&manifest, "]}]");
    if (rc < 0)
        return -1;
    if (header_write(to, "manifest.json", manifest.len) < 0 ||
        repx_write_all(to, manifest.data, manifest.len) < 0 ||
        pad(to, manifest.len) < 0 || repx_write_all(to, end, sizeof end) < 0)
        return repx_fail_errno(err, "write");
    return 0;
}

static int archive_make(struct loading *l, const char *config, const char *id,
                        const char *path, struct repx_err *err)
{
    json_t *layers = image_layers(l->image, err);
    int rc = layers ? 0 : -1;
    REPX_AUTO_CLOSE int fd =
        rc < 0
            ? -1
            : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (rc == 0 && fd < 0)
        rc = repx_fail_errno(err, "%s", path);
    if (rc == 0)
        rc = archive_fill(l, layers, config, id, fd, err);
    json_decref(layers);
    return rc;
}

/* ---- the engine's storage ---- */

static int tool(struct loading *l, const char *const *words, struct repx_err *err)
{
    const struct tool_watch watch = {hold, l};
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct strings argv = {0};

    strings_add(&argv, "%s", l->engine->program);
    for (; *words; words++)
        strings_add(&argv, "%s", *words);
    int rc = process_tool_env(argv.items, l->engine->env, &watch, &said, err);
    strings_free(argv.items);
    return rc;
}

static int is_there(struct loading *l, const char *id)
{
    const char *const words[] = {"image", l->engine->is_docker ? "inspect" : "exists",
                                 id, NULL};
    struct repx_err why = {0};

    return tool(l, words, &why) == 0;
}

static int load(struct loading *l, const char *config, const char *id,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *cache = cache_dir(l->q);
    REPX_AUTO_FREE char *dir = repx_format("%s/%s", cache, l->q->runtime);
    REPX_AUTO_FREE char *path =
        repx_format("%s/%s.%ld.tar", dir, l->q->site->host, (long)getpid());
    const char *const words[] = {"load", "--quiet", "--input", path, NULL};
    struct repx_err why = {0};

    if (repx_make_dirs(dir, 0700, err) < 0)
        return -1;
    if (l->q->node_local && path_is_ours(dir, &why) != 1)
        return repx_fail(err, REPX_E_FAILED, "node_local_path: %s", why.text);
    int rc = archive_make(l, config, id, path, err);
    if (rc == 0)
        rc = tool(l, words, err);
    (void)unlink(path);
    if (rc == 0 && !is_there(l, id)) {
        return repx_fail(err, REPX_E_FAILED,
                         "image %s was loaded, but %s does not know it as %s", l->image,
                         l->q->runtime, id);
    }
    return rc;
}

char *engine_image(const struct runtime_request *q, const struct engine *engine,
                   struct repx_err *err)
{
    struct digest digest;
    char *id = repx_alloc(DIGEST_HEX);
    REPX_AUTO_FREE char *image = image_find(q, err);
    REPX_AUTO_FREE char *config = image ? image_config(image, &digest, err) : NULL;
    int rc = config ? 0 : -1;

    if (rc == 0)
        digest_hex(&digest, id);
    /* each user of each node has a storage of its own */
    REPX_AUTO_FREE char *lease =
        repx_format("%s-%s-%ld-%.32s", q->runtime, q->site->host, (long)geteuid(), id);
    struct loading l = {q, engine, image, lease, state_now_ms()};
    uint64_t epoch;
    if (rc == 0 && !is_there(&l, id)) {
        rc = lease_take(q->site, lease, WAIT_MS, &epoch, err);
        if (rc == 0) {
            rc = is_there(&l, id) ? 0 : load(&l, config, id, err);
            lease_drop(q->site, lease);
        }
    }
    if (rc == 0)
        return id;
    free(id);
    return NULL;
}
