/* SPDX-License-Identifier: MIT */
/* job_attempt.c: each try has a directory of its own. home/out and home/repx are links
 * to the try that counts; a try that was given up for lost and still lives writes into
 * its own directory, where nobody looks any more. */
#define _GNU_SOURCE /* O_TMPFILE */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/manifest.h"
#include "core/agent/state_once.h"

#define ATTEMPT_MAX 100000

static const char no_room[] =
    "repx: when the job ended no room was left where its results go: the disk is full, or "
    "the quota is used up\n";

/* The directory that holds the attempts. A new job's needs no look first: each call is a
 * round trip to the metadata server. */
static int home_make(const struct unit *u, const struct attempt *a,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *all = repx_format("%s/attempts", a->home);
    int base = u->site->base_fd;
    int fresh = mkdirat(base, a->home, 0777) == 0;

    if ((!fresh && errno == EEXIST) || (fresh && mkdirat(base, all, 0777) == 0))
        return 0;
    REPX_AUTO_FREE char *path = repx_format("%s/%s", u->site->base, all);
    return repx_make_dirs(path, 0777, err);
}

/* mkdir of the first free number decides. */
static int number_take(const struct unit *u, struct attempt *a, struct repx_err *err)
{
    REPX_AUTO_FREE char *all = repx_format("%s/%s/attempts", u->site->base, a->home);
    int made = 0;

    if (home_make(u, a, err) < 0)
        return -1;
    for (a->n = 1; a->n < ATTEMPT_MAX; a->n++) {
        free(a->dir);
        a->dir = repx_format("%s/attempts/%u", a->home, a->n);
        if (mkdirat(u->site->base_fd, a->dir, 0777) == 0)
            return 0;
        if (errno == ENOENT && !made++ && repx_make_dirs(all, 0777, err) == 0) {
            a->n--;
        } else if (errno != EEXIST) {
            break;
        }
    }
    return repx_fail_errno(err, "%s/%s", u->site->base, a->dir);
}

static int log_open(const struct unit *u, const struct attempt *a, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx/%s", a->dir, name);

    return openat(u->site->base_fd, path,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
}

int attempt_make(const struct unit *u, const char *home, struct attempt *a,
                 struct repx_err *err)
{
    *a = (struct attempt){.record_fd = -1, .out_fd = -1, .err_fd = -1};
    a->home = repx_strdup(home);
    if (number_take(u, a, err) < 0)
        return -1;
    a->out = repx_format("%s/%s/out", u->site->base, a->dir);
    a->repx = repx_format("%s/%s/repx", u->site->base, a->dir);
    if (mkdir(a->out, 0777) < 0 || mkdir(a->repx, 0777) < 0)
        return repx_fail_errno(err, "%s/%s", u->site->base, a->dir);
    a->out_fd = log_open(u, a, "stdout.log");
    a->err_fd = log_open(u, a, "stderr.log");
    if (a->out_fd < 0 || a->err_fd < 0)
        return repx_fail_errno(err, "%s: logs", a->repx);
    return 0;
}

/* A directory that gets another parent is written itself; a job may have taken that right
 * from its own. */
static int move_dir(int base, const char *from, const char *to)
{
    struct stat st;

    if (renameat(base, from, base, to) == 0)
        return 0;
    if (errno != EACCES)
        return -1;
    REPX_AUTO_CLOSE int fd =
        openat(base, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || fchmod(fd, (st.st_mode & 0777) | 0200) < 0)
        return -1;
    return renameat(base, from, base, to);
}

/* A real directory out or repx is RepX's: it becomes part of attempt 0, beside what was
 * kept there before. */
static int keep_foreign(const struct unit *u, const struct attempt *a, const char *name)
{
    REPX_AUTO_FREE char *old = repx_format("%s/%s", a->home, name);
    REPX_AUTO_FREE char *zero = repx_format("%s/attempts/0", a->home);
    REPX_AUTO_FREE char *to = repx_format("%s/%s", zero, name);
    REPX_AUTO_FREE char *more = repx_format("%s.%u", to, a->n);
    int base = u->site->base_fd;
    struct stat st;

    if (fstatat(base, old, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    if (mkdirat(base, zero, 0777) < 0 && errno != EEXIST)
        return -1;
    if (move_dir(base, old, to) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? move_dir(base, old, more) : -1;
}

/* The first time a plain symlink does; later it replaces another at one stroke. */
static int link_switch(const struct unit *u, const struct attempt *a, const char *name,
                       struct repx_err *err)
{
    REPX_AUTO_FREE char *to = repx_format("attempts/%u/%s", a->n, name);
    REPX_AUTO_FREE char *at = repx_format("%s/%s", a->home, name);
    REPX_AUTO_FREE char *own = once_name(u->site, name);
    REPX_AUTO_FREE char *tmp = repx_format("%s/%s", a->home, own);
    int base = u->site->base_fd;

    if (symlinkat(to, base, at) == 0)
        return 0;
    if (errno == EEXIST && keep_foreign(u, a, name) == 0 &&
        symlinkat(to, base, tmp) == 0 && renameat(base, tmp, base, at) == 0)
        return 0;
    (void)repx_fail_errno(err, "%s/%s", u->site->base, at);
    (void)unlinkat(base, tmp, 0);
    return -1;
}

static int line_write(const struct site *site, int fd, json_t *line, unsigned *tries)
{
    REPX_AUTO_FREE char *text = json_dumps(line, JSON_COMPACT);
    REPX_AUTO_FREE char *whole = text ? repx_format("%s\n", text) : NULL;
    int rc = -1;

    json_decref(line);
    while (whole && (rc = repx_write_all(fd, whole, strlen(whole))) < 0 &&
           reserve_try(site, tries))
        continue;
    return rc;
}

/* Of a quota nothing tells but a new file, or a write. */
static int is_refused(const struct site *site)
{
    static const char some[65536];
    REPX_AUTO_CLOSE int fd = open(site->base, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);

    return (fd < 0 || repx_write_all(fd, some, sizeof(some)) < 0) &&
           (errno == ENOSPC || errno == EDQUOT);
}

/* What a job could not write, it mostly could not tell either. */
static int is_full(const struct site *site)
{
    struct statvfs v;

    return (statvfs(site->base, &v) == 0 && v.f_bavail == 0) || is_refused(site);
}

/* What was kept back is there for it, though perhaps not at once. */
static void tell_no_room(const struct site *site, int fd, unsigned *tries)
{
    while (repx_write_all(fd, no_room, sizeof(no_room) - 1) < 0 &&
           reserve_try(site, tries))
        continue;
}

static int marker_make(const struct site *site, const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    unsigned tries = 0;
    int fd;

    while ((fd = openat(site->base_fd, path, flags, 0666)) < 0 &&
           reserve_try(site, &tries))
        continue;
    return fd < 0 ? -1 : close(fd);
}

static json_t *first_line(const struct unit *u, const char *in)
{
    json_t *j = record_self(u->site);

    json_object_set_new(j, "run", json_string(u->run->id));
    json_object_set_new(j, "i", json_integer((json_int_t)u->index));
    json_object_set(j, "key", json_object_get(u->plan, "key"));
    json_object_set_new(j, "sub", json_string(u->key));
    json_object_set_new(j, "id", json_string(u->unit_id));
    json_object_set_new(j, "sched", json_string(u->sched));
    json_object_set(j, "node", json_object_get(j, "host"));
    (void)json_object_del(j, "host");
    if (in)
        json_object_set_new(j, "in", json_string(in));
    if (json_object_get(u->exe, "res"))
        json_object_set(j, "res", json_object_get(u->exe, "res"));
    return j;
}

int attempt_begin(const struct unit *u, struct attempt *a, const char *in,
                  struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx/attempt.json", a->dir);
    unsigned tries = 0;

    if (link_switch(u, a, "repx", err) < 0 || link_switch(u, a, "out", err) < 0)
        return -1;
    a->record_fd = openat(u->site->base_fd, path,
                          O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (a->record_fd < 0 ||
        line_write(u->site, a->record_fd, first_line(u, in), &tries) < 0)
        return repx_fail_errno(err, "%s/%s", u->site->base, path);
    return 0;
}

int attempt_end(const struct unit *u, struct attempt *a, const struct outcome *o,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *marker =
        repx_format("%s/repx/%s", a->dir, o->ok ? "SUCCESS" : "FAIL");
    REPX_AUTO_FREE char *good = repx_format("%s/repx/SUCCESS", a->dir);
    char digest[DIGEST_HEX];
    unsigned tries = 0;
    json_t *line;

    if (o->again) /* it has no end */
        return 0;
    line = outcome_json(o);
    if (o->ok && manifest_write(u->site, a->dir, digest, NULL) == 0)
        json_object_set_new(line, "manifest", json_string(digest));
    json_object_set_new(line, "t", json_integer(state_now_ms()));
    int bad = line_write(u->site, a->record_fd, line, &tries) < 0;
    if (!o->ok)
        (void)unlinkat(u->site->base_fd, good, 0); /* a script can make one itself */
    if (!o->ok && tries == 0 && is_full(u->site)) {
        errno = ENOSPC;
        (void)reserve_try(u->site, &tries);
    }
    if (tries > 0 && !bad)
        tell_no_room(u->site, a->err_fd, &tries);
    if (marker_make(u->site, marker) < 0 || bad)
        return repx_fail_errno(err, "%s/%s", u->site->base, marker);
    return 0;
}

void attempt_finish(struct attempt *a)
{
    repx_close_fd(&a->record_fd);
    repx_close_fd(&a->out_fd);
    repx_close_fd(&a->err_fd);
    free(a->home);
    free(a->dir);
    free(a->out);
    free(a->repx);
    *a = (struct attempt){.record_fd = -1, .out_fd = -1, .err_fd = -1};
}
