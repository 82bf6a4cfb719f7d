/* SPDX-License-Identifier: MIT */
/* S/known/<digest>: a set of names that was verified, each with a witness, so that a client
 * with nothing new needs one round trip and the target one stat a name.
 *
 *     repx-known 1 HOST BOOT
 *     <ino> <sec> <nsec> <name>          mtime of the directory, file or link at the name
 *     .                                  the end: a record without it is none
 *     safe                               everything was on disk at this moment
 *
 * A record of another boot counts only when it is safe. */
#define _GNU_SOURCE /* syncfs */

#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#include "index_own.h"

#define FIRST_LINE "repx-known 1 "
#define RECORD_LARGEST (256u << 20)

static char *record_path(const uint8_t digest[REPX_DIGEST_LEN])
{
    struct digest d;
    char hex[DIGEST_HEX];

    memcpy(d.bytes, digest, sizeof(d.bytes));
    digest_hex(&d, hex);
    return repx_format("known/%s", hex);
}

static char *first_line(const struct store *s)
{
    return repx_format("%s%s %s\n", FIRST_LINE, s->site->host, s->site->boot);
}

struct walker {
    struct store *s;
    char *parent;
    int parent_fd;
};

/* Names come by directory, so one walk serves many. Nothing is made on the way. */
static int stat_name(struct walker *w, const char *name, struct stat *st)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : 0;

    if (!w->parent || strlen(w->parent) != n || memcmp(w->parent, name, n) != 0) {
        free(w->parent);
        w->parent = repx_strndup(name, n);
        repx_close_fd(&w->parent_fd);
        w->parent_fd = store_walk(w->s->site->base_fd, w->parent, 0);
    }
    return w->parent_fd < 0 ? -1
                            : store_lstat(w->parent_fd, slash ? slash + 1 : name, st);
}

static int line_agrees(struct walker *w, const char *line)
{
    int64_t ino, sec, nsec;
    struct stat st;

    if (!index_number(&line, &ino) || !index_number(&line, &sec) ||
        !index_number(&line, &nsec) || !repx_path_is_inside(line) ||
        stat_name(w, line, &st) < 0)
        return 0;
    return st.st_ino == (uint64_t)ino && st.st_mtim.tv_sec == sec &&
           st.st_mtim.tv_nsec == nsec;
}

/* All names up to the end line? *rest is what follows it. */
static int all_agree(struct walker *w, char *at, const char **rest)
{
    for (char *nl; (nl = strchr(at, '\n')) != NULL; at = nl + 1) {
        *nl = 0;
        if (strcmp(at, ".") == 0) {
            *rest = nl + 1;
            return 1;
        }
        if (!line_agrees(w, at))
            return 0;
    }
    return 0;
}

int store_known(struct store *s, const uint8_t digest[REPX_DIGEST_LEN])
{
    REPX_AUTO_FREE char *path = record_path(digest);
    REPX_AUTO_FREE char *mine = first_line(s);
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct repx_err ignored = {0};
    struct walker w = {s, NULL, -1};
    const char *rest = "";

    if (repx_read_file(s->site->state_fd, path, RECORD_LARGEST, &text, &ignored) < 0 ||
        !text.len || strncmp(text.data, FIRST_LINE, sizeof(FIRST_LINE) - 1) != 0)
        return 0;
    int same_boot = *s->site->boot && strncmp(text.data, mine, strlen(mine)) == 0;
    char *at = strchr(text.data, '\n');
    int known = at && all_agree(&w, at + 1, &rest) &&
                (same_boot || strncmp(rest, "safe\n", 5) == 0);
    free(w.parent);
    repx_close_fd(&w.parent_fd);
    return known;
}

static int record_make(struct store *s, struct repx_buf *to, struct repx_err *err)
{
    REPX_AUTO_FREE char *mine = first_line(s);
    struct walker w = {s, NULL, -1};
    struct stat st;
    int rc = 0;

    repx_buf_str(to, mine);
    for (size_t i = 0; i < s->name_count && rc == 0; i++) {
        if (stat_name(&w, s->names[i], &st) < 0) {
            rc = repx_fail_errno(err, "%s/%s", s->site->base, s->names[i]);
        } else {
            repx_buf_fmt(to, "%llu %lld %ld %s\n", (unsigned long long)st.st_ino,
                         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, s->names[i]);
        }
    }
    repx_buf_str(to, ".\n");
    free(w.parent);
    repx_close_fd(&w.parent_fd);
    return rc;
}

/* Flush the file system, then say so in the record and the index. */
static void flush_and_say(const struct store *s, const char *path)
{
    int fd = store_openat(s->site->state_fd, path, O_WRONLY | O_APPEND, 0);
    int base = store_openat(s->site->base_fd, ".", O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0 || base < 0 || syncfs(base) < 0)
        return;
    if (repx_write_all(fd, "safe\n", 5) == 0)
        (void)fsync(fd);
    index_mark_safe(s->site->state_fd, s->writer);
}

/* In a process of its own, so that nobody waits. It lets go of everything that belongs to
 * the session: its channel, its children's pipes, its place as a parent. */
static void make_safe(const struct store *s, const char *path)
{
    pid_t child = fork();

    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (child != 0)
        return;
    if (fork() != 0)
        _exit(0);
    (void)setsid();
    for (int fd = 0; fd < 256; fd++) {
        if (fd != s->site->base_fd && fd != s->site->state_fd)
            (void)close(fd);
    }
    flush_and_say(s, path);
    _exit(0);
}

int store_remember(struct store *s, const uint8_t digest[REPX_DIGEST_LEN],
                   struct repx_err *err)
{
    REPX_AUTO_FREE char *path = record_path(digest);
    REPX_AUTO_BUF struct repx_buf text = {0};

    for (size_t i = 0; i < s->build_count; i++) {
        if (!s->builds[i].standing) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s: not complete, so the set is not remembered",
                             s->builds[i].tree.name);
        }
    }
    s->remembered = 1;
    if (s->parked) /* names change when the work that holds them ends */
        return 0;
    if (record_make(s, &text, err) < 0)
        return -1;
    (void)store_mkdirat(s->site->state_fd, "known");
    if (repx_write_file(s->site->state_fd, path, text.data, text.len,
                        0644 | REPX_DURABLE, err) < 0)
        return repx_wrap(err, "%s", s->site->state);
    if (s->index && index_save(s->index, err) < 0)
        return -1;
    make_safe(s, path);
    return 0;
}
