/* SPDX-License-Identifier: MIT */
/* Which trees stand already, by what records of other sets say of them: of a Lab that changed
 * a little only the trees that changed have to be declared. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "store_known.h"

#define READ_MOST ((size_t)16 << 20) /* of records: with that much no other is read */

/* A tree of some record: its lines, up to `end`. */
struct standing {
    struct digest digest;
    const char *name;
    size_t first, end; /* in known.lines */
};

struct known {
    struct repx_buf *texts; /* what the lines lie in */
    size_t text_count;
    char **lines;
    size_t line_count, line_cap;
    struct standing *trees; /* sorted */
    size_t tree_count, tree_cap;
    struct walker walker;
};

/* ---- the records, newest first ---- */

struct record {
    char *path;
    struct timespec t;
};

static int newest_first(const void *a, const void *b)
{
    const struct record *x = a, *y = b;

    if (x->t.tv_sec != y->t.tv_sec)
        return x->t.tv_sec < y->t.tv_sec ? 1 : -1;
    return (x->t.tv_nsec < y->t.tv_nsec) - (x->t.tv_nsec > y->t.tv_nsec);
}

static struct record *list(const struct store *s, size_t *count)
{
    int fd = store_openat(s->site->state_fd, "known", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct record *all = NULL;
    struct digest ignored;
    struct stat st;

    *count = 0;
    if (!d) {
        repx_close_fd(&fd);
        return NULL;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!digest_parse(e->d_name, &ignored) ||
            store_lstat(dirfd(d), e->d_name, &st) < 0)
            continue;
        if ((*count & (*count - 1)) == 0)
            all = repx_grow(all, *count ? *count * 2 : 1, sizeof(*all));
        all[(*count)++] =
            (struct record){repx_format("known/%s", e->d_name), st.st_mtim};
    }
    (void)closedir(d);
    if (*count)
        qsort(all, *count, sizeof(*all), newest_first);
    return all;
}

static void list_free(struct record *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(all[i].path);
    free(all);
}

void known_prune(struct store *s, size_t keep)
{
    size_t count;
    struct record *all = list(s, &count);

    for (size_t i = keep; i < count; i++)
        (void)store_unlinkat(s->site->state_fd, all[i].path);
    list_free(all, count);
}

size_t store_known_sets(struct store *s)
{
    size_t count;
    struct record *all = list(s, &count);

    list_free(all, count);
    return count;
}

/* ---- what they say ---- */

static void add_line(struct known *k, char *line)
{
    if (k->line_count == k->line_cap) {
        k->line_cap = k->line_cap ? k->line_cap * 2 : 256;
        k->lines = repx_grow(k->lines, k->line_cap, sizeof(char *));
    }
    k->lines[k->line_count++] = line;
}

static void add_tree(struct known *k, const struct digest *d, const char *name)
{
    if (k->tree_count == k->tree_cap) {
        k->tree_cap = k->tree_cap ? k->tree_cap * 2 : 64;
        k->trees = repx_grow(k->trees, k->tree_cap, sizeof(*k->trees));
    }
    k->trees[k->tree_count++] = (struct standing){*d, name, k->line_count, 0};
}

static void add_record(struct known *k, char *at)
{
    struct digest d;

    for (char *line; (line = known_line(&at)) != NULL;) {
        const char *name = known_tree(line, &d);
        if (name)
            add_tree(k, &d, name);
        add_line(k, line);
        if (k->tree_count)
            k->trees[k->tree_count - 1].end = k->line_count;
    }
}

static int by_tree(const void *a, const void *b)
{
    const struct standing *x = a, *y = b;
    int order = memcmp(&x->digest, &y->digest, sizeof(x->digest));

    order = order ? order : strcmp(x->name, y->name);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static struct known *known_load(struct store *s)
{
    struct known *k = REPX_NEW(struct known);
    size_t count;
    struct record *all = list(s, &count);

    k->walker = (struct walker){s, NULL, -1};
    k->texts = repx_array(count + 1, sizeof(struct repx_buf));
    for (size_t i = 0, bytes = 0; i < count && bytes < READ_MOST; i++) {
        char *at;
        if (known_read(s, all[i].path, &k->texts[k->text_count], &at))
            add_record(k, at);
        bytes += k->texts[k->text_count++].len;
    }
    list_free(all, count);
    if (k->tree_count)
        qsort(k->trees, k->tree_count, sizeof(*k->trees), by_tree);
    return k;
}

void store_stand_close(struct store *s)
{
    struct known *k = s->known;

    if (!k)
        return;
    for (size_t i = 0; i < k->text_count; i++)
        repx_buf_free(&k->texts[i]);
    walker_close(&k->walker);
    free(k->texts);
    free(k->lines);
    free(k->trees);
    free(k);
    s->known = NULL;
}

/* ---- questions ---- */

/* The first of the entries for that tree, or where it would be. */
static size_t place_of(const struct known *k, const struct standing *key)
{
    size_t low = 0, high = k->tree_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_tree(&k->trees[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int agrees(struct known *k, const struct standing *t)
{
    for (size_t i = t->first; i < t->end; i++) {
        if (!known_line_agrees(&k->walker, k->lines[i]))
            return 0;
    }
    return 1;
}

/* Paths without their witnesses: those are taken anew when the set is remembered. */
static void note(struct store *s, const struct known *k, const struct standing *t)
{
    struct digest ignored;

    for (size_t i = t->first; i < t->end; i++) {
        const char *line = k->lines[i];
        int is_tree = known_tree(line, &ignored) != NULL;
        ino_t ino = is_tree ? 0 : (ino_t)strtoull(line, NULL, 10);
        for (int skip = is_tree ? 0 : 3; skip; skip--)
            line = strchr(line, ' ') + 1;
        store_note_line(s, line, ino);
    }
}

int store_stands(struct store *s, const char *name, const struct digest *digest)
{
    const struct standing key = {.digest = *digest, .name = name};

    if (!s->known)
        s->known = known_load(s);
    for (size_t i = place_of(s->known, &key); i < s->known->tree_count; i++) {
        const struct standing *t = &s->known->trees[i];
        if (memcmp(&t->digest, digest, sizeof(*digest)) != 0 ||
            strcmp(t->name, name) != 0)
            break;
        if (!agrees(s->known, t))
            continue;
        note(s, s->known, t);
        return 1;
    }
    return 0;
}
