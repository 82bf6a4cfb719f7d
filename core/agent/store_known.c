/* SPDX-License-Identifier: MIT */
/* S/known/<digest>: a set of trees that was verified, each with witnesses, so that a client
 * with nothing new needs one round trip and the target one stat a directory.
 *
 *     repx-known 2 HOST BOOT
 *     T <sha256> <name>               a tree; what follows belongs to it
 *     <ino> <sec> <nsec> <path>       mtime of the tree's directories, or of the file or link
 *     .                               the end: a record without it is none
 *     safe                            everything was on disk at this moment
 *
 * A record of another boot counts only when it is safe. A file that goes changes its
 * directory's time; one whose bytes rot changes nothing, for which there is run --verify. */
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
#include "store_known.h"

#define FIRST_LINE "repx-known 2 "
#define RECORD_LARGEST (256u << 20)
#define RECORDS_KEPT 32

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

/* ---- witnesses ---- */

/* The collection that a path belongs to: artifacts/jobs, bin. */
static size_t collection_length(const char *path)
{
    const char *slash = strchr(path, '/');

    if (slash && strncmp(path, "artifacts/", 10) == 0)
        slash = strchr(slash + 1, '/');
    return slash ? (size_t)(slash - path) : 0;
}

/* Paths come by collection, so one walk serves many. Nothing is made on the way. */
static int stat_path(struct walker *w, const char *path, struct stat *st)
{
    size_t n = collection_length(path);

    if (!w->parent || strlen(w->parent) != n || memcmp(w->parent, path, n) != 0) {
        walker_close(w);
        w->parent = repx_strndup(path, n);
        w->parent_fd = store_walk(w->s->site->base_fd, w->parent, 0);
    }
    return w->parent_fd < 0 ? -1
                            : store_lstat(w->parent_fd, n ? path + n + 1 : path, st);
}

void walker_close(struct walker *w)
{
    free(w->parent);
    w->parent = NULL;
    repx_close_fd(&w->parent_fd);
    w->parent_fd = -1;
}

const char *known_tree(const char *line, struct digest *d)
{
    char hex[DIGEST_HEX];
    size_t n = strlen(line);

    if (strncmp(line, "T ", 2) != 0 || n < DIGEST_HEX + 3 ||
        line[DIGEST_HEX + 1] != ' ')
        return NULL;
    memcpy(hex, line + 2, DIGEST_HEX - 1);
    hex[DIGEST_HEX - 1] = 0;
    return digest_parse(hex, d) ? line + DIGEST_HEX + 2 : NULL;
}

/* Scripts name a package by its digest: that has to lead somewhere, too. */
static int package_is_named(const struct store *s, const struct digest *d)
{
    char hex[DIGEST_HEX];
    struct stat st;

    digest_hex(d, hex);
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    return store_lstat(s->site->state_fd, path, &st) == 0;
}

int known_line_agrees(struct walker *w, const char *line)
{
    int64_t ino, sec, nsec;
    struct digest d;
    struct stat st;

    const char *name = known_tree(line, &d);
    if (name)
        return !store_name_job(name) || package_is_named(w->s, &d);
    if (!index_number(&line, &ino) || !index_number(&line, &sec) ||
        !index_number(&line, &nsec) || !repx_path_is_inside(line) ||
        stat_path(w, line, &st) < 0)
        return 0;
    return st.st_ino == (uint64_t)ino && st.st_mtim.tv_sec == sec &&
           st.st_mtim.tv_nsec == nsec;
}

/* ---- records ---- */

int known_read(const struct store *s, const char *path, struct repx_buf *text,
               char **lines)
{
    REPX_AUTO_FREE char *mine = first_line(s);
    struct repx_err ignored = {0};

    if (repx_read_file(s->site->state_fd, path, RECORD_LARGEST, text, &ignored) < 0 ||
        !text->len || strncmp(text->data, FIRST_LINE, sizeof(FIRST_LINE) - 1) != 0)
        return 0;
    char *end = strstr(text->data, "\n.\n"), *first = strchr(text->data, '\n');
    if (!end)
        return 0;
    int same_boot = *s->site->boot && strncmp(text->data, mine, strlen(mine)) == 0;
    if (!same_boot && strncmp(end + 3, "safe\n", 5) != 0)
        return 0;
    end[1] = 0;
    *lines = first + 1;
    return 1;
}

char *known_line(char **at)
{
    char *line = *at, *nl = strchr(line, '\n');

    if (!nl)
        return NULL;
    *nl = 0;
    *at = nl + 1;
    return line;
}

int store_known(struct store *s, const uint8_t digest[REPX_DIGEST_LEN])
{
    REPX_AUTO_FREE char *path = record_path(digest);
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct walker w = {s, NULL, -1};
    char *at = NULL;
    int known = known_read(s, path, &text, &at);

    for (char *line; known && (line = known_line(&at)) != NULL;)
        known = known_line_agrees(&w, line);
    walker_close(&w);
    if (known) {
        s->found = repx_grow(s->found, s->found_count + 1, sizeof(*s->found));
        memcpy(s->found[s->found_count++].bytes, digest, REPX_DIGEST_LEN);
    }
    return known;
}

int store_was_known(const struct store *s, const uint8_t digest[REPX_DIGEST_LEN])
{
    for (size_t i = 0; i < s->found_count; i++) {
        if (memcmp(s->found[i].bytes, digest, REPX_DIGEST_LEN) == 0)
            return 1;
    }
    return 0;
}

/* 1, or 0 when something else has taken the place of what was noted. */
static int record_make(struct store *s, struct repx_buf *to)
{
    REPX_AUTO_FREE char *mine = first_line(s);
    struct walker w = {s, NULL, -1};
    struct digest ignored;
    struct stat st;
    int same = 1;

    repx_buf_str(to, mine);
    for (size_t i = 0; i < s->line_count && same; i++) {
        const struct noted *line = &s->lines[i];
        if (known_tree(line->text, &ignored)) {
            repx_buf_fmt(to, "%s\n", line->text);
            continue;
        }
        same = stat_path(&w, line->text, &st) == 0 &&
               (!line->ino || line->ino == st.st_ino);
        if (same) {
            repx_buf_fmt(to, "%llu %lld %ld %s\n", (unsigned long long)st.st_ino,
                         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, line->text);
        }
    }
    repx_buf_str(to, ".\n");
    walker_close(&w);
    return same;
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
    /* names change when the work that holds them ends, or when another Lab wants them */
    if (s->not_to_remember || !record_make(s, &text))
        return 0;
    (void)store_mkdirat(s->site->state_fd, "known");
    known_prune(s, RECORDS_KEPT);
    if (repx_write_file(s->site->state_fd, path, text.data, text.len,
                        0644 | REPX_DURABLE, err) < 0)
        return repx_wrap(err, "%s", s->site->state);
    if (s->index && index_save(s->index, err) < 0)
        return -1;
    make_safe(s, path);
    return 0;
}
