/* SPDX-License-Identifier: MIT */
#include "archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define CHUNK 65536

static int fail(struct archive *a, const char *what, struct repx_err *err)
{
    const char *why = archive_error_string(a);

    return repx_fail(err, REPX_E_CORRUPT, "%s: %s", what, why ? why : "unknown error");
}

/* Not archive_read_support_filter_all: some of those start other programs. */
static void support(struct archive *a)
{
    (void)archive_read_support_filter_gzip(a);
    (void)archive_read_support_filter_bzip2(a);
    (void)archive_read_support_filter_xz(a);
    (void)archive_read_support_filter_zstd(a);
}

char *archive_resolve(const char *name, const char *target)
{
    struct repx_buf path = {0};
    const char *slash = strrchr(name, '/');

    if (*target == '/')
        return NULL;
    if (slash)
        repx_buf_add(&path, name, (size_t)(slash - name));
    while (*target) {
        size_t n = strcspn(target, "/");
        int up = n == 2 && strncmp(target, "..", 2) == 0;
        if (up && path.len == 0) {
            repx_buf_free(&path);
            return NULL;
        }
        while (up && path.len && path.data[--path.len] != '/') {
        }
        if (!up && n && !(n == 1 && *target == '.')) {
            if (path.len)
                repx_buf_char(&path, '/');
            repx_buf_add(&path, target, n);
        }
        target += n + (target[n] == '/');
    }
    repx_buf_add(&path, "", 1);
    return repx_buf_detach(&path);
}

static const char *plain(const char *name)
{
    while (name && strncmp(name, "./", 2) == 0)
        name += 2;
    return name;
}

static int64_t member_read(void *ctx, void *to, size_t len, struct repx_err *err)
{
    la_ssize_t n = archive_read_data(ctx, to, len);

    return n < 0 ? fail(ctx, "a member", err) : n;
}

static int one_member(struct archive *a, struct archive_entry *e, archive_visit *each,
                      void *ctx, struct repx_err *err)
{
    const struct archive_data data = {a, member_read, NULL};
    struct archive_member m = {plain(archive_entry_pathname(e)), NULL, 0};
    const char *soft = archive_entry_symlink(e);
    const char *hard = plain(archive_entry_hardlink(e));

    if (!m.name || !*m.name)
        return 0;
    REPX_AUTO_FREE char *target =
        soft ? archive_resolve(m.name, soft) : repx_strdup(hard);
    m.link = target;
    m.is_file = !soft && !hard && archive_entry_filetype(e) == AE_IFREG;
    return each(ctx, &data, &m, err);
}

/* Members of an archive that was opened; frees it. */
static int members(struct archive *a, archive_visit *each, void *ctx,
                   struct repx_err *err)
{
    struct archive_entry *e;
    int rc = 0, got;

    while (rc == 0 && (got = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
        if (got == ARCHIVE_RETRY)
            continue;
        rc = got < ARCHIVE_WARN ? fail(a, "cannot be read", err)
                                : one_member(a, e, each, ctx, err);
    }
    (void)archive_read_free(a);
    return rc < 0 ? -1 : 0;
}

static struct archive *tar_new(void)
{
    struct archive *a = archive_read_new();

    support(a);
    (void)archive_read_support_format_tar(a);
    return a;
}

int archive_each(const char *path, archive_visit *each, void *ctx, struct repx_err *err)
{
    struct archive *a = tar_new();

    if (archive_read_open_filename(a, path, CHUNK) == ARCHIVE_OK)
        return members(a, each, ctx, err);
    (void)fail(a, "cannot be read", err);
    (void)archive_read_free(a);
    return -1;
}

/* What libarchive reads when it reads from us. */
struct feed {
    const struct archive_data *from;
    struct repx_err err;
    char chunk[CHUNK];
};

static la_ssize_t feed_read(struct archive *a, void *ctx, const void **bytes)
{
    struct feed *f = ctx;
    int64_t got = f->from->read(f->from->ctx, f->chunk, CHUNK, &f->err);

    if (got < 0)
        archive_set_error(a, -1, "%s", f->err.text);
    *bytes = f->chunk;
    return (la_ssize_t)got;
}

static la_int64_t feed_skip(struct archive *a, void *ctx, la_int64_t n)
{
    const struct feed *f = ctx;

    (void)a;
    return f->from->skip ? f->from->skip(f->from->ctx, n) : 0;
}

int archive_each_in(const struct archive_data *from, archive_visit *each, void *ctx,
                    struct repx_err *err)
{
    struct feed *f = REPX_NEW(struct feed);
    struct archive *a = tar_new();
    int rc;

    f->from = from;
    if (archive_read_open2(a, f, NULL, feed_read, feed_skip, NULL) == ARCHIVE_OK) {
        rc = members(a, each, ctx, err);
    } else {
        rc = fail(a, "cannot be read", err);
        (void)archive_read_free(a);
    }
    free(f);
    return rc;
}

int archive_slurp(const struct archive_data *data, size_t max, struct repx_buf *to,
                  struct repx_err *err)
{
    to->len = 0;
    for (;;) {
        char *room = repx_buf_room(to, CHUNK);
        int64_t n = data->read(data->ctx, room, CHUNK, err);
        if (n < 0)
            return -1;
        to->len += (size_t)n;
        to->data[to->len] = 0;
        if (to->len > max)
            return repx_fail(err, REPX_E_CORRUPT, "larger than %zu bytes", max);
        if (n == 0)
            return 0;
    }
}

static int save(struct archive *inner, int fd, uint64_t max, struct digest *digest,
                uint64_t *length, struct repx_err *err)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(CHUNK);
    struct digest_ctx ctx;

    *length = 0;
    digest_begin(&ctx);
    for (;;) {
        la_ssize_t n = archive_read_data(inner, chunk, CHUNK);
        if (n < 0)
            return fail(inner, "a layer", err);
        if (n == 0)
            break;
        digest_add(&ctx, chunk, (size_t)n);
        *length += (uint64_t)n;
        if (*length > max) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "a layer: unpacks to far more than its size; if that is "
                             "meant, set REPX_IMAGE_MAX to a number of bytes");
        }
        if (repx_write_all(fd, chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "a layer");
    }
    digest_end(&ctx, digest);
    return 0;
}

int archive_save(const struct archive_data *data, int fd, uint64_t max,
                 struct digest *digest, uint64_t *length, struct repx_err *err)
{
    struct feed *f = REPX_NEW(struct feed);
    struct archive *inner = archive_read_new();
    struct archive_entry *e;
    int rc;

    f->from = data;
    support(inner); /* a second archive: its filters undo the member's compression */
    (void)archive_read_support_format_raw(inner);
    if (archive_read_open2(inner, f, NULL, feed_read, NULL, NULL) != ARCHIVE_OK ||
        archive_read_next_header(inner, &e) != ARCHIVE_OK) {
        rc = fail(inner, "a layer", err);
    } else {
        rc = save(inner, fd, max, digest, length, err);
    }
    (void)archive_read_free(inner);
    free(f);
    return rc;
}
