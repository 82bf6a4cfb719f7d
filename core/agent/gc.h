/* SPDX-License-Identifier: MIT */
/* gc.h: collection of what no root and no work needs any more.
 *
 *     lease -> stamp -> live set (roots, runs, S/live) -> sweep -> old state
 *
 * - What a root names but cannot be read, or what a run needs but cannot be told, closes
 *   the collection: then nothing of artifacts and outputs goes.
 * - A run that is created while we work finds that the stamp S/gc changed since its session
 *   began, and is refused (site_gc_stamp): what it verified may be gone.
 * - Each thing goes by one rename into B/.repx/trash, so a crash leaves whole things; the
 *   next collection empties the trash. */
#ifndef REPX_AGENT_GC_H
#define REPX_AGENT_GC_H

#include <jansson.h>
#include <sys/stat.h>

#include "core/agent/agent.h"

/* V_GC's GC_* of verbs.h, and: */
#define GC_FOREIGN 256 /* entries of unknown kinds are garbage, too, as RepX has it */

struct gc {
    struct site *site;
    int options;
    const char *node;       /* node_local_path on this machine, or NULL */
    struct timespec start;  /* what is newer stays */
    int artifacts, outputs; /* directories, or -1 */
    int trash;              /* B/.repx/trash; -1 in a dry run */
    json_t *jobs;           /* live job ids */
    json_t *entries;        /* live "<collection>/<name>" below artifacts */
    json_t *labs;           /* ids of live Labs */
    json_t *packages;       /* live tree digests */
    json_t *bins;           /* live names below B/bin */
    json_t *runs;           /* ids of runs that have not ended */
    json_t *collected;      /* job ids whose outputs went */
    int all_tools;          /* a live Lab does not say which host tools it has */
    int closed;             /* something live cannot be told */
    uint64_t artifact_count, output_count, other_count, bytes;
    unsigned trash_next;
    struct repx_buf said;
};

#define GC_DRY(gc) ((gc)->options & 1)

/* All of it. Lines for the user in gc->said. node: node_local_path here, or NULL. After -1,
 * too, *gc is to be finished. */
int gc_collect(struct gc *gc, struct site *site, int options, const char *node,
               struct repx_err *err);
void gc_finish(struct gc *gc);
void gc_say(struct gc *gc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Something live cannot be told: why; nothing is collected. */
void gc_close(struct gc *gc, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- live things (gc_lab.c, gc_live.c) ---- */

void gc_live_entry(struct gc *gc, const char *path); /* its first two components */
int gc_is_live(const json_t *set, const char *name);
void gc_live_add(json_t *set, const char *name);
/* What the manifest artifacts/lab/<leaf> names. -1: it cannot be read. */
int gc_live_lab(struct gc *gc, const char *leaf, struct repx_err *err);
/* labId of artifacts/lab/<leaf>, or NULL; caller frees. */
char *gc_lab_id(int artifacts, const char *leaf);
/* Manifests of Labs that are live lie under other names, too; and images have layers. */
void gc_live_rest(struct gc *gc);
/* S/live and runs that have not ended. */
void gc_live_work(struct gc *gc);
/* Names below bin that runs of another base path use. -1: it cannot be told, with *err. */
int gc_live_bins(struct site *site, json_t *bins, struct repx_err *err);
/* Jobs that RepX's own clients have queued (gc_repx.c). */
void gc_live_repx(struct gc *gc);

/* ---- roots (gc_roots.c) ---- */

struct gc_root {
    int pinned;
    char *project; /* of auto roots, else NULL */
    char *name;
    char *manifest; /* leaf below artifacts/lab, or NULL */
    char *lab;      /* id the name or the manifest tells, or NULL */
    char *problem;  /* why it cannot be used, or NULL */
    int is_gone;    /* the manifest was removed: nothing is left to keep */
};

struct gc_roots {
    struct gc_root *items;
    size_t count;
};

int gc_roots_read(const struct site *site, struct gc_roots *roots,
                  struct repx_err *err);
void gc_roots_free(struct gc_roots *roots);
void gc_live_roots(struct gc *gc, const struct gc_roots *roots);
int gc_pin(const struct site *site, const char *name, const char *lab,
           struct repx_err *err);
/* *full (caller frees): the pin that was meant. */
int gc_unpin(const struct site *site, const char *prefix, char **full,
             struct repx_err *err);

/* ---- going (gc_trash.c, gc_sweep.c, gc_state.c) ---- */

/* Move dir/name into the trash and remove it there; counts bytes, and 1 into *count. In a
 * dry run only counts. */
void gc_remove(struct gc *gc, int dir, const char *name, uint64_t *count);
int gc_trash_open(struct gc *gc, struct repx_err *err);
uint64_t gc_tree_size(int dir, const char *name);
/* Was it made or changed after the collection began? */
int gc_is_newer(const struct gc *gc, const struct stat *st);
void gc_sweep(struct gc *gc);
/* Packages, known sets, old runs, attempts and agents. */
void gc_sweep_state(struct gc *gc);
/* Known sets alone, which the next run makes anew. */
void gc_forget(struct gc *gc);
/* Agents and helpers, in B/bin and in the home (gc_bins.c). */
void gc_sweep_bins(struct gc *gc);
/* Unpacked images and copies on this node that nothing needs (gc_cache.c). */
void gc_sweep_caches(struct gc *gc);
/* The same on a node where no collection runs: what the last one left to be known there.
 * Cheap when nothing was collected since. */
void gc_node(struct site *site, const char *node);
/* completions.jsonl without the jobs that went. */
void gc_completions(struct gc *gc);

#endif
