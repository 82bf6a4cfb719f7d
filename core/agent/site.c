/* SPDX-License-Identifier: MIT */
/* site.c: base path, state directory and their stamps (docs/state-format.md 1). */
#define _GNU_SOURCE /* O_PATH */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/expand.h"

#define STAMP "repx-state "
#define STATE_MAJOR 1
#define FIRST_LINE_MAX 8192

/* First line of a small file. 1, 0 when there is no file, -1. */
static int read_line(int dir, const char *path, char **line, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    *line = NULL;
    if (faccessat(dir, path, F_OK, 0) < 0 && errno == ENOENT)
        return 0;
    if (repx_read_file(dir, path, FIRST_LINE_MAX, &b, err) < 0)
        return -1;
    *line = repx_strndup(repx_buf_text(&b), strcspn(repx_buf_text(&b), "\n"));
    return 1;
}

static int make_dir(const char *path, const char *what, struct repx_err *err)
{
    if (repx_make_dirs(path, 0755, err) == 0)
        return 0;
    return repx_wrap(err, "cannot make the %s (is it writable for you there?)", what);
}

static int open_dir(const char *path, struct repx_err *err)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? repx_fail_errno(err, "%s", path) : fd;
}

static void warn(struct site *site, char *text)
{
    free(site->warning);
    site->warning = text;
}

/* Read or write the stamp in an open directory. 1 it was there, 0 it is new, -1. */
static int stamp(struct site *site, int dir, const char *where, struct repx_err *err)
{
    REPX_AUTO_FREE char *line = NULL;
    int found = read_line(dir, "format", &line, err);

    if (found < 0)
        return repx_wrap(err, "%s", where);
    if (!found) {
        if (repx_write_file(dir, "format", STAMP "1\n", sizeof(STAMP "1\n") - 1,
                            0644 | REPX_DURABLE, err) < 0)
            return repx_wrap(err, "%s", where);
        return 0;
    }
    char *end = NULL;
    long major = strncmp(line, STAMP, sizeof(STAMP) - 1) == 0
                     ? strtol(line + sizeof(STAMP) - 1, &end, 10)
                     : 0;
    if (major < 1 || !end || *end) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s/format does not name a state of repx: \"%.80s\"; if "
                         "nothing but repx keeps anything there, remove that file",
                         where, line);
    }
    if (major > STATE_MAJOR) {
        site->readonly = 1;
        warn(site,
             repx_format("%s was written by a newer repx (state format %ld, this one "
                         "writes %d): looking is possible, changing needs that version",
                         where, major, STATE_MAJOR));
    }
    return 1;
}

/* B/.repx/state names a state directory elsewhere; all clients must agree on it. */
static int agree(struct site *site, const char *own, int own_fd, int fresh,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *named = NULL;
    int found = read_line(own_fd, "state", &named, err);
    const char *there = found == 1 ? named : own;

    if (found < 0)
        return repx_wrap(err, "%s", own);
    if (strcmp(there, site->state) == 0)
        return 0;
    if (found == 1 || (!fresh && faccessat(own_fd, "runs", F_OK, 0) == 0)) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s keeps its state in %s, your configuration says %s: make "
                         "state_path the same",
                         site->base, there, site->state);
    }
    REPX_AUTO_FREE char *line = repx_format("%s\n", site->state);
    return repx_write_file(own_fd, "state", line, strlen(line), 0644 | REPX_DURABLE,
                           err);
}

static int open_state(struct site *site, struct repx_err *err)
{
    REPX_AUTO_FREE char *own =
        repx_format("%s/.repx", strcmp(site->base, "/") == 0 ? "" : site->base);
    struct stat st;

    if (!site->state)
        site->state = repx_strdup(own);
    if (make_dir(own, "state directory", err) < 0)
        return -1;
    REPX_AUTO_CLOSE int own_fd = open_dir(own, err);
    if (own_fd < 0 || fstat(own_fd, &st) < 0)
        return -1;
    int foreign = st.st_uid != geteuid();
    int old = foreign && faccessat(own_fd, "format", F_OK, 0) < 0
                  ? repx_fail(err, REPX_E_FAILED, "%s is user %ld's and holds no state",
                              own, (long)st.st_uid)
                  : stamp(site, own_fd, own, err);
    if (old < 0 || (!site->readonly && agree(site, own, own_fd, !old, err) < 0))
        return -1;
    if (strcmp(own, site->state) != 0 &&
        make_dir(site->state, "state directory (state_path)", err) < 0)
        return -1;
    site->state_fd = open_dir(site->state, err);
    if (site->state_fd < 0 || fstat(site->state_fd, &st) < 0)
        return -1;
    if (foreign || st.st_uid != geteuid()) {
        site->readonly = 1;
        warn(site,
             repx_format("%s belongs to user %ld: you may list, show, log and pull; "
                         "only its owner may change it",
                         site->state, (long)st.st_uid));
    }
    return strcmp(own, site->state) == 0 ||
                   stamp(site, site->state_fd, site->state, err) >= 0
               ? 0
               : -1;
}

static void know_host(struct site *site)
{
    struct utsname u;

    site->host = repx_strdup(uname(&u) == 0 ? u.nodename : "localhost");
    if (read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &site->boot, NULL) != 1)
        site->boot = repx_strdup("");
}

/* RepX's collector follows links on the way to the base path and takes what it finds
 * behind them for garbage. */
static void warn_of_links(struct site *site)
{
    REPX_AUTO_FREE char *real = realpath(site->base, NULL);

    if (real && strcmp(real, site->base) != 0 && !site->warning) {
        site->warning = repx_format(
            "%s is really %s: if RepX's gc is ever run here, name the real "
            "path as base_path first, since gc deletes through links",
            site->base, real);
    }
}

int site_open(struct site *site, const char *base, const char *state,
              struct repx_err *err)
{
    *site = (struct site){.base_fd = -1, .state_fd = -1};
    know_host(site);
    site->base = path_expand(base, err);
    if (!site->base) {
        site_close(site);
        return repx_wrap(err, "base_path");
    }
    if (state && *state) {
        site->state = path_expand(state, err);
        if (!site->state) {
            site_close(site);
            return repx_wrap(err, "state_path");
        }
    }
    int rc = make_dir(site->base, "base path", err);
    if (rc == 0) {
        site->base_fd = open_dir(site->base, err);
        rc = site->base_fd < 0 ? -1 : open_state(site, err);
    }
    if (rc < 0) {
        site_close(site);
        return -1;
    }
    warn_of_links(site);
    site->gc_stamp = site_gc_stamp(site);
    return 0;
}

uint64_t site_gc_stamp(const struct site *site)
{
    struct stat st;

    if (fstatat(site->state_fd, "gc", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_ino ^ ((uint64_t)st.st_mtim.tv_sec << 30) ^
           (uint64_t)st.st_mtim.tv_nsec;
}

void site_close(struct site *site)
{
    free(site->base);
    free(site->state);
    free(site->host);
    free(site->boot);
    free(site->warning);
    repx_close_fd(&site->base_fd);
    repx_close_fd(&site->state_fd);
    *site = (struct site){.base_fd = -1, .state_fd = -1};
}
