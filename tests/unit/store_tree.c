/* SPDX-License-Identifier: MIT */
/* What may be placed, and where: tables of what hostile Labs and clients try. */
#include "tap.h"

#include <stdio.h>

#include "core/agent/store_tree.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    const char *name;
    int good;
} names[] = {
    {"artifacts/jobs/a-1", 1},
    {"artifacts/lab/lab-metadata.json", 1},
    {"artifacts/images/x", 1},
    {"artifacts/store/l-layer.tar", 1},
    {"artifacts/readme/sub/README.md", 1},
    {"bin/" HEX, 1},
    {"bin/" HEX "/sched-local", 1},
    {"artifacts", 0},
    {"artifacts/", 0},
    {"artifacts/jobs", 0},
    {"artifacts/jobs/", 0},
    {"artifacts/jobs/..", 0},
    {"artifacts/jobs/../../x", 0},
    {"artifacts/jobs//x", 0},
    {"artifacts/other/x", 0},
    {"artifacts/jobsx/x", 0},
    {"artifacts/bin/x", 0},
    {"outputs/x/out", 0},
    {".repx/format", 0},
    {"/artifacts/jobs/x", 0},
    {"bin/x", 0},
    {"bin/" HEX "0", 0},
    {"bin/" HEX "/a/b", 0},
    {"artifacts/jobs/a\nb", 0},
    {"", 0},
};

static void names_are_checked(void)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct repx_err err = {0};
        ok((store_name_check(names[i].name, &err) == 0) == names[i].good,
           "name '%s' is %s", names[i].name, names[i].good ? "taken" : "refused");
    }
}

#define FILE_AT(p)                                                     \
    {                                                                  \
        sizeof(struct repx_entry), p, REPX_ENTRY_FILE, 0, 3, {0}, NULL \
    }
#define DIR_AT(p)                                                     \
    {                                                                 \
        sizeof(struct repx_entry), p, REPX_ENTRY_DIR, 0, 0, {0}, NULL \
    }
#define LINK_AT(p, t)                                               \
    {                                                               \
        sizeof(struct repx_entry), p, REPX_ENTRY_LINK, 0, 0, {0}, t \
    }

static const struct {
    const char *what, *name;
    struct repx_entry entries[3];
    size_t count;
    int good;
} trees[] = {
    {"files", "artifacts/jobs/a", {FILE_AT("x"), FILE_AT("bin/y")}, 2, 1},
    {"nothing", "artifacts/jobs/a", {{0}}, 0, 1},
    {"an empty directory", "artifacts/jobs/a", {DIR_AT("d")}, 1, 1},
    {"a directory told and used",
     "artifacts/jobs/a",
     {FILE_AT("d/x"), DIR_AT("d")},
     2,
     1},
    {"names that only look nested",
     "artifacts/jobs/a",
     {FILE_AT("d"), FILE_AT("d-x")},
     2,
     1},
    {"one file", "artifacts/lab/x.json", {FILE_AT("")}, 1, 1},
    {"one link", "artifacts/images/t", {LINK_AT("", "x")}, 1, 1},
    {"a layer link",
     "artifacts/images/x",
     {LINK_AT("l/layer.tar", "../../../store/l-layer.tar")},
     1,
     1},
    {"a directory without name", "artifacts/jobs/a", {DIR_AT("")}, 1, 0},
    {"two, one without name", "artifacts/jobs/a", {FILE_AT(""), FILE_AT("x")}, 2, 0},
    {"the same twice", "artifacts/jobs/a", {FILE_AT("x"), FILE_AT("x")}, 2, 0},
    {"a directory twice", "artifacts/jobs/a", {DIR_AT("x"), DIR_AT("x")}, 2, 0},
    {"a file with children",
     "artifacts/jobs/a",
     {FILE_AT("x"), FILE_AT("x-y"), FILE_AT("x/y")},
     3,
     0},
    {"a link with children",
     "artifacts/jobs/a",
     {LINK_AT("x", "y"), FILE_AT("x/y")},
     2,
     0},
    {"dot dot", "artifacts/jobs/a", {FILE_AT("../x")}, 1, 0},
    {"dot dot inside", "artifacts/jobs/a", {FILE_AT("a/../../x")}, 1, 0},
    {"absolute", "artifacts/jobs/a", {FILE_AT("/etc/x")}, 1, 0},
    {"an empty component", "artifacts/jobs/a", {FILE_AT("a//b")}, 1, 0},
    {"a newline", "artifacts/jobs/a", {FILE_AT("a\nb")}, 1, 0},
    {"an absolute link", "artifacts/jobs/a", {LINK_AT("x", "/etc/passwd")}, 1, 0},
    {"an empty link", "artifacts/jobs/a", {LINK_AT("x", "")}, 1, 0},
    {"a link without target", "artifacts/jobs/a", {LINK_AT("x", NULL)}, 1, 0},
    {"a link above the Lab", "artifacts/jobs/a", {LINK_AT("x", "../../../x")}, 1, 0},
    {"a link to the Lab's top",
     "artifacts/jobs/a",
     {LINK_AT("x", "../../store")},
     1,
     1},
    {"a link that goes down and up",
     "artifacts/jobs/a",
     {LINK_AT("x", "y/../../../../../etc")},
     1,
     0},
    {"dot dot behind a name, which may be a link itself",
     "artifacts/jobs/a",
     {LINK_AT("x", "y/../z")},
     1,
     0},
    {"a link out of bin", "bin/" HEX, {LINK_AT("x", "../y")}, 1, 0},
    {"an unknown kind",
     "artifacts/jobs/a",
     {{sizeof(struct repx_entry), "x", 9, 0, 0, {0}, NULL}},
     1,
     0},
};

static void trees_are_checked(void)
{
    for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++) {
        struct repx_entry entries[sizeof(trees->entries) / sizeof(*trees->entries)];
        struct store_tree got;
        struct repx_err err = {0};
        memcpy(entries, trees[i].entries, sizeof(entries));
        int rc = store_tree_sorted(&got, entries, trees[i].count, trees[i].name, &err);
        ok((rc == 0) == trees[i].good && (rc == 0 || err.code == REPX_E_CORRUPT),
           "%s: %s", trees[i].what, rc == 0 ? "taken" : err.text);
        store_tree_finish(&got);
    }
}

static void directories_are_implied(void)
{
    struct repx_entry entries[] = {FILE_AT("b/c/x"), FILE_AT("a"), DIR_AT("e/f"),
                                   FILE_AT("b/y"), FILE_AT("b-z")};
    struct store_tree t;
    struct repx_err err = {0};
    char text[256] = "";

    ok(store_tree_sorted(&t, entries, 5, "artifacts/jobs/j", &err) == 0, "made");
    for (size_t i = 0; i < t.dir_count; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:%zu ",
                       t.dirs[i].path, t.dirs[i].children);
    }
    is(text, ":4 b:2 b/c:1 e:1 e/f:0 ", "with their number of children, parents first");
    is(store_name_job(t.name), "j", "its name is that of a job");
    ok(!store_name_job("artifacts/lab/x"), "others are not");
    store_tree_finish(&t);
}

static uint32_t any(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* Trees of any shape: what does not fit was told, and what was taken lies where it says. */
static void any_tree(uint32_t *seed)
{
    static const char *const parts[] = {"a", "a-b", "b", "bb", "a b"};
    struct repx_entry entries[12];
    char paths[12][64];
    struct repx_err err = {0};
    struct store_tree tree;
    size_t count = 1 + any(seed) % 12;

    for (size_t i = 0; i < count; i++) {
        size_t n = 0, depth = 1 + any(seed) % 5;
        for (size_t k = 0; k < depth; k++) {
            n += (size_t)snprintf(paths[i] + n, sizeof(paths[i]) - n, "%s%s",
                                  k ? "/" : "", parts[any(seed) % 5]);
        }
        entries[i] = (struct repx_entry){.size = sizeof(struct repx_entry),
                                         .path = paths[i],
                                         .kind = 1 + any(seed) % 3,
                                         .link = "a"};
    }
    if (store_tree_sorted(&tree, entries, count, "artifacts/jobs/a", &err) == 0) {
        int good = 1;
        for (size_t i = 0; i < tree.count; i++) {
            const struct store_item *item = &tree.items[i];
            const char *dir = tree.dirs[item->dir].path;
            size_t n = strlen(dir);
            good &= strncmp(item->path, dir, n) == 0 &&
                    strcmp(item->path + n + (n > 0), item->leaf) == 0;
        }
        if (!good)
            ok(0, "a tree whose items lie elsewhere");
    }
    store_tree_finish(&tree);
}

static void trees_of_any_shape(void)
{
    uint32_t seed = 7;

    for (int i = 0; i < 20000; i++)
        any_tree(&seed);
    ok(1, "trees of any shape");
}

int main(void)
{
    names_are_checked();
    trees_are_checked();
    directories_are_implied();
    trees_of_any_shape();
    return tap_end();
}
