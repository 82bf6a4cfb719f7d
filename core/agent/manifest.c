/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* d_type */
#include "core/agent/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define DEEPEST 200
#define LINK_LONGEST 4096

struct scan {
    struct results *to;
    size_t unread;
    int deep; /* something lies too deep */
};

static void scan_dir(struct scan *s, int fd, const char *prefix, int depth);

static void scan_file(struct scan *s, int dir, const char *name, char *path)
{
    struct result *r = results_add(s->to, path, REPX_ENTRY_FILE);
    REPX_AUTO_CLOSE int fd =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        digest_fd(fd, &r->digest, &r->length, NULL) < 0) {
        s->unread++;
        return;
    }
    r->executable = (st.st_mode & S_IXUSR) != 0;
    r->hashed = 1;
}

static void scan_link(struct scan *s, int dir, const char *name, char *path)
{
    REPX_AUTO_FREE char *target = repx_alloc(LINK_LONGEST + 1);
    ssize_t n = readlinkat(dir, name, target, LINK_LONGEST);

    if (n <= 0) {
        free(path);
        s->unread++;
        return;
    }
    results_add(s->to, path, REPX_ENTRY_LINK)->link = repx_strndup(target, (size_t)n);
}

static void scan_one(struct scan *s, int dir, const struct dirent *e,
                     const char *prefix, int depth)
{
    char *path =
        *prefix ? repx_format("%s/%s", prefix, e->d_name) : repx_strdup(e->d_name);
    unsigned char type = e->d_type;
    struct stat st;

    if (type == DT_UNKNOWN && fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        type = (unsigned char)IFTODT(st.st_mode);
    if (type == DT_REG) {
        scan_file(s, dir, e->d_name, path);
    } else if (type == DT_LNK) {
        scan_link(s, dir, e->d_name, path);
    } else if (type == DT_DIR) {
        int fd =
            openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        scan_dir(s, fd, path, depth + 1);
        free(path);
    } else {
        free(path);
    }
}

/* Takes fd over. */
static void scan_dir(struct scan *s, int fd, const char *prefix, int depth)
{
    DIR *d = fd < 0 || depth > DEEPEST ? NULL : fdopendir(fd);
    size_t before = s->to->count;

    if (!d) {
        s->unread++;
        s->deep |= depth > DEEPEST;
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = repx_readdir(d); e; e = repx_readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            scan_one(s, dirfd(d), e, prefix, depth);
    }
    s->unread += errno != 0;
    (void)closedir(d);
    if (s->to->count == before && *prefix)
        (void)results_add(s->to, repx_strdup(prefix), REPX_ENTRY_DIR);
}

int results_scan(int dir, struct results *to, size_t *unread, struct repx_err *err)
{
    struct scan s = {.to = to};

    scan_dir(&s, dir, "", 0);
    results_sort(to);
    if (unread)
        *unread = s.unread;
    if (s.deep)
        return repx_fail(err, REPX_E_FAILED, "more than %d directories deep", DEEPEST);
    return 0;
}

void results_digest(const struct repx_buf *text, char hex[DIGEST_HEX])
{
    struct digest digest;

    digest_of(text->data, text->len, &digest);
    digest_hex(&digest, hex);
}

int manifest_write(const struct site *site, const char *attempt, char hex[DIGEST_HEX],
                   struct repx_err *err)
{
    REPX_AUTO_FREE char *out = repx_format("%s/out", attempt);
    REPX_AUTO_FREE char *path = repx_format("%s/repx/" MANIFEST, attempt);
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct results list = {0};
    size_t unread = 0;
    int fd =
        openat(site->base_fd, out, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return repx_fail_errno(err, "%s/%s", site->base, out);
    int rc = results_scan(fd, &list, &unread, err);
    if (rc == 0 && unread) {
        rc = repx_fail(err, REPX_E_FAILED, "%s/%s: %zu entries cannot be read",
                       site->base, out, unread);
    }
    if (rc == 0) {
        results_write(&list, &text);
        results_digest(&text, hex);
        rc = repx_write_file(site->base_fd, path, text.data, text.len, 0644, err);
    }
    results_free(&list);
    return rc;
}
