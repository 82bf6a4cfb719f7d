/* SPDX-License-Identifier: MIT */
/* gc_repx.c: work of RepX's own clients on a shared base path.
 *
 * RepX writes nowhere what it has queued; but Slurm's names of its jobs are their ids, or
 * <id>-b<branch>-<step>, <id>-gather and anchor-<id>. What a job needs its Lab tells: all
 * of every Lab here that has it is kept. Where the queue cannot be asked, or no Lab
 * here has the job any more, nothing can be told and nothing is collected. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/gc_names.h"
#include "core/agent/job_process.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"

/* Was an agent of RepX ever deployed here? */
static int was_here(const struct gc *gc)
{
    REPX_AUTO_CLOSE int dir = store_walk(gc->site->base_fd, "bin", 0);

    if (dir < 0)
        return 0;
    struct gc_names n = gc_names(dir);
    int found = n.broken != 0;
    for (size_t i = 0; !found && i < n.count; i++) {
        REPX_AUTO_FREE char *path = repx_format("%s/repx", n.items[i]);
        struct stat st;
        found = store_lstat(dir, path, &st) == 0;
    }
    gc_names_free(&n);
    return found;
}

static char *squeue_find(void)
{
    const char *list = getenv("PATH");

    while (list && *list) {
        size_t n = strcspn(list, ":");
        char *path = repx_format("%.*s/squeue", (int)n, list);
        if (*path == '/' && access(path, X_OK) == 0)
            return path;
        free(path);
        list += n + (list[n] == ':');
    }
    return NULL;
}

/* The job that a name in the queue speaks of, if that job has a place here. Caller frees. */
static char *job_of(const struct gc *gc, const char *name)
{
    static const char *const marks[] = {"", "-gather", "-b"};
    const char *id = strncmp(name, "anchor-", 7) == 0 ? name + 7 : name;

    for (size_t i = 0; i < 3; i++) {
        const char *at = *marks[i] ? NULL : id + strlen(id);
        for (const char *next = *marks[i] ? strstr(id, marks[i]) : NULL; next;
             next = strstr(next + 1, marks[i]))
            at = next; /* the last: ids hold any text */
        char *job = at && at > id ? repx_strndup(id, (size_t)(at - id)) : NULL;
        REPX_AUTO_FREE char *package = repx_format("jobs/%s", job ? job : "");
        struct stat st;
        if (job && state_name_ok(job) && gc->artifacts >= 0 &&
            fstatat(gc->artifacts, package, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return job;
        free(job);
    }
    return NULL;
}

/* Does the Lab of that manifest have one of the jobs? Those are marked in `found`. */
static int lab_has(struct gc *gc, const char *leaf, const json_t *jobs, json_t *found)
{
    struct gc one = {
        .site = gc->site, .artifacts = gc->artifacts, .outputs = -1, .trash = -1};
    const char *id;
    json_t *value;
    int has = 0;

    one.jobs = json_object();
    one.entries = json_object();
    one.labs = json_object();
    int known = gc_live_lab(&one, leaf, NULL) == 0;
    json_object_foreach((json_t *)(uintptr_t)jobs, id, value)
    {
        if (!known || !gc_is_live(one.jobs, id))
            continue;
        gc_live_add(found, id);
        has = 1;
    }
    json_decref(one.jobs);
    json_decref(one.entries);
    json_decref(one.labs);
    repx_buf_free(&one.said);
    return has;
}

static void keep_labs(struct gc *gc, const json_t *jobs)
{
    REPX_AUTO_CLOSE int dir = store_walk(gc->artifacts, "lab", 0);
    json_t *found = json_object(), *value;
    struct gc_names n = {0};
    const char *id;

    if (dir >= 0)
        n = gc_names(dir);
    for (size_t i = 0; i < n.count; i++) {
        struct repx_err why = {0};
        if (n.items[i][0] != '.' && lab_has(gc, n.items[i], jobs, found) &&
            gc_live_lab(gc, n.items[i], &why) < 0)
            gc_close(gc, "a job of RepX is queued, and its Lab: %s", why.text);
    }
    gc_names_free(&n);
    json_object_foreach((json_t *)(uintptr_t)jobs, id, value)
    {
        if (!gc_is_live(found, id)) {
            gc_close(gc,
                     "job %s is in Slurm's queue, and no Lab here tells what it needs; "
                     "collect when it has ended",
                     id);
        }
    }
    json_decref(found);
}

static void keep_queued(struct gc *gc, char *names)
{
    json_t *jobs = json_object();
    char *rest = names;

    for (char *name = strtok_r(names, "\n", &rest); name;
         name = strtok_r(NULL, "\n", &rest)) {
        REPX_AUTO_FREE char *job = job_of(gc, name);
        if (job && !gc_is_live(gc->jobs, job))
            gc_live_add(jobs, job);
    }
    if (json_object_size(jobs)) {
        gc_say(gc, "%zu job(s) in Slurm's queue are none of ours: their Labs are kept",
               json_object_size(jobs));
        keep_labs(gc, jobs);
    }
    json_decref(jobs);
}

void gc_live_repx(struct gc *gc)
{
    REPX_AUTO_FREE char *squeue = was_here(gc) ? squeue_find() : NULL;
    REPX_AUTO_FREE char *user = repx_format("%ld", (long)geteuid());
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct repx_err why = {0};

    if (!squeue)
        return;
    char *const argv[] = {
        squeue, (char[]){"-h"}, (char[]){"-o"}, (char[]){"%j"}, (char[]){"-u"}, user,
        NULL};
    if (process_tool(argv, NULL, &said, &why) < 0) {
        if (strstr(why.text, "configuration source") || strstr(why.text, "slurm.conf"))
            return; /* installed, and no cluster behind it */
        gc_close(gc, "RepX works here, too, and Slurm's queue cannot be asked: %s",
                 why.text);
        return;
    }
    if (said.len >= 65536) {
        gc_close(gc,
                 "RepX works here, too, and Slurm's queue is too long to be looked "
                 "through; collect when it is shorter");
        return;
    }
    if (said.len)
        keep_queued(gc, said.data);
}
