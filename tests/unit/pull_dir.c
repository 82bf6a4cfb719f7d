/* SPDX-License-Identifier: MIT */
/* The directory results are pulled into: links that leave it, what is whose. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/pipeline/pull.h"

static const struct {
    const char *path, *target;
    int good;
} links[] = {
    {"out/a", "b", 1},           {"out/a", "b/c", 1},
    {"out/a", "..", 0},          {"out/a", "../repx", 0},
    {"out/d/a", "../b", 1},      {"out/d/a", "..", 1},
    {"out/d/a", "../../b", 0},   {"out/d/a", "b/../c", 0},
    {"out/a", "/etc", 0},        {"out/a", "", 0},
    {"out/a", ".", 1},           {"out/a", "..b", 1},
    {"out/d/e/a", "../../b", 1}, {"out/d/e/a", "../../..", 0},
    {"out/a", "b//c", 0},
};

static void put(const struct pull_dir *d, const char *path, const char *text)
{
    (void)repx_write_file(d->fd, path, text, strlen(text), 0644, NULL);
}

static void states(void)
{
    char root[] = "/tmp/repx-unit-XXXXXX", file[] = "j/out/f", link[] = "j/out/l";
    struct result entry = {.path = file, .kind = REPX_ENTRY_FILE, .hashed = 1};
    struct pull_dir d;

    ok(mkdtemp(root) && pull_dir_open(&d, root, NULL) == 0, "a directory is opened");
    digest_of("new", 3, &entry.digest);
    entry.length = 3;
    ok(pull_dir_state(&d, "j/out/f", &entry) == PULL_ABSENT, "nothing is there");
    const char *leaf;
    int dir = pull_dir_parent(&d, "j/out/f", 1, &leaf);
    ok(dir >= 0, "directories are made");
    repx_close_fd(&dir);
    put(&d, file, "old");
    ok(pull_dir_state(&d, file, &entry) == PULL_CHANGED, "a strange file is kept");
    put(&d, file, "new");
    ok(pull_dir_state(&d, file, &entry) == PULL_SAME, "the same content is the same");
    pull_dir_note(&d, file, &entry);
    ok(pull_dir_save(&d, NULL) == 0, "it is remembered");
    pull_dir_close(&d);
    ok(pull_dir_open(&d, root, NULL) == 0 && d.then.count == 1, "and known again");
    digest_of("newer", 5, &entry.digest);
    ok(pull_dir_state(&d, file, &entry) == PULL_OURS, "then it may be replaced");
    put(&d, file, "mine");
    ok(pull_dir_state(&d, file, &entry) == PULL_CHANGED, "but not once it was changed");
    (void)unlinkat(d.fd, file, 0);
    (void)mkdirat(d.fd, file, 0755);
    ok(pull_dir_state(&d, file, &entry) == PULL_BLOCKED, "nor is a directory");
    ok(symlinkat("..", d.fd, link) == 0 &&
           pull_dir_parent(&d, "j/out/l/x", 1, &leaf) < 0,
       "nothing is reached through a link");
    pull_dir_close(&d);
    (void)repx_remove_tree(AT_FDCWD, root, NULL);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        ok(pull_link_is_inside(links[i].path, links[i].target) == links[i].good,
           "%s -> '%s' is %s", links[i].path, links[i].target,
           links[i].good ? "inside" : "refused");
    }
    states();
    return tap_end();
}
