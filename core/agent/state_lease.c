/* SPDX-License-Identifier: MIT */
/* state_lease.c: leases, docs/state-format.md section 6.
 *
 * Taking over is where two could go wrong at once: both find the lease dead, one renames
 * it away and links his own, and the other renames *that* away. So whoever takes over
 * first makes the guard `.over.<name>` (link(2) again), looks once more, and only then
 * renames. A guard outlives its maker only if that dies in these few calls; it is then
 * treated as dead like a lease. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/process_start.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_once.h"

#define EXPIRES_S 60

static const struct state_field lease_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"host", STATE_TEXT, STATE_REQUIRED},
    {"boot", STATE_TEXT, STATE_REQUIRED},
    {"pid", STATE_INT, STATE_REQUIRED},
    {"start", STATE_INT, STATE_REQUIRED},
    {"epoch", STATE_INT, STATE_REQUIRED},
    {"t", STATE_INT, 0},
    {NULL, 0, 0},
};

json_t *lease_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, lease_fields, "lease", err);

    if (j && state_int(j, "epoch", -1) < 0) {
        json_decref(j);
        (void)repx_fail(err, REPX_E_CORRUPT, "lease: negative epoch");
        return NULL;
    }
    return j;
}

json_t *record_self(const struct site *site)
{
    json_t *j = json_object();

    json_object_set_new(j, "v", json_integer(1));
    json_object_set_new(j, "host", json_string(site->host));
    json_object_set_new(j, "boot", json_string(site->boot));
    json_object_set_new(j, "pid", json_integer(getpid()));
    json_object_set_new(j, "start",
                        json_integer((json_int_t)process_start((int64_t)getpid())));
    json_object_set_new(j, "t", json_integer(state_now_ms()));
    return j;
}

int record_alive(struct site *site, const json_t *record)
{
    const char *boot = state_text(record, "boot", "");

    if (strcmp(state_text(record, "host", ""), site->host) != 0)
        return -1;
    if (strcmp(boot, site->boot) != 0)
        return 0;
    uint64_t start = process_start(state_int(record, "pid", -1));
    return start != 0 && start == (uint64_t)state_int(record, "start", 0);
}

/* The lease there now with its age in the file server's seconds; NULL when none. A file
 * that cannot be read as a lease is as good as dead once it is old. */
static int lease_look(struct site *site, const char *path, json_t **lease,
                      int64_t *mtime, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct stat st;

    *lease = NULL;
    if (fstatat(site->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : repx_fail_errno(err, "%s/%s", site->state, path);
    *mtime = (int64_t)st.st_mtime;
    if (repx_read_file(site->state_fd, path, 65536, &b, NULL) == 0)
        *lease = lease_parse(repx_buf_text(&b), b.len, NULL);
    return 1;
}

static int lease_dead(struct site *site, const json_t *lease, int64_t mtime,
                      int64_t now)
{
    int alive = lease ? record_alive(site, lease) : -1;

    return alive == 0 || (alive < 0 && now - mtime > EXPIRES_S);
}

static int same_holder(const json_t *a, const json_t *b)
{
    return a && b && json_equal(a, b);
}

/* Under the guard: move the dead lease out of the way, if it is still that one. */
static int lease_bury(struct site *site, const char *path, const json_t *dead)
{
    json_t *now = NULL;
    int64_t mtime = 0;

    if (lease_look(site, path, &now, &mtime, NULL) != 1)
        return 0;
    int same = (!dead && !now) || same_holder(dead, now);
    json_decref(now);
    if (!same)
        return 0;
    REPX_AUTO_FREE char *own = once_name(site, "dead");
    REPX_AUTO_FREE char *to = repx_format("lease/%s", own);
    if (renameat(site->state_fd, path, site->state_fd, to) == 0)
        (void)unlinkat(site->state_fd, to, 0);
    return 1;
}

static void guard_free(struct site *site, const char *path)
{
    json_t *guard = NULL;
    int64_t mtime = 0;
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (lease_look(site, path, &guard, &mtime, NULL) == 1 &&
        lease_dead(site, guard, mtime, (int64_t)now.tv_sec - EXPIRES_S))
        (void)unlinkat(site->state_fd, path, 0);
    json_decref(guard);
}

static void take_over(struct site *site, const char *name, const json_t *dead)
{
    REPX_AUTO_FREE char *guard = repx_format(".over.%s", name);
    REPX_AUTO_FREE char *guard_path = repx_format("lease/%s", guard);
    REPX_AUTO_FREE char *path = repx_format("lease/%s", name);
    json_t *mine = record_self(site);

    json_object_set_new(mine, "epoch", json_integer(0));
    int rc = once_make(site, "lease", guard, mine, NULL);
    json_decref(mine);
    if (rc == 1) {
        (void)lease_bury(site, path, dead);
        (void)unlinkat(site->state_fd, guard_path, 0);
    } else if (rc == 0) {
        guard_free(site, guard_path);
    }
}

/* 1 taken, 0 somebody holds it, -1. */
static int lease_try(struct site *site, const char *name, uint64_t *epoch,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("lease/%s", name);
    json_t *mine = record_self(site), *there = NULL;
    int64_t now = 0, mtime = 0;

    json_object_set_new(mine, "epoch", json_integer((json_int_t)*epoch));
    int rc = once_make_at(site, "lease", name, mine, &now, err);
    json_decref(mine);
    if (rc != 0)
        return rc;
    rc = lease_look(site, path, &there, &mtime, err);
    if (rc == 1 && lease_dead(site, there, mtime, now)) {
        *epoch = (uint64_t)state_int(there, "epoch", 0) + 1;
        take_over(site, name, there);
    }
    json_decref(there);
    return rc < 0 ? -1 : 0;
}

int lease_take(struct site *site, const char *name, int64_t wait_ms, uint64_t *epoch,
               struct repx_err *err)
{
    int64_t until = state_now_ms() + wait_ms;
    uint64_t next = 0, last = 0;

    if (!state_name_ok(name))
        return repx_fail(err, REPX_E_USAGE, "%s: not the name of a lease", name);
    if (mkdirat(site->state_fd, "lease", 0777) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s/lease", site->state);
    for (int64_t pause = 2;; pause = pause < 100 ? pause * 2 : pause) {
        int rc = lease_try(site, name, &next, err);
        if (rc == 1 && epoch)
            *epoch = next;
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (next != last) { /* something died: try at once */
            last = next;
            continue;
        }
        if (state_now_ms() >= until) {
            return repx_fail(err, REPX_E_BUSY,
                             "%s/lease/%s is held by another process; try again later",
                             site->state, name);
        }
        const struct timespec t = {0, (long)pause * 1000000};
        (void)nanosleep(&t, NULL);
    }
}

int lease_is_held(struct site *site, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("lease/%s", name);
    json_t *there = NULL;
    int64_t mtime = 0;

    int found = lease_look(site, path, &there, &mtime, NULL);
    int held = found == 1 && !lease_dead(site, there, mtime, state_now_ms() / 1000);
    json_decref(there);
    return held;
}

static int lease_ours(struct site *site, const char *path)
{
    json_t *there = NULL;
    int64_t mtime;

    (void)lease_look(site, path, &there, &mtime, NULL);
    int ours = there && state_int(there, "pid", 0) == (int64_t)getpid() &&
               record_alive(site, there) == 1;
    json_decref(there);
    return ours;
}

void lease_drop(struct site *site, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("lease/%s", name);

    if (lease_ours(site, path))
        (void)unlinkat(site->state_fd, path, 0);
}

int lease_touch(struct site *site, const char *name, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("lease/%s", name);

    if (!lease_ours(site, path))
        return repx_fail(err, REPX_E_FAILED, "the lease %s was taken over", name);
    if (utimensat(site->state_fd, path, NULL, AT_SYMLINK_NOFOLLOW) < 0)
        return repx_fail_errno(err, "%s", path);
    return 0;
}
