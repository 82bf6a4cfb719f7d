/* SPDX-License-Identifier: MIT */
/* manifest_purged.c: is what a job left still what its manifest says?
 *
 * A scratch purge takes files by age. So a look at each entry tells most of it: is it
 * there, of that kind and length? A file that was changed after the manifest was written is
 * read; so is all when the manifest itself is gone. A result that has never had one (RepX
 * made it) is believed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <repx/sync.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/manifest.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define MANIFEST_MAX ((size_t)1 << 30)

struct looking {
    int out;
    struct timespec written; /* the manifest */
};

static int is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static int same_content(const struct looking *l, const struct result *r)
{
    struct digest digest;
    uint64_t length;
    REPX_AUTO_CLOSE int fd =
        openat(l->out, r->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && digest_fd(fd, &digest, &length, NULL) == 0 &&
           memcmp(&digest, &r->digest, sizeof digest) == 0;
}

static int same_link(const struct looking *l, const struct result *r)
{
    char target[4097];
    ssize_t n = readlinkat(l->out, r->path, target, sizeof target - 1);

    target[n > 0 ? n : 0] = 0;
    return r->link && strcmp(target, r->link) == 0;
}

static int is_there(const struct looking *l, const struct result *r)
{
    struct stat st;

    if (fstatat(l->out, r->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (r->kind == REPX_ENTRY_DIR)
        return S_ISDIR(st.st_mode);
    if (r->kind == REPX_ENTRY_LINK)
        return S_ISLNK(st.st_mode) && same_link(l, r);
    return S_ISREG(st.st_mode) && (uint64_t)st.st_size == r->length &&
           (!is_later(&st.st_ctim, &l->written) || !r->hashed || same_content(l, r));
}

/* The manifest of the attempt in J/repx; *written: when. 1, or 0 when there is none. */
static int manifest_get(int repx, struct results *to, struct timespec *written)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct stat st;

    if (fstatat(repx, MANIFEST, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        repx_read_file(repx, MANIFEST, MANIFEST_MAX, &text, NULL) < 0)
        return 0;
    *written = st.st_mtim;
    if (results_read(to, repx_buf_text(&text), text.len, NULL) == 0)
        return 1;
    results_free(to);
    return 0;
}

/* The attempt that counts, as "attempts/N", or NULL: it is not of ours. */
static char *attempt_of(int home)
{
    char target[64];
    ssize_t n = readlinkat(home, "repx", target, sizeof target - 1);

    if (n <= 0)
        return NULL;
    target[n] = 0;
    size_t front = n > 5 && strcmp(target + n - 5, "/repx") == 0 ? (size_t)n - 5 : 0;
    if (front <= 9 || strncmp(target, "attempts/", 9) != 0 ||
        strspn(target + 9, "0123456789") != front - 9)
        return NULL;
    return repx_strndup(target, front);
}

static int out_is_gone(int home)
{
    struct stat st;

    return fstatat(home, "out", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Does J/out lead to that attempt? A manifest speaks only of the `out` beside it. */
static int out_is_of(int home, const char *attempt)
{
    char target[64];
    ssize_t n = readlinkat(home, "out", target, sizeof target - 1);
    size_t front = strlen(attempt);

    if (n <= 0)
        return 0;
    target[n] = 0;
    return strncmp(target, attempt, front) == 0 && strcmp(target + front, "/out") == 0;
}

/* An attempt of ours without a manifest: its record tells what that would have to be. When
 * that was taken as well, nothing can be said for the result. Takes out over. */
static int differs(int repx, int out)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct results list = {0};
    json_t *first, *second;
    char hex[DIGEST_HEX];

    attempt_read(repx, ".", &first, &second);
    const char *had = state_text(second, "manifest", NULL);
    if (had && results_scan(out, &list, NULL, NULL) == 0) {
        results_write(&list, &text);
        results_digest(&text, hex);
    }
    int purged = !first || (had && (!text.len || strcmp(hex, had) != 0));
    json_decref(first);
    json_decref(second);
    results_free(&list);
    return purged;
}

int result_purged(const struct site *site, const char *job)
{
    REPX_AUTO_FREE char *path = repx_format("outputs/%s", job);

    return result_purged_at(site, path);
}

int result_purged_at(const struct site *site, const char *path)
{
    REPX_AUTO_CLOSE int home =
        openat(site->base_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    REPX_AUTO_FREE char *attempt = home < 0 ? NULL : attempt_of(home);
    struct looking l = {.out = -1};
    struct results list = {0};
    int purged = 0;

    if (!attempt)
        return 0;
    if (!out_is_of(home, attempt))
        return out_is_gone(home); /* links are purged, too */
    REPX_AUTO_CLOSE int repx = openat(home, "repx", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REPX_AUTO_CLOSE int out = openat(home, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (repx < 0 || out < 0)
        return 1;
    l.out = out;
    if (!manifest_get(repx, &list, &l.written))
        return differs(repx, dup(out));
    for (size_t i = 0; !purged && i < list.count; i++)
        purged = !is_there(&l, &list.items[i]);
    results_free(&list);
    return purged;
}

void result_void(const struct site *site, const char *job)
{
    REPX_AUTO_FREE char *path = repx_format("outputs/%s/repx/SUCCESS", job);

    (void)unlinkat(site->base_fd, path, 0);
}

int64_t result_made(const struct site *site, const char *job)
{
    REPX_AUTO_FREE char *path = repx_format("outputs/%s/repx/SUCCESS", job);
    struct stat st;

    if (fstatat(site->base_fd, path, &st, 0) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}
