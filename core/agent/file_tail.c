/* SPDX-License-Identifier: MIT */
/* The end of a log, and how it goes on. Followed is the path, not the file: when a new attempt
 * takes the link over, what it writes comes next. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"

#define CHUNK ((size_t)64 * 1024)
#define POLL_MS 200

struct tail {
    const struct site *site;
    const struct tail_args *args;
    int outputs, fd, out;
    struct stat st; /* of fd when it was opened */
    off_t at;
    char *chunk;
};

static ssize_t read_at(int fd, char *to, size_t n, off_t at)
{
    ssize_t got;

    do {
        got = pread(fd, to, n, at);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Offset where the last `lines` lines begin. A last line without newline is one, too. */
static off_t start_of_lines(const struct tail *t, off_t size, int64_t lines)
{
    off_t at = size;
    int64_t seen = 0;

    if (lines == 0)
        return size;
    while (at > 0) {
        size_t n = (size_t)at < CHUNK ? (size_t)at : CHUNK;
        at -= (off_t)n;
        ssize_t got = read_at(t->fd, t->chunk, n, at);
        for (ssize_t i = got - 1; i >= 0; i--) {
            if (t->chunk[i] != '\n' || at + i + 1 == size)
                continue;
            if (++seen == lines)
                return at + i + 1;
        }
        if (got < (ssize_t)n)
            break; /* it shrinks under us: from its beginning then */
    }
    return 0;
}

/* Everything from t->at on. */
static int copy_rest(struct tail *t, struct repx_err *err)
{
    for (;;) {
        ssize_t n = read_at(t->fd, t->chunk, CHUNK, t->at);
        if (n < 0)
            return repx_fail_errno(err, "%s", t->args->path);
        if (n == 0)
            return 0;
        if (repx_write_all(t->out, t->chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "the answer");
        t->at += n;
    }
}

/* 1 when the path leads to another file than before, which then is open. */
static int reopen(struct tail *t, struct repx_err *err)
{
    int fd = outputs_file(t->site, t->outputs, t->args->path, err);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 ||
        (t->fd >= 0 && st.st_dev == t->st.st_dev && st.st_ino == t->st.st_ino)) {
        repx_close_fd(&fd);
        return 0;
    }
    if (t->fd >= 0 && copy_rest(t, err) < 0) {
        repx_close_fd(&fd);
        return -1;
    }
    repx_close_fd(&t->fd);
    t->fd = fd;
    t->st = st;
    t->at = 0;
    return 1;
}

static void nap(void)
{
    const struct timespec t = {.tv_nsec = POLL_MS * 1000000L};

    (void)nanosleep(&t, NULL);
}

/* Until the call is cancelled: this process is ended then. */
static int follow(struct tail *t, struct repx_err *err)
{
    struct repx_err ignored = {0};
    struct stat st;

    for (;;) {
        if (t->outputs < 0)
            t->outputs = outputs_open(t->site, &ignored);
        if (t->outputs >= 0)
            (void)reopen(t, &ignored);
        if (t->fd >= 0) {
            if (fstat(t->fd, &st) == 0 && st.st_size < t->at)
                t->at = 0; /* begun anew */
            if (copy_rest(t, err) < 0)
                return -1;
        }
        nap();
    }
}

int tail_file(const struct site *site, const struct tail_args *args, int out,
              struct repx_err *err)
{
    struct tail t = {.site = site, .args = args, .fd = -1, .out = out};
    int rc;

    t.chunk = repx_alloc(CHUNK);
    t.outputs = outputs_open(site, err);
    rc = t.outputs < 0 ? -1 : reopen(&t, err);
    if (rc > 0) {
        if (args->lines >= 0)
            t.at = start_of_lines(&t, t.st.st_size, args->lines);
        rc = copy_rest(&t, err);
    }
    if (args->follow && (rc == 0 || (err && err->code == REPX_E_NOENT)))
        rc = follow(&t, err);
    repx_close_fd(&t.fd);
    repx_close_fd(&t.outputs);
    free(t.chunk);
    return rc < 0 ? -1 : 0;
}
