/* SPDX-License-Identifier: MIT */
/* gc_cache.c: unpacked images in B/cache, and copies on this node's own disk.
 *
 * Nodes that no collection runs on learn from S/gc-live, which a collection leaves, what is
 * still worth keeping: a supervisor that starts there looks at it once after each
 * collection. What something on the node uses is locked (runtime_node.h) and stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/gc_names.h"
#include "core/agent/runtime_image.h"
#include "core/agent/runtime_node.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"

#define LIVE "gc-live"
#define LIVE_MAX ((size_t)64 << 20)

/* ---- what is live, in the names of caches ---- */

/* images/<name>: its tag, with and without an ending; what follows the last colon. */
static void live_tag(json_t *tags, const char *name)
{
    const char *colon = strrchr(name, ':');
    const char *leaf = colon && colon[1] ? colon + 1 : name;
    const char *dot = strrchr(leaf, '.');

    gc_live_add(tags, leaf);
    if (dot && dot > leaf) {
        REPX_AUTO_FREE char *front = repx_strndup(leaf, (size_t)(dot - leaf));
        gc_live_add(tags, front);
        if (strcmp(dot, ".gz") == 0) /* .tar.gz */
            live_tag(tags, front);
    }
}

/* "<kind>/<name>" for kinds image and tools. */
static json_t *live_names(const struct gc *gc)
{
    json_t *tags = json_object(), *all = json_object(), *value;
    const char *name;

    json_object_foreach(gc->entries, name, value)
    {
        if (strncmp(name, "images/", 7) == 0)
            live_tag(tags, name + 7);
        if (strncmp(name, "image/", 6) == 0)
            live_tag(tags, name + 6);
        if (strncmp(name, "host-tools/", 11) == 0)
            gc_live_add(all, name);
    }
    json_object_foreach(tags, name, value)
    {
        REPX_AUTO_FREE char *entry = repx_format("images/%s", name);
        gc_live_add(all, entry);
    }
    json_decref(tags);
    return all;
}

/* A cache may be TAG or, beside another image of that tag, TAG.<16 hex digits>. */
static int image_is_live(const json_t *live, const char *name)
{
    REPX_AUTO_FREE char *entry = repx_format("images/%s", name);
    size_t n = strlen(entry);

    if (gc_is_live(live, entry))
        return 1;
    if (n < 17 || entry[n - 17] != '.' ||
        strspn(entry + n - 16, "0123456789abcdef") != 16)
        return 0;
    entry[n - 17] = 0;
    return gc_is_live(live, entry);
}

/* ---- B/cache ---- */

static void sweep_shared(struct gc *gc, const json_t *live)
{
    REPX_AUTO_CLOSE int dir = store_walk(gc->site->base_fd, "cache/images", 0);

    if (dir < 0)
        return;
    struct gc_names n = gc_names(dir);
    for (size_t i = 0; i < n.count; i++) {
        struct stat st;
        /* RepX leaves sidecars in images/images */
        if (strcmp(n.items[i], "images") != 0 && !image_is_live(live, n.items[i]) &&
            store_lstat(dir, n.items[i], &st) == 0 && S_ISDIR(st.st_mode) &&
            !gc_is_newer(gc, &st))
            gc_remove(gc, dir, n.items[i], &gc->other_count);
    }
    gc_names_free(&n);
}

/* ---- a node's disk ---- */

struct node {
    struct site *site;
    const char *path; /* <node_local_path>/repx */
    const json_t *live;
    json_t *layers; /* of the images that stay */
    int dry;
    uint64_t count, bytes;
};

static int is_needed(const struct node *n, const char *kind, const char *name)
{
    if (strcmp(kind, "cache/images") == 0)
        return image_is_live(n->live, name);
    if (strcmp(kind, "cache/layers") == 0)
        return gc_is_live(n->layers, name);
    if (strcmp(kind, "pkg") == 0) {
        REPX_AUTO_FREE char *package = repx_format("pkg/%s", name);
        struct stat st;
        return fstatat(n->site->state_fd, package, &st, 0) == 0 || errno != ENOENT;
    }
    REPX_AUTO_FREE char *entry = repx_format("host-tools/%s", name);
    return gc_is_live(n->live, entry);
}

/* By one rename, while nobody can begin to use it. */
static void node_remove(struct node *n, int dir, const char *name)
{
    REPX_AUTO_FREE char *trash = repx_format(".trash.%ld.%s", (long)getpid(), name);
    REPX_AUTO_FREE char *use = repx_format("%s.use", name);
    REPX_AUTO_CLOSE int lock = node_lock(dir, use, n->dry ? 0 : O_CREAT);
    uint64_t bytes = gc_tree_size(dir, name);

    if (lock < 0 && !(n->dry && errno == ENOENT))
        return;
    if (!n->dry && renameat(dir, name, dir, trash) < 0)
        return;
    n->count++;
    n->bytes += bytes;
    if (n->dry)
        return;
    REPX_AUTO_FREE char *record = repx_format("%s.dirs", name);
    (void)unlinkat(dir, record, 0);
    (void)repx_remove_tree(dir, trash, NULL);
}

static void sweep_kind(struct node *n, const char *kind)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", n->path, kind);
    REPX_AUTO_CLOSE int dir =
        open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir < 0)
        return;
    struct gc_names names = gc_names(dir);
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        size_t len = strlen(name);
        struct stat st;
        if (store_lstat(dir, name, &st) < 0 || !S_ISDIR(st.st_mode))
            continue;
        if (strncmp(name, ".trash.", 7) == 0) { /* a crash left it */
            if (!n->dry)
                (void)repx_remove_tree(dir, name, NULL);
        } else if (!strstr(name, ".staging.") && len < 200 &&
                   !is_needed(n, kind, name)) {
            node_remove(n, dir, name);
        }
    }
    gc_names_free(&names);
}

/* images/<tag>/layers names the layers, one a line. */
static void note_layers(struct node *n)
{
    REPX_AUTO_FREE char *path = repx_format("%s/cache/images", n->path);
    REPX_AUTO_CLOSE int dir =
        open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct gc_names names = {0};

    if (dir >= 0)
        names = gc_names(dir);
    for (size_t i = 0; i < names.count; i++) {
        REPX_AUTO_FREE char *list = repx_format("%s/layers", names.items[i]);
        REPX_AUTO_BUF struct repx_buf text = {0};
        if (repx_read_file(dir, list, LIVE_MAX, &text, NULL) < 0)
            continue;
        for (char *line = text.data, *end; line && (end = strchr(line, '\n'));
             line = end + 1) {
            *end = 0;
            REPX_AUTO_FREE char *copy = image_layer_copy(line);
            if (copy)
                gc_live_add(n->layers, copy);
        }
    }
    gc_names_free(&names);
}

static void sweep_node(struct node *n)
{
    static const char *const kinds[] = {"cache/images", "pkg", "host-tools",
                                        "cache/layers"};

    if (node_dir_ours(n->path, NULL) < 0)
        return;
    n->layers = json_object();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (i == 3)
            note_layers(n);
        sweep_kind(n, kinds[i]);
    }
    json_decref(n->layers);
}

/* ---- from a collection ---- */

static void leave_live(struct gc *gc, const json_t *live)
{
    REPX_AUTO_FREE char *text = json_dumps(live, JSON_COMPACT);
    struct repx_err why = {0};

    if (!text ||
        repx_write_file(gc->site->state_fd, LIVE, text, strlen(text), 0644, &why) < 0)
        gc_say(gc, "warning: %s/" LIVE ": %s", gc->site->state, why.text);
}

void gc_sweep_caches(struct gc *gc)
{
    json_t *live = live_names(gc);

    sweep_shared(gc, live);
    if (!GC_DRY(gc))
        leave_live(gc, live);
    if (gc->node) {
        REPX_AUTO_FREE char *path = repx_format("%s/repx", gc->node);
        struct node n = {
            .site = gc->site, .path = path, .live = live, .dry = GC_DRY(gc)};
        sweep_node(&n);
        gc->other_count += n.count;
        gc->bytes += n.bytes;
    }
    json_decref(live);
}

/* ---- from a supervisor ---- */

void gc_node(struct site *site, const char *node)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx", node);
    REPX_AUTO_FREE char *done = repx_format("%s/.collected", path);
    REPX_AUTO_BUF struct repx_buf text = {0};
    REPX_AUTO_BUF struct repx_buf before = {0};
    char stamp[64];
    struct stat st;

    if (fstatat(site->state_fd, LIVE, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    (void)snprintf(stamp, sizeof stamp, "%llu %lld.%09ld\n",
                   (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec);
    if (repx_read_file(AT_FDCWD, done, sizeof stamp, &before, NULL) < 0 &&
        access(path, F_OK) < 0)
        return; /* nothing is there yet */
    if (strcmp(repx_buf_text(&before), stamp) == 0 ||
        repx_read_file(site->state_fd, LIVE, LIVE_MAX, &text, NULL) < 0 ||
        repx_write_file(AT_FDCWD, done, stamp, strlen(stamp), 0600, NULL) < 0)
        return;
    json_t *live = json_loadb(repx_buf_text(&text), text.len, 0, NULL);
    if (json_is_object(live)) {
        struct node n = {.site = site, .path = path, .live = live};
        sweep_node(&n);
    }
    json_decref(live);
}
