/* SPDX-License-Identifier: MIT */
/* gc_live.c: what work needs: runs that have not ended, and whoever S/live names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/gc.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"

static void live_inputs(struct gc *gc, const json_t *inputs)
{
    const char *name, *job;
    json_t *input;

    json_object_foreach((json_t *)(uintptr_t)inputs, name, input)
    {
        job = state_text(input, "job", NULL);
        if (job)
            gc_live_add(gc->jobs, job);
    }
}

static void live_line(struct gc *gc, const json_t *line)
{
    const char *image = state_text(line, "image", NULL);
    const char *tools = state_text(line, "host_tools", NULL);
    REPX_AUTO_FREE char *job = repx_format("jobs/%s", state_text(line, "id", ""));

    gc_live_add(gc->jobs, state_text(line, "id", ""));
    gc_live_add(gc->packages, state_text(line, "pkg", ""));
    gc_live_entry(gc, job);
    live_inputs(gc, json_object_get(line, "inputs"));
    live_inputs(gc, json_object_get(line, "gather_inputs"));
    if (tools) {
        REPX_AUTO_FREE char *entry = repx_format("host-tools/%s", tools);
        gc_live_entry(gc, entry);
    }
    static const char *const forms[] = {"images/%s", "images/%s.gz", "images/%s.tar",
                                        "images/%s.tar.gz"};
    for (size_t i = 0; image && i < sizeof forms / sizeof forms[0]; i++) {
        const char *end = strchr(forms[i], '.');
        REPX_AUTO_FREE char *entry = repx_format("images/%s%s", image, end ? end : "");
        REPX_AUTO_FREE char *old = repx_format("image/%s%s", image, end ? end : "");
        gc_live_entry(gc, entry);
        gc_live_entry(gc, old);
    }
}

/* bin/<sha256>/repx-agent -> <sha256> */
static void live_bins(json_t *bins, const json_t *paths)
{
    const char *arch;
    json_t *path;

    json_object_foreach((json_t *)(uintptr_t)paths, arch, path)
    {
        const char *text = json_string_value(path);
        if (!text || strncmp(text, "bin/", 4) != 0)
            continue;
        REPX_AUTO_FREE char *name = repx_strndup(text + 4, strcspn(text + 4, "/"));
        gc_live_add(bins, name);
    }
}

static void live_lab(struct gc *gc, const struct run *run)
{
    const char *lab = state_text(run->record, "lab", NULL);
    REPX_AUTO_FREE char *own = repx_format("%s-lab-metadata.json", lab ? lab : "");
    REPX_AUTO_FREE char *path = repx_format("lab/%s", own);
    struct repx_err why = {0};
    struct stat st;

    if (!lab || !state_name_ok(own) || gc->artifacts < 0 ||
        fstatat(gc->artifacts, path, &st, 0) < 0) {
        gc->all_tools = 1; /* the plan's lines name all that its jobs read */
        return;
    }
    if (gc_live_lab(gc, own, &why) < 0) {
        gc_close(gc, "run %s goes on, and its Lab cannot be read: %s", run->id,
                 why.text);
    }
}

static void ignore_line(void *ctx, const json_t *event, const char *line, size_t n)
{
    (void)line;
    (void)n;
    run_state_event(ctx, event);
}

/* 1 it goes on, 0 all its jobs have ended, -1 cannot be told. */
static int goes_on(struct site *site, struct run *run, struct repx_err *err)
{
    struct event_reader *reader = event_reader_open(site, run, err);
    struct run_state state;
    int rc = -1;

    run_state_init(&state, run->count);
    if (reader && event_reader_poll(reader, ignore_line, &state, err) >= 0 &&
        run_state_block(&state, run, NULL, NULL, err) >= 0)
        rc = state.left > 0;
    event_reader_close(reader);
    run_state_finish(&state);
    return rc;
}

static int live_lines(struct gc *gc, const struct run *run, struct repx_err *err)
{
    for (size_t i = 0; i < run->count; i++) {
        json_t *line = run_plan(run, i, err);
        if (!line)
            return -1;
        live_line(gc, line);
        json_decref(line);
    }
    return 0;
}

static void live_run(struct gc *gc, const char *id)
{
    struct repx_err why = {0};
    struct run *run = run_open(gc->site, id, &why);
    int rc = run ? goes_on(gc->site, run, &why) : -1;

    if (rc == 1) {
        gc_live_add(gc->runs, id);
        live_bins(gc->bins, json_object_get(run->record, "agents"));
        live_bins(gc->bins, json_object_get(run->record, "helper"));
        live_lab(gc, run);
        rc = live_lines(gc, run, &why);
        gc_say(gc, "run %s has not ended: what it needs is kept", id);
    }
    if (rc < 0) {
        gc_live_add(gc->runs, id);
        gc_close(gc, "run %s cannot be read: %s; if it is over, remove %s/runs/%s", id,
                 why.text, gc->site->state, id);
    }
    run_close(run);
}

static int run_bins(struct site *site, const char *id, json_t *bins,
                    struct repx_err *err)
{
    struct run *run = run_open(site, id, err);
    int rc = run ? goes_on(site, run, err) : -1;

    if (rc == 1) {
        live_bins(bins, json_object_get(run->record, "agents"));
        live_bins(bins, json_object_get(run->record, "helper"));
    }
    run_close(run);
    return rc < 0 ? -1 : 0;
}

int gc_live_bins(struct site *site, json_t *bins, struct repx_err *err)
{
    struct repx_err why = {0};
    size_t count = 0;
    char **ids = run_ids(site, &count, &why);
    int rc = 0;

    if (!ids && why.code)
        return repx_fail(err, why.code, "%s", why.text);
    for (size_t i = 0; ids && i < count && rc == 0; i++)
        rc = run_bins(site, ids[i], bins, err);
    if (ids)
        run_ids_free(ids, count);
    return rc;
}

static void live_links(struct gc *gc)
{
    int fd = store_walk(gc->site->state_fd, "live", 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        if (errno != ENOENT)
            gc_close(gc, "%s/live: %s", gc->site->state, strerror(errno));
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = repx_readdir(d); e; e = repx_readdir(d)) {
        REPX_AUTO_FREE char *entry = repx_format("jobs/%s", e->d_name);
        if (e->d_name[0] == '.')
            continue;
        gc_live_add(gc->jobs, e->d_name);
        gc_live_entry(gc, entry);
    }
    if (errno)
        gc_close(gc, "%s/live: %s", gc->site->state, strerror(errno));
    (void)closedir(d);
}

void gc_live_work(struct gc *gc)
{
    struct repx_err why = {0};
    size_t count = 0;
    char **ids = run_ids(gc->site, &count, &why);

    if (!ids && why.code)
        gc_close(gc, "%s", why.text);
    for (size_t i = 0; ids && i < count; i++)
        live_run(gc, ids[i]);
    if (ids)
        run_ids_free(ids, count);
    live_links(gc);
}
