/* SPDX-License-Identifier: MIT */
/* gc_state.c: what we keep for ourselves and is old: attempts, runs, packages. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/store_fs.h"

#define DAY 86400
#define ATTEMPT_DAYS 7
#define RUN_DAYS 30
#define PART_DAYS 7
#define SUBMITTED_WITHIN_S 3600
#define JOURNAL_MAX ((size_t)1 << 30)

static int is_older(const struct gc *gc, const struct stat *st, int days)
{
    return st->st_mtim.tv_sec < gc->start.tv_sec - (time_t)days * DAY;
}

typedef void (*visitor)(struct gc *gc, int dir, const char *name, void *ctx);

static void each(struct gc *gc, int at, const char *path, visitor visit, void *ctx)
{
    int fd = store_walk(at, path, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.')
            visit(gc, dirfd(d), e->d_name, ctx);
    }
    (void)closedir(d);
}

/* ---- attempts that do not count ---- */

struct home {
    char *out, *repx; /* targets of the links, or NULL */
};

static int leads_to(const char *target, const char *name)
{
    size_t n = strlen(name);

    return target && strncmp(target, "attempts/", 9) == 0 &&
           strncmp(target + 9, name, n) == 0 && target[9 + n] == '/';
}

static void visit_attempt(struct gc *gc, int dir, const char *name, void *ctx)
{
    const struct home *h = ctx;
    struct stat st;

    if (strspn(name, "0123456789") != strlen(name) || strcmp(name, "0") == 0 ||
        leads_to(h->out, name) || leads_to(h->repx, name) ||
        store_lstat(dir, name, &st) < 0 || !is_older(gc, &st, ATTEMPT_DAYS))
        return;
    gc_remove(gc, dir, name, &gc->other_count);
}

/* A directory that has `attempts`; without both links nothing is told from another. */
static void sweep_home(struct gc *gc, int dir)
{
    struct home h = {store_readlink(dir, "out"), store_readlink(dir, "repx")};

    if (h.out && h.repx)
        each(gc, dir, "attempts", visit_attempt, &h);
    free(h.out);
    free(h.repx);
}

static void visit_step(struct gc *gc, int dir, const char *name, void *ctx)
{
    (void)ctx;
    REPX_AUTO_CLOSE int fd =
        strncmp(name, "step-", 5) == 0 ? store_walk(dir, name, 0) : -1;
    if (fd >= 0)
        sweep_home(gc, fd);
}

static void visit_part(struct gc *gc, int dir, const char *name, void *ctx)
{
    int is_scatter = strcmp(name, "scatter") == 0;

    (void)ctx;
    if (!is_scatter && strncmp(name, "branch-", 7) != 0)
        return;
    REPX_AUTO_CLOSE int fd = store_walk(dir, name, 0);
    if (fd >= 0 && is_scatter) {
        sweep_home(gc, fd);
    } else if (fd >= 0) {
        each(gc, fd, ".", visit_step, NULL);
    }
}

static void visit_job(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_FREE char *path = repx_format("live/%s", name);
    struct stat st;

    (void)ctx;
    if (fstatat(gc->site->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    REPX_AUTO_CLOSE int fd = store_walk(dir, name, 0);
    if (fd < 0)
        return;
    sweep_home(gc, fd);
    each(gc, fd, ".", visit_part, NULL);
}

/* Of jobs in runs that go on, none: a retry may be about to count. */
static void visit_ended_job(struct gc *gc, int dir, const char *name, void *ctx)
{
    if (json_object_size(gc->runs) == 0)
        visit_job(gc, dir, name, ctx);
}

/* ---- runs ---- */

static void drop_submission(struct gc *gc, const char *key)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s", key);

    if (state_key_ok(key) && !GC_DRY(gc))
        (void)repx_remove_tree(gc->site->state_fd, path, NULL);
}

/* The keys that a journal of the run names. */
static void visit_journal(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    (void)ctx;
    if (strncmp(name, "journal.", 8) != 0 ||
        repx_read_file(dir, name, JOURNAL_MAX, &text, NULL) < 0)
        return;
    for (char *line = text.data, *end; line && (end = strchr(line, '\n'));
         line = end + 1) {
        json_t *record = journal_parse(line, (size_t)(end - line), NULL);
        drop_submission(gc, state_text(record, "key", ""));
        json_decref(record);
    }
}

static void visit_run(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_FREE char *events = repx_format("%s/events", name);
    struct stat st, last;

    (void)ctx;
    if (!run_id_ok(name) || gc_is_live(gc->runs, name) ||
        store_lstat(dir, name, &st) < 0 || !is_older(gc, &st, RUN_DAYS) ||
        (store_lstat(dir, events, &last) == 0 && !is_older(gc, &last, RUN_DAYS)))
        return;
    each(gc, dir, name, visit_journal, NULL);
    gc_remove(gc, dir, name, &gc->other_count);
}

/* ---- packages and known sets ---- */

static void visit_package(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_FREE char *target = store_readlink(dir, name);
    struct stat st, there;

    (void)ctx;
    if (store_lstat(dir, name, &st) < 0 || gc_is_newer(gc, &st) ||
        gc_is_live(gc->packages, name))
        return;
    if (!target) { /* no run waits for it; one that is just being submitted may */
        if (st.st_ctim.tv_sec < gc->start.tv_sec - SUBMITTED_WITHIN_S)
            gc_remove(gc, dir, name, &gc->other_count);
    } else if (!GC_DRY(gc) && fstatat(dir, name, &there, 0) < 0 && errno == ENOENT) {
        (void)store_unlinkat(dir, name);
    }
}

/* They are looked at again by the next run, in one round trip more. */
static void visit_known(struct gc *gc, int dir, const char *name, void *ctx)
{
    (void)ctx;
    if (!GC_DRY(gc))
        (void)store_unlinkat(dir, name);
}

void gc_forget(struct gc *gc)
{
    int saved = errno;

    each(gc, gc->site->state_fd, "known", visit_known, NULL);
    errno = saved;
}

/* What arrived of files whose rest nobody sent. */
static void visit_arrived(struct gc *gc, int dir, const char *name, void *ctx)
{
    struct stat st;

    (void)ctx;
    if (store_lstat(dir, name, &st) == 0 && S_ISREG(st.st_mode) &&
        is_older(gc, &st, PART_DAYS))
        gc_remove(gc, dir, name, &gc->other_count);
}

/* ---- what waits, and what comes next ---- */

/* Of a run that has not ended, or that came up since we began. */
static int is_of_work(const struct gc *gc, int dir, const char *name, const char *run)
{
    struct stat st;

    return gc_is_live(gc->runs, run) || store_lstat(dir, name, &st) < 0 ||
           gc_is_newer(gc, &st);
}

/* S/waiting/<run>, <run>.wish, <run>.branches.<index> */
static void visit_waiting(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_FREE char *run = repx_strndup(name, strcspn(name, "."));

    (void)ctx;
    if (run_id_ok(run) && !is_of_work(gc, dir, name, run))
        gc_remove(gc, dir, name, &gc->other_count);
}

/* S/next/<job id> and S/behind/<job id>/... -> "<run> <index> <KEY>" */
static void visit_next(struct gc *gc, int dir, const char *name, void *ctx)
{
    REPX_AUTO_FREE char *target = store_readlink(dir, name);

    (void)ctx;
    if (!target)
        return;
    target[strcspn(target, " ")] = 0;
    if (run_id_ok(target) && !is_of_work(gc, dir, name, target))
        gc_remove(gc, dir, name, &gc->other_count);
}

/* S/behind/<job id>; the first who stays there comes to S/next. */
static void visit_behind(struct gc *gc, int dir, const char *name, void *ctx)
{
    each(gc, dir, name, visit_next, ctx);
    if (GC_DRY(gc))
        return;
    next_fill(gc->site, name);
    (void)unlinkat(dir, name, AT_REMOVEDIR);
}

static void visit_lab(struct gc *gc, int dir, const char *name, void *ctx)
{
    (void)ctx;
    if (!GC_DRY(gc) && !gc_is_live(gc->labs, name))
        (void)store_unlinkat(dir, name);
}

void gc_sweep_state(struct gc *gc)
{
    int state = gc->site->state_fd;

    if (gc->artifact_count)
        gc_forget(gc);
    each(gc, gc->site->base_fd, ".repx/pkg", visit_package, NULL);
    each(gc, state, "pkg", visit_package, NULL);
    each(gc, state, "labs", visit_lab, NULL);
    each(gc, state, "stage/.parts", visit_arrived, NULL);
    each(gc, gc->site->base_fd, ".repx/stage/.parts", visit_arrived, NULL);
    each(gc, gc->site->base_fd, "outputs", visit_ended_job, NULL);
    each(gc, state, "runs", visit_run, NULL);
    each(gc, state, "waiting", visit_waiting, NULL);
    each(gc, state, "next", visit_next, NULL);
    each(gc, state, "behind", visit_behind, NULL);
    gc_sweep_bins(gc);
}
