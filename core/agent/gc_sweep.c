/* SPDX-License-Identifier: MIT */
/* gc_sweep.c: artifacts and outputs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/gc_names.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"

static const char *const collections[] = {"host-tools", "images",   "image",  "jobs",
                                          "lab",        "revision", "readme", "store"};
#define COLLECTIONS (sizeof collections / sizeof collections[0])

struct gc_names gc_names(int dir)
{
    int fd = store_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct gc_names n = {0};

    if (!d)
        repx_close_fd(&fd);
    for (struct dirent *e; d && (e = repx_readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if ((n.count & (n.count - 1)) == 0)
            n.items = repx_grow(n.items, n.count ? n.count * 2 : 1, sizeof(char *));
        n.items[n.count++] = repx_strdup(e->d_name);
    }
    n.broken = errno;
    if (d)
        (void)closedir(d);
    return n;
}

void gc_names_free(struct gc_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
}

/* Somebody began to work with it since we looked. */
static int is_at_work(const struct gc *gc, const char *job)
{
    REPX_AUTO_FREE char *path = repx_format("live/%s", job);
    struct stat st;

    return fstatat(gc->site->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
           errno != ENOENT;
}

static int entry_stays(const struct gc *gc, int dir, const char *collection,
                       const char *name)
{
    REPX_AUTO_FREE char *entry = repx_format("%s/%s", collection, name);
    int is_job = strcmp(collection, "jobs") == 0;
    struct stat st;

    if (gc_is_live(gc->entries, entry) ||
        (strcmp(collection, "host-tools") == 0 && gc->all_tools) ||
        (is_job && (gc_is_live(gc->jobs, name) || is_at_work(gc, name))))
        return 1;
    return store_lstat(dir, name, &st) < 0 || gc_is_newer(gc, &st);
}

/* What is to go of a collection. */
static struct gc_names names_to_go(const struct gc *gc, const char *collection)
{
    REPX_AUTO_CLOSE int dir = store_walk(gc->artifacts, collection, 0);
    struct gc_names n = {0};
    size_t going = 0;

    if (dir < 0)
        return n;
    n = gc_names(dir);
    for (size_t i = 0; i < n.count; i++) {
        if (entry_stays(gc, dir, collection, n.items[i])) {
            free(n.items[i]);
        } else {
            n.items[going++] = n.items[i];
        }
    }
    n.count = going;
    return n;
}

static void sweep_collection(struct gc *gc, const char *collection,
                             const struct gc_names *n)
{
    REPX_AUTO_CLOSE int dir = n->count ? store_walk(gc->artifacts, collection, 0) : -1;

    for (size_t i = 0; dir >= 0 && i < n->count; i++) {
        struct stat st;
        if (store_lstat(dir, n->items[i], &st) == 0 &&
            (!S_ISDIR(st.st_mode) || !entry_stays(gc, dir, collection, n->items[i])))
            gc_remove(gc, dir, n->items[i], &gc->artifact_count);
    }
}

/* Files share inodes with others that go, and each that went makes the rest look new: so it
 * is said first of all of them what is to go. */
static void sweep_collections(struct gc *gc)
{
    struct gc_names going[COLLECTIONS];

    for (size_t i = 0; i < COLLECTIONS; i++)
        going[i] = names_to_go(gc, collections[i]);
    for (size_t i = 0; i < COLLECTIONS; i++) {
        sweep_collection(gc, collections[i], &going[i]);
        gc_names_free(&going[i]);
    }
}

static int is_collection(const char *name)
{
    for (size_t i = 0; i < COLLECTIONS; i++) {
        if (strcmp(name, collections[i]) == 0)
            return 1;
    }
    return strcmp(name, "bin") == 0;
}

/* Entries beside the collections are others' affair, except to RepX. */
static void sweep_unknown(struct gc *gc)
{
    struct gc_names n = gc_names(gc->artifacts);

    for (size_t i = 0; i < n.count; i++) {
        struct stat st;
        if (is_collection(n.items[i]) ||
            store_lstat(gc->artifacts, n.items[i], &st) < 0 || gc_is_newer(gc, &st))
            continue;
        if (gc->options & GC_FOREIGN) {
            gc_remove(gc, gc->artifacts, n.items[i], &gc->artifact_count);
        } else {
            gc_say(gc, "artifacts/%s is of no known kind: kept", n.items[i]);
        }
    }
    gc_names_free(&n);
}

/* Does a directory below outputs look like a job's? */
static int is_job_dir(const struct gc *gc, const char *name)
{
    static const char *const marks[] = {"out", "repx", "attempts", "scatter"};
    struct stat st;

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        REPX_AUTO_FREE char *path = repx_format("%s/%s", name, marks[i]);
        if (store_lstat(gc->outputs, path, &st) == 0)
            return 1;
    }
    return 0;
}

static void sweep_output(struct gc *gc, const char *name)
{
    uint64_t before = gc->output_count;
    struct stat st;

    if (*name == '.' || gc_is_live(gc->jobs, name) ||
        store_lstat(gc->outputs, name, &st) < 0 || !S_ISDIR(st.st_mode) ||
        gc_is_newer(gc, &st) || is_at_work(gc, name))
        return;
    if (!(gc->options & GC_FOREIGN) && !is_job_dir(gc, name)) {
        gc_say(gc, "outputs/%s is no job's: kept", name);
        return;
    }
    gc_remove(gc, gc->outputs, name, &gc->output_count);
    if (gc->output_count > before)
        gc_live_add(gc->collected, name);
}

void gc_sweep(struct gc *gc)
{
    struct gc_names n = {0};

    if (gc->outputs >= 0)
        n = gc_names(gc->outputs);
    for (size_t i = 0; i < n.count; i++)
        sweep_output(gc, n.items[i]);
    gc_names_free(&n);
    if (gc->artifacts < 0)
        return;
    sweep_collections(gc);
    sweep_unknown(gc);
}

/* ---- completions.jsonl ---- */

static int is_collected(const struct gc *gc, const char *line, size_t n)
{
    json_t *record = json_loadb(line, n, 0, NULL);
    const char *id = json_string_value(json_object_get(record, "id"));
    int gone = id && gc_is_live(gc->collected, id);

    json_decref(record);
    return gone;
}

/* Whole lines from `from` on, those of collected jobs left out. */
static size_t keep_lines(const struct gc *gc, const struct repx_buf *all, size_t from,
                         struct repx_buf *to)
{
    while (from < all->len) {
        const char *line = all->data + from;
        const char *end = memchr(line, '\n', all->len - from);
        if (!end)
            break;
        size_t n = (size_t)(end - line) + 1;
        if (!is_collected(gc, line, n - 1))
            repx_buf_add(to, line, n);
        from += n;
    }
    return from;
}

static void read_on(int fd, struct repx_buf *to)
{
    ssize_t n;

    while ((n = read(fd, repx_buf_room(to, 65536), 65536)) > 0)
        to->len += (size_t)n;
}

/* Others append meanwhile: what reached the old file after we read it goes to the new. */
void gc_completions(struct gc *gc)
{
    REPX_AUTO_BUF struct repx_buf all = {0};
    REPX_AUTO_BUF struct repx_buf kept = {0};
    struct repx_err why = {0};

    if (gc->outputs < 0 || json_object_size(gc->collected) == 0)
        return;
    REPX_AUTO_CLOSE int fd =
        store_openat(gc->outputs, "completions.jsonl", O_RDONLY, 0);
    if (fd < 0)
        return;
    read_on(fd, &all);
    size_t at = keep_lines(gc, &all, 0, &kept);
    if (kept.len == at)
        return;
    read_on(fd, &all);
    at = keep_lines(gc, &all, at, &kept);
    if (repx_write_file(gc->outputs, "completions.jsonl", repx_buf_text(&kept),
                        kept.len, 0666, &why) < 0) {
        gc_say(gc, "warning: outputs/completions.jsonl: %s", why.text);
        return;
    }
    kept.len = 0;
    read_on(fd, &all);
    (void)keep_lines(gc, &all, at, &kept);
    REPX_AUTO_CLOSE int now =
        store_openat(gc->outputs, "completions.jsonl", O_WRONLY | O_APPEND, 0);
    if (kept.len && (now < 0 || repx_write_all(now, kept.data, kept.len) < 0))
        gc_say(gc, "warning: outputs/completions.jsonl: %s", strerror(errno));
}
