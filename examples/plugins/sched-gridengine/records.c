/* SPDX-License-Identifier: MIT */
/* records.c: small files beside each unit, and links to find them by key and by id. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "own.h"

#define SMALL 65536
#define DEPS_MAX (16u << 20)
#define SWEEP_S 86400

/* ---- links ---- */

/* Remove links whose unit is gone, once a day: the stamp's time says when that was. */
static void sweep(const struct gridengine *g, const char *kind)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", g->records, kind);
    DIR *d = opendir(path);
    struct stat st;

    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) < 0 &&
            errno == ENOENT)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}

static void sweep_daily(const struct gridengine *g)
{
    REPX_AUTO_FREE char *stamp = repx_format("%s/swept", g->records);
    struct stat st;

    if (stat(stamp, &st) == 0 && time(NULL) - st.st_mtime < SWEEP_S)
        return;
    if (repx_write_file(AT_FDCWD, stamp, "", 0, 0644, NULL) == 0) {
        sweep(g, "key");
        sweep(g, "id");
    }
}

static int directories(const struct gridengine *g, struct repx_err *err)
{
    REPX_AUTO_FREE char *keys = repx_format("%s/key", g->records);
    REPX_AUTO_FREE char *ids = repx_format("%s/id", g->records);

    if (repx_make_dirs(keys, 0755, err) < 0 || repx_make_dirs(ids, 0755, err) < 0)
        return -1;
    sweep_daily(g);
    return 0;
}

/* ---- files of a unit ---- */

static int put(const char *dir, const char *name, const char *text, size_t n,
               struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, name);

    return repx_write_file(AT_FDCWD, path, text, n, 0644, err);
}

int ge_prepare(const struct gridengine *g, const struct repx_unit *u,
               const struct repx_buf *deps, struct repx_err *err)
{
    REPX_AUTO_FREE char *link = repx_format("%s/key/%s", g->records, u->key);
    char count[24];

    if (directories(g, err) < 0)
        return -1;
    int n = snprintf(count, sizeof(count), "%llu\n", (unsigned long long)u->array);
    if (put(u->workdir, "ge.array", count, (size_t)n, err) < 0 ||
        put(u->workdir, "ge.deps", repx_buf_text(deps), deps->len, err) < 0)
        return -1;
    if (symlink(u->workdir, link) == 0)
        return 0;
    return errno == EEXIST ? 1 : repx_fail_errno(err, "%s", link);
}

int ge_accepted(const struct gridengine *g, const struct repx_unit *u, const char *id,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *link = repx_format("%s/id/%s", g->records, id);
    REPX_AUTO_FREE char *text = repx_format("%s\n", id);

    if (put(u->workdir, "ge.id", text, strlen(text), err) < 0)
        return -1;
    (void)unlink(link); /* ids begin anew when a cell is installed again */
    if (symlink(u->workdir, link) < 0 && errno != EEXIST) /* the job was first */
        return repx_fail_errno(err, "%s", link);
    return 0;
}

int ge_deps_write(const struct gridengine *g, const char *key,
                  const struct repx_buf *deps, struct repx_err *err)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/key/%s", g->records, key);

    return put(dir, "ge.deps", repx_buf_text(deps), deps->len, err);
}

int ge_deps_read(const struct gridengine *g, const char *key, struct repx_buf *deps)
{
    REPX_AUTO_FREE char *path = repx_format("%s/key/%s/ge.deps", g->records, key);

    return repx_read_file(AT_FDCWD, path, DEPS_MAX, deps, NULL);
}

/* ---- what became of a unit ---- */

/* The text of a small file without its newline; caller frees, NULL: not there. */
static char *text_of(const struct gridengine *g, const char *key, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/key/%s/%s", g->records, key, name);
    struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, SMALL, &b, NULL) < 0) {
        repx_buf_free(&b);
        return NULL;
    }
    char *text = repx_buf_detach(&b);
    text[strcspn(text, "\n")] = 0;
    return text;
}

static uint32_t state_of_end(const char *text)
{
    if (!text)
        return REPX_STATE_ENDED;
    if (strcmp(text, "dependency") == 0)
        return REPX_STATE_CANCELED;
    return strcmp(text, "0") == 0 ? REPX_STATE_DONE : REPX_STATE_FAILED;
}

/* All indices of an array: done when all are. */
static uint32_t state_of_array(const struct gridengine *g, const char *key, uint64_t n)
{
    uint32_t state = REPX_STATE_DONE;

    for (uint64_t i = 0; i < n && state == REPX_STATE_DONE; i++) {
        REPX_AUTO_FREE char *name = repx_format("ge.end.%llu", (unsigned long long)i);
        REPX_AUTO_FREE char *text = text_of(g, key, name);
        state = state_of_end(text);
    }
    return state;
}

int ge_remembered(const struct gridengine *g, const char *key, char id[GE_ID_SIZE],
                  uint32_t *state)
{
    REPX_AUTO_FREE char *known = text_of(g, key, "ge.id");
    REPX_AUTO_FREE char *count = text_of(g, key, "ge.array");
    uint64_t n = count ? strtoull(count, NULL, 10) : 0;

    if (!known || !ge_id_ok(known) || strlen(known) >= GE_ID_SIZE)
        return 0;
    (void)snprintf(id, GE_ID_SIZE, "%s", known);
    if (n) {
        *state = state_of_array(g, key, n);
    } else {
        REPX_AUTO_FREE char *end = text_of(g, key, "ge.end");
        *state = state_of_end(end);
    }
    return 1;
}
