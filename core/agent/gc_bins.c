/* SPDX-License-Identifier: MIT */
/* gc_bins.c: agents and helpers. Those in B/bin are this base path's own. Where others may
 * write the base path they are run from ~/.local/share/repx instead (programs.h), which all
 * such base paths share: there one goes only when the runs of each of them were looked at,
 *
 *     look -> rename out of sight -> look again -> remove, or rename back
 *
 * and a run that is created notes its base path, appears, and then looks whether its agent
 * is still there. So one of the two sees the other. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/gc_names.h"
#include "core/agent/job.h"
#include "core/agent/programs.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"
#include "core/agent/trust.h"

#define DAY ((time_t)86400)
#define BIN_DAYS 7
#define GONE_DAYS 30 /* a base path that is nowhere to be seen */
#define TRASH ".trash."
#define ELF_MACHINE 18

/* ---- what lies in a bin ---- */

struct program {
    char *kind; /* "repx-agent", "sched-local", ..., each per machine */
    struct timespec t;
    char *bin;
};

struct bins {
    struct gc *gc;
    int dir;
    struct program *newest;
    size_t count;
    char **old; /* names of directories that hold only old programs of ours */
    size_t old_count;
};

static int is_ours(const char *name)
{
    return strcmp(name, "repx-agent") == 0 || strncmp(name, "sched-", 6) == 0;
}

static int is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* A cluster may have nodes of several kinds, and an agent for each. */
static char *kind_of(int dir, const char *name)
{
    unsigned char head[ELF_MACHINE + 2] = {0};
    REPX_AUTO_CLOSE int fd = store_openat(dir, name, O_RDONLY | O_NONBLOCK, 0);

    if (fd < 0 || read(fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
        memcmp(head, "\177ELF", 4) != 0)
        return repx_strdup(name);
    return repx_format("%s %u.%u", name, head[ELF_MACHINE], head[ELF_MACHINE + 1]);
}

static void note_newest(struct bins *b, int dir, const char *name, const char *bin,
                        const struct stat *st)
{
    REPX_AUTO_FREE char *kind = kind_of(dir, name);
    struct program *p = NULL;

    for (size_t i = 0; i < b->count && !p; i++)
        p = strcmp(b->newest[i].kind, kind) == 0 ? &b->newest[i] : NULL;
    if (!p) {
        b->newest = repx_grow(b->newest, b->count + 1, sizeof(*b->newest));
        p = &b->newest[b->count++];
        *p = (struct program){.kind = repx_strdup(kind)};
    } else if (is_later(&p->t, &st->st_ctim)) {
        return;
    }
    p->t = st->st_ctim;
    free(p->bin);
    p->bin = repx_strdup(bin);
}

static void look_at(struct bins *b, const char *bin)
{
    REPX_AUTO_CLOSE int dir = store_openat(b->dir, bin, O_RDONLY | O_DIRECTORY, 0);
    time_t before = b->gc->start.tv_sec - BIN_DAYS * DAY;
    int ours = 0, others = 0, recent = 0;
    struct gc_names n = {0};

    if (dir >= 0)
        n = gc_names(dir);
    for (size_t i = 0; i < n.count; i++) {
        struct stat st;
        if (n.items[i][0] == '.' || store_lstat(dir, n.items[i], &st) < 0)
            continue;
        recent |= st.st_mtim.tv_sec >= before;
        *(is_ours(n.items[i]) ? &ours : &others) = 1;
        if (is_ours(n.items[i]))
            note_newest(b, dir, n.items[i], bin, &st);
    }
    gc_names_free(&n);
    if (!ours || others || recent)
        return;
    b->old = repx_grow(b->old, b->old_count + 1, sizeof(*b->old));
    b->old[b->old_count++] = repx_strdup(bin);
}

static struct bins bins_read(struct gc *gc, int dir)
{
    struct bins b = {.gc = gc, .dir = dir};
    struct gc_names n = gc_names(dir);

    for (size_t i = 0; i < n.count; i++) {
        if (n.items[i][0] != '.')
            look_at(&b, n.items[i]);
    }
    gc_names_free(&n);
    return b;
}

static void bins_free(struct bins *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->newest[i].kind);
        free(b->newest[i].bin);
    }
    for (size_t i = 0; i < b->old_count; i++)
        free(b->old[i]);
    free(b->newest);
    free(b->old);
}

static int is_current(const struct bins *b, const char *bin)
{
    for (size_t i = 0; i < b->count; i++) {
        if (strcmp(b->newest[i].bin, bin) == 0)
            return 1;
    }
    return programs_is_self(bin);
}

/* ---- B/bin ---- */

static void sweep_base(struct gc *gc)
{
    REPX_AUTO_CLOSE int dir = store_walk(gc->site->base_fd, "bin", 0);

    if (dir < 0)
        return;
    struct bins b = bins_read(gc, dir);
    for (size_t i = 0; i < b.old_count; i++) {
        if (!is_current(&b, b.old[i]) && !gc_is_live(gc->bins, b.old[i]))
            gc_remove(gc, dir, b.old[i], &gc->other_count);
    }
    bins_free(&b);
}

/* ---- the home ---- */

/* What the runs of a base path use. 1 done, 0 it is gone for good, -1. */
static int live_in_base(const char *base, const struct stat *noted, json_t *live,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *format = repx_format("%s/.repx/format", base);
    struct site site = {.base_fd = -1, .state_fd = -1};
    struct timespec now;

    if (access(format, F_OK) < 0) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        if ((errno == ENOENT || errno == ENOTDIR) &&
            noted->st_mtim.tv_sec < now.tv_sec - GONE_DAYS * DAY)
            return 0;
        return repx_fail_errno(err, "%s", format);
    }
    REPX_AUTO_FREE char *state = state_path_read(base);
    int rc = site_open(&site, base, state, err);
    if (rc == 0)
        rc = gc_live_bins(&site, live, err);
    site_close(&site);
    return rc < 0 ? -1 : 1;
}

/* What the runs of every base path that was noted use; NULL: it cannot be told. */
static json_t *live_everywhere(int root, int forget, struct repx_err *err)
{
    REPX_AUTO_CLOSE int dir = store_openat(root, "bases", O_RDONLY | O_DIRECTORY, 0);
    json_t *live = json_object();
    int rc = dir < 0 ? repx_fail_errno(err, "bases") : 1;
    struct gc_names n = {0};

    if (dir >= 0)
        n = gc_names(dir);
    if (n.broken) {
        errno = n.broken;
        rc = repx_fail_errno(err, "bases");
    }
    for (size_t i = 0; i < n.count && rc >= 0; i++) {
        REPX_AUTO_BUF struct repx_buf base = {0};
        struct stat st;
        if (n.items[i][0] == '.' || store_lstat(dir, n.items[i], &st) < 0)
            continue;
        rc = repx_read_file(dir, n.items[i], 65536, &base, err);
        if (rc == 0)
            base.data[strcspn(repx_buf_text(&base), "\n")] = 0;
        rc = rc < 0 ? -1 : live_in_base(base.data, &st, live, err);
        if (rc == 0 && forget)
            (void)store_unlinkat(dir, n.items[i]);
    }
    gc_names_free(&n);
    if (rc >= 0)
        return live;
    json_decref(live);
    return NULL;
}

/* What a collection that crashed moved out of sight. */
static void put_back_all(int dir)
{
    struct gc_names n = gc_names(dir);

    for (size_t i = 0; i < n.count; i++) {
        const char *name = n.items[i];
        if (strncmp(name, TRASH, sizeof(TRASH) - 1) == 0 &&
            store_rename(dir, name, dir, name + sizeof(TRASH) - 1) < 0)
            (void)repx_remove_tree(dir, name, NULL);
    }
    gc_names_free(&n);
}

static void remove_old(struct bins *b, int root, const json_t *live)
{
    REPX_AUTO_FREE char **hidden = repx_array(b->old_count + 1, sizeof(*hidden));
    struct gc *gc = b->gc;
    struct repx_err why = {0};
    size_t count = 0;

    for (size_t i = 0; i < b->old_count; i++) {
        const char *bin = b->old[i];
        REPX_AUTO_FREE char *trash = repx_format(TRASH "%s", bin);
        if (is_current(b, bin) || gc_is_live(live, bin))
            continue;
        if (GC_DRY(gc)) {
            gc->bytes += gc_tree_size(b->dir, bin);
            gc->other_count++;
        } else if (store_rename(b->dir, bin, b->dir, trash) == 0) {
            hidden[count++] = b->old[i];
        }
    }
    json_t *now = count ? live_everywhere(root, 0, &why) : NULL;
    for (size_t i = 0; i < count; i++) {
        REPX_AUTO_FREE char *trash = repx_format(TRASH "%s", hidden[i]);
        if (!now || gc_is_live(now, hidden[i])) {
            (void)store_rename(b->dir, trash, b->dir, hidden[i]);
        } else {
            gc->bytes += gc_tree_size(b->dir, trash);
            gc->other_count += repx_remove_tree(b->dir, trash, NULL) == 0;
        }
    }
    json_decref(now);
}

static void sweep_home(struct gc *gc)
{
    REPX_AUTO_FREE char *path = programs_home(gc->site);
    REPX_AUTO_FREE char *bin = path ? repx_format("%s/bin", path) : NULL;
    struct repx_err why = {0};

    if (!path || access(bin, F_OK) < 0 || path_is_ours(bin, &why) != 1)
        return;
    REPX_AUTO_CLOSE int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REPX_AUTO_CLOSE int dir = root < 0 ? -1 : store_walk(root, "bin", 0);
    if (dir < 0 || (flock(root, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK))
        return; /* a collection of another base path is there */
    if (!GC_DRY(gc))
        put_back_all(dir);
    struct bins b = bins_read(gc, dir);
    json_t *live = b.old_count > 0 ? live_everywhere(root, !GC_DRY(gc), &why) : NULL;
    if (live) {
        remove_old(&b, root, live);
    } else if (b.old_count > 0) {
        gc_say(gc, "%s is kept whole, since it cannot be told who uses it: %s", bin,
               why.text);
    }
    json_decref(live);
    bins_free(&b);
}

void gc_sweep_bins(struct gc *gc)
{
    sweep_base(gc);
    if (!(gc->options & GC_FOREIGN))
        sweep_home(gc);
}
