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

/* "a/b" and "../c/d" give "c/d"; NULL when it climbs out. Caller frees. */
static char *resolve(const char *name, const char *target)
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

static int one_member(struct archive *a, struct archive_entry *e,
                      int (*each)(void *ctx, struct archive *a,
                                  const struct archive_member *member,
                                  struct repx_err *err),
                      void *ctx, struct repx_err *err)
{
    struct archive_member m = {plain(archive_entry_pathname(e)), NULL, 0};
    const char *soft = archive_entry_symlink(e);
    const char *hard = plain(archive_entry_hardlink(e));

    if (!m.name || !*m.name)
        return 0;
    REPX_AUTO_FREE char *target = soft ? resolve(m.name, soft) : repx_strdup(hard);
    m.link = target;
    m.is_file = !m.link && archive_entry_filetype(e) == AE_IFREG;
    return each(ctx, a, &m, err);
}

int archive_each(const char *path,
                 int (*each)(void *ctx, struct archive *a,
                             const struct archive_member *member, struct repx_err *err),
                 void *ctx, struct repx_err *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    int rc = 0, got;

    support(a);
    (void)archive_read_support_format_tar(a);
    if (archive_read_open_filename(a, path, CHUNK) != ARCHIVE_OK) {
        rc = fail(a, "cannot be read", err);
        (void)archive_read_free(a);
        return rc;
    }
    while (rc == 0 && (got = archive_read_next_header(a, &e)) != ARCHIVE_EOF) {
        if (got == ARCHIVE_RETRY)
            continue;
        rc = got < ARCHIVE_WARN ? fail(a, "cannot be read", err)
                                : one_member(a, e, each, ctx, err);
    }
    (void)archive_read_free(a);
    return rc < 0 ? -1 : 0;
}

int archive_slurp(struct archive *a, size_t max, struct repx_buf *to,
                  struct repx_err *err)
{
    to->len = 0;
    for (;;) {
        char *room = repx_buf_room(to, CHUNK);
        la_ssize_t n = archive_read_data(a, room, CHUNK);
        if (n < 0)
            return fail(a, "a member", err);
        to->len += (size_t)n;
        to->data[to->len] = 0;
        if (to->len > max)
            return repx_fail(err, REPX_E_CORRUPT, "larger than %zu bytes", max);
        if (n == 0)
            return 0;
    }
}

/* A second archive that reads the member of the first: its filters undo compression. */
struct nested {
    struct archive *outer;
    char chunk[CHUNK];
};

static la_ssize_t nested_read(struct archive *inner, void *ctx, const void **bytes)
{
    struct nested *n = ctx;
    la_ssize_t got = archive_read_data(n->outer, n->chunk, CHUNK);

    if (got < 0)
        archive_set_error(inner, -1, "%s", archive_error_string(n->outer));
    *bytes = n->chunk;
    return got;
}

static int save(struct archive *inner, int fd, struct digest *digest,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(CHUNK);
    struct digest_ctx ctx;

    digest_begin(&ctx);
    for (;;) {
        la_ssize_t n = archive_read_data(inner, chunk, CHUNK);
        if (n < 0)
            return fail(inner, "a layer", err);
        if (n == 0)
            break;
        digest_add(&ctx, chunk, (size_t)n);
        if (repx_write_all(fd, chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "a layer");
    }
    digest_end(&ctx, digest);
    return 0;
}

int archive_save(struct archive *a, int fd, struct digest *digest, struct repx_err *err)
{
    struct nested *n = REPX_NEW(struct nested);
    struct archive *inner = archive_read_new();
    struct archive_entry *e;
    int rc;

    n->outer = a;
    support(inner);
    (void)archive_read_support_format_raw(inner);
    if (archive_read_open(inner, n, NULL, nested_read, NULL) != ARCHIVE_OK ||
        archive_read_next_header(inner, &e) != ARCHIVE_OK) {
        rc = fail(inner, "a layer", err);
    } else {
        rc = save(inner, fd, digest, err);
    }
    (void)archive_read_free(inner);
    free(n);
    return rc;
}
