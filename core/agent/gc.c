/* SPDX-License-Identifier: MIT */
#include "core/agent/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/value.h>

#include "core/agent/state.h"
#include "core/agent/store_fs.h"
#include "core/wire/verbs.h"

void gc_say(struct gc *gc, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    repx_buf_str(&gc->said, line);
    repx_buf_char(&gc->said, '\n');
}

void gc_close(struct gc *gc, const char *fmt, ...)
{
    char line[900];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    gc->closed = 1;
    gc_say(gc, "warning: %s", line);
}

void gc_finish(struct gc *gc)
{
    json_t *const sets[] = {gc->jobs, gc->entries, gc->labs,     gc->packages,
                            gc->bins, gc->runs,    gc->collected};

    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        json_decref(sets[i]);
    repx_close_fd(&gc->artifacts);
    repx_close_fd(&gc->outputs);
    repx_close_fd(&gc->trash);
    repx_buf_free(&gc->said);
    *gc = (struct gc){.artifacts = -1, .outputs = -1, .trash = -1};
}

/* Whoever began a session before sees that the stamp changed. */
static int stamp_write(const struct gc *gc, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%lld\n", (long long)state_now_ms());

    return repx_write_file(gc->site->state_fd, "gc", text, strlen(text), 0644, err);
}

/* The moment it begins, by the clock of the file server. */
static int stamp(struct gc *gc, struct repx_err *err)
{
    struct stat st;

    if (GC_DRY(gc)) {
        (void)clock_gettime(CLOCK_REALTIME, &gc->start);
        return 0;
    }
    if (stamp_write(gc, err) < 0 ||
        fstatat(gc->site->state_fd, "gc", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return repx_fail_errno(err, "%s/gc", gc->site->state);
    gc->start = st.st_ctim;
    return 0;
}

static void open_all(struct gc *gc, struct site *site, int options)
{
    *gc = (struct gc){.site = site, .options = options, .trash = -1};
    gc->jobs = json_object();
    gc->entries = json_object();
    gc->labs = json_object();
    gc->packages = json_object();
    gc->bins = json_object();
    gc->runs = json_object();
    gc->collected = json_object();
    gc->artifacts = store_walk(site->base_fd, "artifacts", 0);
    if (gc->artifacts < 0 && errno != ENOENT)
        gc_close(gc, "%s/artifacts: %s", site->base, strerror(errno));
    gc->outputs = store_walk(site->base_fd, "outputs", 0);
    if (gc->outputs < 0 && errno != ENOENT)
        gc_close(gc, "%s/outputs: %s", site->base, strerror(errno));
}

/* Roots that --pinned-only lets go; only once all is known that the others keep. */
static void drop_auto_roots(struct gc *gc, const struct gc_roots *roots)
{
    if (!(gc->options & GC_PINNED_ONLY) || GC_DRY(gc) || gc->closed)
        return;
    for (size_t i = 0; i < roots->count; i++) {
        const struct gc_root *r = &roots->items[i];
        if (r->pinned)
            continue;
        REPX_AUTO_FREE char *path =
            repx_format("gcroots/auto/%s/%s", r->project, r->name);
        (void)unlinkat(gc->site->base_fd, path, 0);
    }
}

static void summary(struct gc *gc)
{
    char size[32];

    repx_value_size_text(gc->bytes, size);
    if (gc->closed) {
        gc_say(gc, "Nothing was collected, since it cannot be told what is needed.");
    } else if (!gc->artifact_count && !gc->output_count) {
        gc_say(gc, "Nothing to collect.");
    } else if (GC_DRY(gc)) {
        gc_say(gc, "Would delete %llu artifact(s) and %llu job output(s), freeing %s.",
               (unsigned long long)gc->artifact_count,
               (unsigned long long)gc->output_count, size);
    } else {
        gc_say(gc, "Deleted %llu artifact(s) and %llu job output(s). Freed %s.",
               (unsigned long long)gc->artifact_count,
               (unsigned long long)gc->output_count, size);
    }
    if (gc->other_count && !(gc->options & GC_FOREIGN)) {
        gc_say(
            gc,
            "%s %llu old attempt(s), run record(s), agent(s), unpacked image(s) and the like.",
            GC_DRY(gc) ? "Would delete" : "Deleted",
            (unsigned long long)gc->other_count);
    }
}

static int collect(struct gc *gc, struct repx_err *err)
{
    struct gc_roots roots = {0};

    if (stamp(gc, err) < 0 || gc_roots_read(gc->site, &roots, err) < 0)
        return -1;
    gc_live_roots(gc, &roots);
    gc_live_work(gc);
    gc_live_repx(gc);
    gc_live_rest(gc);
    int rc = GC_DRY(gc) ? 0 : gc_trash_open(gc, err);
    if (rc == 0 && !gc->closed) {
        drop_auto_roots(gc, &roots);
        gc_sweep(gc);
        gc_sweep_state(gc);
        if (!(gc->options & GC_FOREIGN))
            gc_sweep_caches(gc);
        if (!GC_DRY(gc))
            gc_completions(gc);
    }
    /* who began while we were at it may have seen what is gone by now */
    if (rc == 0 && !GC_DRY(gc))
        rc = stamp_write(gc, err);
    gc_roots_free(&roots);
    if (rc == 0)
        summary(gc);
    return rc;
}

/* A full disk is what a collection is for: what was kept back for such a moment goes then, and
 * what is only remembered. */
static int take_lease(struct gc *gc, struct repx_err *err)
{
    unsigned tries = 0;
    int rc;

    do {
        rc = lease_take(gc->site, "gc", 0, NULL, err);
        if (rc < 0 && (errno == ENOSPC || errno == EDQUOT))
            gc_forget(gc);
    } while (rc < 0 && reserve_try(gc->site, &tries));
    return rc < 0 && err->code == REPX_E_BUSY
               ? repx_wrap(err, "another collection is going on")
               : rc;
}

int gc_collect(struct gc *gc, struct site *site, int options, const char *node,
               struct repx_err *err)
{
    open_all(gc, site, options);
    gc->node = node;
    if (GC_DRY(gc))
        return collect(gc, err);
    if (site->readonly) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s belongs to somebody else or to a newer repx: nothing can "
                         "be collected there",
                         site->base);
    }
    if (take_lease(gc, err) < 0)
        return -1;
    int rc = collect(gc, err);
    lease_drop(site, "gc");
    return rc;
}
