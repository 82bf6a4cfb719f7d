/* SPDX-License-Identifier: MIT */
#include "store_tree.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define PATH_LONGEST 3000
#define COMPONENT_LONGEST 255
#define DEEPEST 64
#define LINK_LONGEST 3000
#define HEX_LEN 64

static const char *const collections[] = {"jobs",   "lab",        "revision", "store",
                                          "readme", "host-tools", "images",   "image"};

static size_t components(const char *path)
{
    size_t n = *path != 0;

    for (; *path; path++)
        n += *path == '/';
    return n;
}

/* Records of the target are lines of text, so no path holds a control character. */
static int component_check(const char *path, const char *p, size_t n,
                           struct repx_err *err)
{
    if (n > COMPONENT_LONGEST)
        return repx_fail(err, REPX_E_CORRUPT, "'%.200s...': a name is too long", path);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f) {
            return repx_fail(
                err, REPX_E_CORRUPT,
                "'%.200s': holds a control character (a tab, a line break); "
                "rename it",
                path);
        }
    }
    return 0;
}

static int path_check(const char *path, struct repx_err *err)
{
    if (!repx_path_is_inside(path))
        return repx_fail(err, REPX_E_CORRUPT, "'%.200s': leaves its directory", path);
    if (strlen(path) > PATH_LONGEST || components(path) > DEEPEST) {
        return repx_fail(err, REPX_E_CORRUPT, "'%.200s...': the path is too long",
                         path);
    }
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (component_check(path, p, n, err) < 0)
            return -1;
        p += n + (p[n] == '/');
    }
    return 0;
}

static int is_collection(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(collections) / sizeof(*collections); i++) {
        if (strlen(collections[i]) == n && memcmp(collections[i], name, n) == 0)
            return 1;
    }
    return 0;
}

int store_name_check(const char *name, struct repx_err *err)
{
    size_t depth = components(name);

    if (path_check(name, err) < 0)
        return repx_wrap(err, "name");
    if (strncmp(name, "bin/", 4) == 0) {
        if (strspn(name + 4, "0123456789abcdef") == HEX_LEN && depth <= 3 &&
            (name[4 + HEX_LEN] == 0 || name[4 + HEX_LEN] == '/'))
            return 0;
        return repx_fail(err, REPX_E_CORRUPT,
                         "name '%.200s': below bin/ there are only digests", name);
    }
    if (strncmp(name, "artifacts/", 10) == 0) {
        size_t n = strcspn(name + 10, "/");
        if (is_collection(name + 10, n) && depth >= 3)
            return 0;
    }
    return repx_fail(err, REPX_E_CORRUPT,
                     "name '%.200s': nothing may be placed there; names are "
                     "artifacts/COLLECTION/NAME and bin/DIGEST",
                     name);
}

const char *store_name_job(const char *name)
{
    static const char jobs[] = "artifacts/jobs/";

    if (strncmp(name, jobs, sizeof(jobs) - 1) != 0)
        return NULL;
    name += sizeof(jobs) - 1;
    return strchr(name, '/') ? NULL : name;
}

/* A link may climb to artifacts/ and no further (below bin/: to its digest). ".." is taken
 * only in front, where nothing but real directories of ours lie above it. */
static int link_check(const char *name, const char *path, const char *link,
                      struct repx_err *err)
{
    size_t depth = components(name) + components(path) - 2;
    int leading = 1;

    if (strncmp(name, "bin/", 4) == 0)
        depth = depth ? depth - 1 : 0;
    if (!*link || *link == '/' || strlen(link) > LINK_LONGEST) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s/%s: links to '%.200s', which is not inside the Lab", name,
                         path, link);
    }
    for (const char *p = link; *p;) {
        size_t n = strcspn(p, "/");
        int up = n == 2 && p[0] == '.' && p[1] == '.';
        if (up && (!leading || depth-- == 0)) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s/%s: the link '%.200s' leaves the Lab", name, path,
                             link);
        }
        if (!up && n && !(n == 1 && p[0] == '.'))
            leading = 0;
        p += n + (p[n] == '/');
    }
    return 0;
}

/* By components, so that what is below a directory follows it at once. */
static int path_order(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : *a ? 2 + (unsigned char)*a : 0;
    int y = *b == '/' ? 1 : *b ? 2 + (unsigned char)*b : 0;
    return x - y;
}

static int entry_order(const void *a, const void *b)
{
    const struct repx_entry *x = a, *y = b;

    return path_order(x->path, y->path);
}

static int entry_check(const struct repx_entry *e, const char *name, int only,
                       struct repx_err *err)
{
    int single = only && *e->path == 0 && e->kind != REPX_ENTRY_DIR;

    if (!single && path_check(e->path, err) < 0)
        return repx_wrap(err, "%s", name);
    if (e->kind == REPX_ENTRY_LINK)
        return link_check(name, e->path, e->link ? e->link : "", err);
    if (e->kind != REPX_ENTRY_FILE && e->kind != REPX_ENTRY_DIR) {
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s: unknown kind %u", name, e->path,
                         e->kind);
    }
    if (e->kind == REPX_ENTRY_FILE && (e->executable > 1 || e->length > INT64_MAX)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s: bad length or mode", name,
                         e->path);
    }
    return 0;
}

/* Two entries in order: not the same, and none below what is no directory. */
static int pair_check(const struct repx_entry *a, const struct repx_entry *b,
                      const char *name, struct repx_err *err)
{
    size_t n = strlen(a->path);

    if (strcmp(a->path, b->path) == 0)
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s: is there twice", name, a->path);
    if (a->kind != REPX_ENTRY_DIR && strncmp(a->path, b->path, n) == 0 &&
        b->path[n] == '/') {
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s: is no directory, but holds %s",
                         name, a->path, b->path);
    }
    return 0;
}

static int is_within(const char *dir, const char *path, size_t n)
{
    size_t len = strlen(dir);

    return len == 0 ||
           (len <= n && memcmp(dir, path, len) == 0 && (len == n || path[len] == '/'));
}

/* A copy of text[0..n) among the tree's texts, which room was made for (texts_room). */
static const char *add_text(struct store_tree *t, const char *text, size_t n)
{
    char *to = t->texts + t->texts_len;

    memcpy(to, text, n);
    to[n] = 0;
    t->texts_len += n + 1;
    return to;
}

static void add_dir(struct store_tree *t, const char *path, size_t n, size_t parent)
{
    if (t->dir_count == t->dir_cap) {
        t->dir_cap = t->dir_cap ? t->dir_cap * 2 : 4;
        t->dirs = repx_grow(t->dirs, t->dir_cap, sizeof(*t->dirs));
    }
    t->dirs[t->dir_count++] = (struct store_dir){add_text(t, path, n), parent, 0};
}

/* The directory path[0..n), created with its parents. `last` is where the one before was. */
static size_t dir_of(struct store_tree *t, const char *path, size_t n, size_t last)
{
    while (!is_within(t->dirs[last].path, path, n))
        last = t->dirs[last].parent;
    for (size_t at = strlen(t->dirs[last].path); at < n;) {
        at += path[at] == '/';
        at += strcspn(path + at, "/");
        at = at > n ? n : at;
        t->dirs[last].children++;
        add_dir(t, path, at, last);
        last = t->dir_count - 1;
    }
    return last;
}

static void item_add(struct store_tree *t, const struct repx_entry *e, size_t dir)
{
    struct store_item *item = &t->items[t->count++];
    const char *slash;

    item->path = add_text(t, e->path, strlen(e->path));
    slash = strrchr(item->path, '/');
    item->leaf = slash ? slash + 1 : item->path;
    item->kind = (uint8_t)e->kind;
    item->dir = (uint32_t)dir;
    t->dirs[dir].children++;
    if (e->kind == REPX_ENTRY_LINK) {
        item->link = add_text(t, e->link, strlen(e->link));
        return;
    }
    item->executable = (uint8_t)e->executable;
    item->length = e->length;
    memcpy(item->digest.bytes, e->digest, REPX_DIGEST_LEN);
}

/* Length of what two paths share, up to the end of a component of both. */
static size_t shared_length(const char *a, const char *b)
{
    size_t shared = 0;

    for (size_t i = 0;; i++) {
        int a_ends = !a[i] || a[i] == '/', b_ends = !b[i] || b[i] == '/';
        if (a_ends && b_ends)
            shared = i;
        if (a[i] != b[i] || !a[i])
            return shared;
    }
}

/* What the texts of items and directories take; a directory is told by the first entry in
 * order that lies in it. */
static size_t texts_room(const struct repx_entry *sorted, size_t count)
{
    const char *before = "";
    size_t room = 1;

    for (size_t i = 0; i < count; i++) {
        const char *path = sorted[i].path;
        size_t shared = shared_length(before, path);
        room += strlen(path) + 1;
        for (size_t at = shared + 1; at <= strlen(path); at++)
            room += path[at] == '/' || !path[at] ? at + 1 : 0;
        if (sorted[i].kind == REPX_ENTRY_LINK)
            room += strlen(sorted[i].link) + 1;
        before = path;
    }
    return room;
}

static void fill(struct store_tree *t, const struct repx_entry *sorted, size_t count)
{
    size_t dir = 0;

    t->items = repx_array(count + 1, sizeof(*t->items));
    t->texts = repx_alloc(texts_room(sorted, count));
    add_dir(t, "", 0, 0);
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(sorted[i].path, '/');
        size_t n = slash ? (size_t)(slash - sorted[i].path) : 0;
        if (sorted[i].kind == REPX_ENTRY_DIR)
            n = strlen(sorted[i].path);
        dir = dir_of(t, sorted[i].path, n, dir);
        if (sorted[i].kind != REPX_ENTRY_DIR)
            item_add(t, &sorted[i], dir);
    }
    t->single = count == 1 && *sorted[0].path == 0;
    digest_tree(sorted, count, &t->digest);
}

int store_tree_sorted(struct store_tree *to, struct repx_entry *entries, size_t count,
                      const char *name, struct repx_err *err)
{
    int in_order = 1; /* as they mostly come */

    *to = (struct store_tree){0};
    if (store_name_check(name, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (entry_check(&entries[i], name, count == 1, err) < 0)
            return -1;
        in_order = in_order && (!i || entry_order(&entries[i - 1], &entries[i]) <= 0);
    }
    if (!in_order)
        qsort(entries, count, sizeof(*entries), entry_order);
    for (size_t i = 1; i < count; i++) {
        if (pair_check(&entries[i - 1], &entries[i], name, err) < 0)
            return -1;
    }
    to->name = repx_strdup(name);
    fill(to, entries, count);
    return 0;
}

void store_tree_finish(struct store_tree *tree)
{
    free(tree->items);
    free(tree->dirs);
    free(tree->texts);
    free(tree->name);
    *tree = (struct store_tree){0};
}
