/* SPDX-License-Identifier: MIT */
#include "lab_source.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

int lab_source_all(struct lab_source *s, struct lab *lab, struct repx_err *err)
{
    *s = (struct lab_source){.lab = lab};
    return lab_entries(lab, &s->entries, &s->count, err);
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static int by_path(const void *key, const void *entry)
{
    return strcmp(key, ((const struct repx_entry *)entry)->path);
}

/* Drop the last component; 0 when there is none. */
static int go_up(struct repx_buf *path)
{
    char *cut = path->len ? strrchr(path->data, '/') : NULL;

    if (!path->len)
        return 0;
    path->len = cut ? (size_t)(cut - path->data) : 0;
    path->data[path->len] = 0;
    return 1;
}

/* Where a link inside the Lab leads, as a path inside the Lab; NULL when it leaves. */
static char *link_target(const struct repx_entry *e)
{
    struct repx_buf b = {0};
    const char *slash = strrchr(e->path, '/');

    repx_buf_add(&b, e->path, slash ? (size_t)(slash - e->path) : 0);
    for (const char *at = e->link; *at; at += strspn(at, "/")) {
        size_t n = strcspn(at, "/");
        int up = n == 2 && at[0] == '.' && at[1] == '.';
        if (up && !go_up(&b)) {
            repx_buf_free(&b);
            return NULL;
        }
        if (!up && !(n == 1 && at[0] == '.')) {
            repx_buf_str(&b, b.len ? "/" : "");
            repx_buf_add(&b, at, n);
        }
        at += n;
    }
    return repx_buf_detach(&b);
}

int lab_source_below(struct lab_source *s, struct lab *lab, const char *const *paths,
                     size_t count, struct repx_err *err)
{
    size_t all;

    *s = (struct lab_source){.lab = lab};
    if (lab_entries(lab, &s->entries, &all, err) < 0)
        return -1;
    REPX_AUTO_FREE char *take = repx_alloc(all);
    for (size_t i = 0; i < all; i++) {
        const struct repx_entry *e = &s->entries[i];
        for (size_t k = 0; k < count && !take[i]; k++)
            take[i] = (char)is_below(e->path, paths[k]);
        if (!take[i] || e->kind != REPX_ENTRY_LINK)
            continue;
        REPX_AUTO_FREE char *to = link_target(e);
        const struct repx_entry *hit =
            to ? bsearch(to, s->entries, all, sizeof(*hit), by_path) : NULL;
        if (hit)
            take[hit - s->entries] = 1;
    }
    s->chosen = repx_array(all, sizeof(*s->chosen));
    for (size_t i = 0; i < all; i++) {
        if (take[i])
            s->chosen[s->count++] = i;
    }
    return 0;
}

void lab_source_free(struct lab_source *s)
{
    free(s->chosen);
    s->chosen = NULL;
}

static size_t index_of(const struct lab_source *s, uint64_t i)
{
    return s->chosen ? s->chosen[i] : (size_t)i;
}

static uint64_t source_count(void *ctx)
{
    return ((const struct lab_source *)ctx)->count;
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct lab_source *s = ctx;

    (void)err;
    *entry = s->entries[index_of(s, i)];
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    const struct lab_source *s = ctx;

    return lab_read(s->lab, index_of(s, i), offset, to, len, err);
}

struct sync_source lab_source_sync(struct lab_source *s)
{
    return (struct sync_source){s, source_count, source_entry, source_read};
}
