/* SPDX-License-Identifier: MIT */
/* state_next.c: who waits until others have ended with a job: S/next/<job id> is the first of
 * them, S/behind/<job id>/<number>.<KEY> are the others. A link only ever moves forward,
 * and is never nowhere on its way; so who reads the last places first misses nobody. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/state_next.h"

#define TRIES 8 /* others may move the same link */
#define DIGITS 10

/* ---- reading ---- */

static int is_place(const char *name)
{
    return strspn(name, "0123456789") == DIGITS && name[DIGITS] == '.' &&
           state_key_ok(name + DIGITS + 1);
}

static int order(const void *a, const void *b)
{
    const struct worker *x = a, *y = b;

    return strcmp(x->place, y->place);
}

/* place is stolen. */
static void add(struct workers *w, char *place, int waits)
{
    w->items = repx_grow(w->items, w->count + 1, sizeof(*w->items));
    w->items[w->count++] = (struct worker){.place = place, .waits = waits};
}

static void add_behind(struct site *site, const char *job, struct workers *w)
{
    REPX_AUTO_FREE char *path = repx_format("behind/%s", job);
    int fd = openat(site->state_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    size_t from = w->count;

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (is_place(e->d_name))
            add(w, repx_format("%s/%s", path, e->d_name), 1);
    }
    (void)closedir(d);
    qsort(w->items + from, w->count - from, sizeof(*w->items), order);
}

static struct worker *find(const struct workers *w, const char *key)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->items[i].who.key, key) == 0)
            return w->items + i;
    }
    return NULL;
}

/* Those that are there, each once. */
static void keep_those(struct workers *w)
{
    size_t all = w->count;

    w->count = 0;
    for (size_t i = 0; i < all; i++) {
        struct worker at = w->items[i];
        struct worker *before = at.who.key[0] ? find(w, at.who.key) : NULL;
        if (before) {
            free(before->twin);
            before->twin = at.place;
        } else if (at.who.key[0]) {
            w->items[w->count++] = at;
        } else {
            free(at.place);
        }
    }
}

int workers_read(struct site *site, const char *job, struct workers *w,
                 struct repx_err *err)
{
    int rc = 0;

    *w = (struct workers){0};
    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    add(w, repx_format("live/%s", job), 0);
    add(w, repx_format("next/%s", job), 1);
    add_behind(site, job, w);
    for (size_t i = w->count; rc >= 0 && i-- > 0;)
        rc = live_link_read(site, w->items[i].place, &w->items[i].who, err);
    keep_those(w);
    return rc < 0 ? -1 : 0;
}

void workers_free(struct workers *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->items[i].place);
        free(w->items[i].twin);
    }
    free(w->items);
    *w = (struct workers){0};
}

int next_waits(struct site *site, const char *job, const char *key)
{
    struct workers w;
    int waits = 0;

    (void)workers_read(site, job, &w, NULL);
    for (size_t i = 0; i < w.count; i++)
        waits |= w.items[i].waits && strcmp(w.items[i].who.key, key) == 0;
    workers_free(&w);
    return waits;
}

/* ---- coming ---- */

static int is_next(const struct worker *w)
{
    return strncmp(w->place, "next/", 5) == 0;
}

/* The number after the last one's. */
static char *place_behind(const struct workers *w, const char *job, const char *key)
{
    const struct worker *last = w->count ? w->items + w->count - 1 : NULL;
    const char *leaf = last && strncmp(last->place, "behind/", 7) == 0
                           ? strrchr(last->place, '/') + 1
                           : "0";

    return repx_format("behind/%s/%0*lu.%s", job, DIGITS, strtoul(leaf, NULL, 10) + 1,
                       key);
}

/* Directories are made, and removed when nobody waits in them, by whoever comes. */
static int make_link(struct site *site, const char *place, const char *text,
                     const char *job)
{
    int rc = symlinkat(text, site->state_fd, place);

    for (int i = 0; rc < 0 && errno == ENOENT && i < TRIES; i++) {
        REPX_AUTO_FREE char *dir = repx_format("behind/%s", job);
        if (strncmp(place, "next/", 5) == 0) {
            (void)mkdirat(site->state_fd, "next", 0777);
        } else {
            (void)mkdirat(site->state_fd, "behind", 0777);
            (void)mkdirat(site->state_fd, dir, 0777);
        }
        rc = symlinkat(text, site->state_fd, place);
    }
    return rc;
}

int next_add(struct site *site, const char *job, const struct live_link *who,
             struct repx_err *err)
{
    REPX_AUTO_FREE char *text =
        repx_format("%s %zu %s", who->run, who->index, who->key);
    REPX_AUTO_FREE char *next = repx_format("next/%s", job);
    struct workers w;
    int rc = workers_read(site, job, &w, err), waiting = 0;

    for (size_t i = 0; i < w.count; i++)
        waiting |= w.items[i].waits;
    if (rc == 0 && !find(&w, who->key)) {
        REPX_AUTO_FREE char *place = place_behind(&w, job, who->key);
        rc = waiting ? -1 : make_link(site, next, text, job);
        if (rc < 0)
            rc = make_link(site, place, text, job);
        if (rc < 0)
            (void)repx_fail_errno(err, "%s/%s", site->state, place);
    }
    workers_free(&w);
    next_fill(site, job);
    return rc;
}

/* ---- going ---- */

static void sweep(struct site *site, const char *job)
{
    REPX_AUTO_FREE char *dir = repx_format("behind/%s", job);

    if (unlinkat(site->state_fd, dir, AT_REMOVEDIR) == 0)
        (void)unlinkat(site->state_fd, "behind", AT_REMOVEDIR);
}

/* Never over one that is there. Two may do this at once: who finds the place behind empty
 * afterwards was late, and the other's link may have gone on by then. */
void next_fill(struct site *site, const char *job)
{
    REPX_AUTO_FREE char *next = repx_format("next/%s", job);
    struct workers w;

    (void)workers_read(site, job, &w, NULL);
    const struct worker *at = w.items;
    while (at < w.items + w.count && !at->waits)
        at++;
    if (at < w.items + w.count && !is_next(at)) {
        if (symlinkat(at->who.text, site->state_fd, next) == 0 &&
            unlinkat(site->state_fd, at->place, 0) < 0)
            (void)live_link_displace(site, next, at->who.text);
        sweep(site, job);
    }
    workers_free(&w);
}

static void drop_twin(struct site *site, const struct worker *at)
{
    if (at->twin)
        (void)unlinkat(site->state_fd, at->twin, 0);
}

static void drop(struct site *site, const struct worker *at)
{
    drop_twin(site, at);
    if (is_next(at)) {
        (void)live_link_displace(site, at->place, at->who.text);
    } else {
        (void)unlinkat(site->state_fd, at->place, 0);
    }
}

size_t next_clear(struct site *site, const char *job, const char *run, const char *key)
{
    struct workers w;
    size_t n = 0;

    (void)workers_read(site, job, &w, NULL);
    for (size_t i = w.count; i-- > 0;) {
        if (w.items[i].waits && live_is(&w.items[i].who, run, key)) {
            drop(site, w.items + i);
            n++;
        }
    }
    workers_free(&w);
    if (n) {
        next_fill(site, job);
        sweep(site, job);
    }
    return n;
}

int job_leave(struct site *site, const char *job, const char *run, const char *key)
{
    REPX_AUTO_FREE char *live = repx_format("live/%s", job);
    size_t waited = next_clear(site, job, run, key);
    struct live_text t;
    int works = state_name_ok(job) && live_link_read(site, live, &t, NULL) == 1 &&
                live_is(&t, run, key);

    if (works)
        live_clear(site, job, run, key);
    return works || waited;
}

/* The last one of that run and key; NULL. */
static const struct worker *find_waiting(const struct workers *w, const char *run,
                                         const char *key)
{
    for (size_t i = w->count; i-- > 0;) {
        if (w->items[i].waits && live_is(&w->items[i].who, run, key))
            return w->items + i;
    }
    return NULL;
}

/* 1 it has begun, 0 it does not wait, -1 its link has moved meanwhile. */
static int begin(struct site *site, const char *job, const char *run, const char *key)
{
    REPX_AUTO_FREE char *live = repx_format("live/%s", job);
    struct workers w;
    int rc = 0;

    (void)workers_read(site, job, &w, NULL);
    const struct worker *at = find_waiting(&w, run, key);
    if (at)
        rc = renameat(site->state_fd, at->place, site->state_fd, live) < 0 ? -1 : 1;
    if (rc == 1)
        drop_twin(site, at);
    for (const struct worker *b = w.items; rc == 1 && b < at; b++) {
        if (b->waits)
            drop(site, b);
    }
    workers_free(&w);
    return rc;
}

int next_begin(struct site *site, const char *job, const char *run, const char *key)
{
    int rc = -1;

    for (int i = 0; rc < 0 && i < TRIES; i++)
        rc = begin(site, job, run, key);
    if (rc == 1) {
        next_fill(site, job);
        sweep(site, job);
    }
    return rc == 1;
}
