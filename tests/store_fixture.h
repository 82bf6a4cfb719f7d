/* SPDX-License-Identifier: MIT */
/* store_fixture.h: a target in a directory of its own, and a client of its store. The file
 * that includes it defines _GNU_SOURCE. */
#ifndef REPX_STORE_FIXTURE_H
#define REPX_STORE_FIXTURE_H

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/store.h"
#include "core/agent/store_fs.h"
#include "core/wire/pack.h"

static char base[] = "/tmp/repx-store-XXXXXX";
static struct site site;

/* ---- a target, and a client of it ---- */

static void site_make(void)
{
    struct repx_err err = {0};
    static char state[64];

    (void)snprintf(state, sizeof(state), "%s/.repx", base);
    (void)repx_remove_tree(AT_FDCWD, base, &err);
    (void)repx_make_dirs(state, 0755, &err);
    site = (struct site){.base = base,
                         .state = state,
                         .base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         .state_fd = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         .host = repx_strdup("node"),
                         .boot = repx_strdup("boot-1")};
}

static void site_drop(void)
{
    struct repx_err err = {0};

    (void)close(site.base_fd);
    (void)close(site.state_fd);
    free(site.host);
    free(site.boot);
    (void)repx_remove_tree(AT_FDCWD, base, &err);
}

/* A file of a tree: its content is its text. */
struct file {
    const char *path, *text;
    uint32_t executable;
    const char *link;
};

static struct repx_entry entry_of(const struct file *f)
{
    struct repx_entry e = {.size = sizeof(e), .path = f->path, .kind = REPX_ENTRY_FILE};
    struct digest d;

    if (f->link) {
        e.kind = REPX_ENTRY_LINK;
        e.link = f->link;
        return e;
    }
    digest_of(f->text, strlen(f->text), &d);
    memcpy(e.digest, d.bytes, sizeof(e.digest));
    e.executable = f->executable;
    e.length = strlen(f->text);
    return e;
}

static int place(struct store *s, const char *name, const struct file *files, size_t n,
                 uint64_t *lacks)
{
    REPX_AUTO_FREE struct repx_entry *entries =
        repx_array(n + 1, sizeof(struct repx_entry));
    struct store_tree tree;
    struct repx_err err = {0};

    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(&files[i]);
    int rc = store_tree_sorted(&tree, entries, n, name, &err);
    if (rc == 0)
        rc = store_place(s, &tree, lacks, &err);
    if (rc < 0)
        printf("# place: %s\n", err.text);
    return rc;
}

struct asked {
    struct digest digests[4096];
    uint32_t executable[4096];
    size_t count;
};

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct asked *a = ctx;

    (void)length;
    memcpy(a->digests[a->count].bytes, digest, REPX_DIGEST_LEN);
    a->executable[a->count++] = executable;
}

static size_t lacking(struct store *s, struct asked *a)
{
    struct repx_err err = {0};

    a->count = 0;
    (void)store_lacking(s, want, a, &err);
    return a->count;
}

static void pack_file(struct repx_buf *pack, const struct file *f, const char *text)
{
    struct repx_entry e = entry_of(f);
    struct pack_head head = {.executable = (uint8_t)e.executable, .length = e.length};
    uint8_t raw[PACK_HEAD];

    memcpy(head.digest.bytes, e.digest, sizeof(e.digest));
    pack_head_put(raw, &head);
    repx_buf_add(pack, raw, sizeof(raw));
    repx_buf_str(pack, text);
}

static const struct file *find_file(const struct file *files, size_t n,
                                    const struct digest *d, uint32_t executable)
{
    for (size_t i = 0; i < n; i++) {
        struct repx_entry e = entry_of(&files[i]);
        if (e.kind == REPX_ENTRY_FILE && e.executable == executable &&
            memcmp(e.digest, d->bytes, sizeof(e.digest)) == 0)
            return &files[i];
    }
    return NULL;
}

/* Sends the files that were asked for. */
static int put(struct store *s, const struct file *files, size_t n,
               struct repx_err *err)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};

    (void)lacking(s, &a);
    for (size_t i = 0; i < a.count; i++) {
        const struct file *f = find_file(files, n, &a.digests[i], a.executable[i]);
        if (f)
            pack_file(&pack, f, f->text);
    }
    struct store_put *p = store_put_begin(s);
    int rc = store_put_bytes(p, pack.data, pack.len, err);
    if (rc == 0)
        rc = store_put_end(p, err);
    store_put_free(p);
    return rc;
}

static char *read_at(const char *path)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};

    return repx_read_file(site.base_fd, path, 1 << 20, &b, &err) < 0
               ? NULL
               : repx_buf_detach(&b);
}

__attribute__((unused)) static void holds(const char *path, const char *want,
                                          const char *name)
{
    REPX_AUTO_FREE char *got = read_at(path);

    is(got, want, name);
}

__attribute__((unused)) static int mode_of(const char *path)
{
    struct stat st = {0};

    return fstatat(site.base_fd, path, &st, 0) < 0 ? -1 : (int)(st.st_mode & 0777);
}

static ino_t inode_of(const char *path)
{
    struct stat st = {0};

    return fstatat(site.base_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static int is_there(const char *path)
{
    return inode_of(path) != 0;
}

static struct store *opened(void)
{
    struct repx_err err = {0};

    return store_open(&site, &err);
}

/* Under which transfers are remembered. */
static uint8_t set_of_transfer[REPX_DIGEST_LEN] = {9};

/* A whole transfer; how many objects were missing, or -1. */
static int64_t transfer(const char *name, const struct file *files, size_t n)
{
    static struct asked a;
    struct store *s = opened();
    struct repx_err err = {0};
    int rc = place(s, name, files, n, NULL);
    int64_t missing = rc < 0 ? -1 : (int64_t)lacking(s, &a);

    if (rc == 0 && (put(s, files, n, &err) < 0 || store_verify(s, &err) < 0 ||
                    store_remember(s, set_of_transfer, &err) < 0)) {
        printf("# transfer: %s\n", err.text);
        missing = -1;
    }
    store_close(s);
    return missing;
}

__attribute__((unused)) static int stage_is_empty(void)
{
    struct repx_err err = {0};

    (void)err;
    return unlinkat(site.state_fd, "stage", AT_REMOVEDIR) == 0 ||
           !is_there(".repx/stage");
}

/* ---- */

#define JOB "artifacts/jobs/aaaa-hello-1.1"

static const struct file package[] = {
    {"bin/hello", "#!/bin/sh\necho hello\n", 1, NULL},
    {"hello-parameters.json", "{}", 0, NULL},
    {"nix-input-dependencies.json", "[]", 0, NULL},
    {"latest", NULL, 0, "bin/hello"},
};
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

#endif
