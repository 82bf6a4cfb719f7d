/* SPDX-License-Identifier: MIT */
#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#include "store_part.h"
#include "store_session.h"

#define HOST_TOOLS "artifacts/host-tools"

struct store *store_open(struct site *site, struct repx_err *err)
{
    struct timespec now;

    if (site->readonly) {
        (void)repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s belongs to somebody else or to a newer repx: nothing can be "
            "placed there",
            site->base);
        return NULL;
    }
    struct store *s = REPX_NEW(struct store);
    s->site = site;
    s->stages_fd = s->stage_fd = s->last_fd = s->parent_fd = s->waiting_fd = -1;
    s->last_build = NO_BUILD;
    s->session = session_name(site->host, site->boot);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    s->writer = repx_format("%012lld%03ld.%s", (long long)now.tv_sec,
                            now.tv_nsec / 1000000, s->session);
    return s;
}

void store_read_all(struct store *s)
{
    s->read_all = 1;
}

struct object_index *store_index(struct store *s)
{
    if (!s->index) {
        s->index =
            index_open(s->site->state_fd, s->site->host, s->site->boot, s->writer);
    }
    return s->index;
}

int store_parent(struct store *s, const char *name, const char **leaf,
                 struct repx_err *err)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : 0;

    *leaf = slash ? slash + 1 : name;
    if (s->parent && strlen(s->parent) == n && memcmp(s->parent, name, n) == 0)
        return s->parent_fd;
    repx_close_fd(&s->parent_fd);
    free(s->parent);
    s->parent = repx_strndup(name, n);
    s->parent_fd = store_walk(s->site->base_fd, s->parent, 1);
    if (s->parent_fd >= 0)
        return s->parent_fd;
    (void)store_fail(err, s->site->base, s->parent);
    free(s->parent);
    s->parent = NULL;
    return -1;
}

void store_note_line(struct store *s, const char *line, ino_t ino)
{
    if (s->line_count == s->line_cap) {
        s->line_cap = s->line_cap ? s->line_cap * 2 : 64;
        s->lines = repx_grow(s->lines, s->line_cap, sizeof(*s->lines));
    }
    s->lines[s->line_count++] = (struct noted){repx_strdup(line), ino};
}

void store_note_tree(struct store *s, const struct store_tree *tree, ino_t ino)
{
    char hex[DIGEST_HEX];

    digest_hex(&tree->digest, hex);
    REPX_AUTO_FREE char *head = repx_format("T %s %s", hex, tree->name);
    store_note_line(s, head, 0);
    store_note_line(s, tree->name, ino);
    /* a file that goes changes the time of its own directory and no other */
    for (size_t i = 1; i < tree->dir_count && !tree->single; i++) {
        REPX_AUTO_FREE char *dir = repx_format("%s/%s", tree->name, tree->dirs[i].path);
        store_note_line(s, dir, 0);
    }
    /* where users look for them; what else has that name keeps it */
    if (strncmp(tree->name, HOST_TOOLS "/", sizeof(HOST_TOOLS)) == 0)
        (void)store_symlinkat(HOST_TOOLS, s->site->base_fd, "host-tools");
}

uint32_t store_name_hash(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h;
}

/* A name may be declared again with the same tree; a different one has to wait. */
static int is_again(struct store *s, const struct store_tree *tree, int *again,
                    struct repx_err *err)
{
    uint32_t hash = store_name_hash(tree->name);

    *again = 0;
    for (size_t i = 0; i < s->build_count; i++) {
        const struct build *b = &s->builds[i];
        if (b->standing || b->name_hash != hash ||
            strcmp(b->tree.name, tree->name) != 0)
            continue;
        if (memcmp(&b->tree.digest, &tree->digest, sizeof(tree->digest)) != 0) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s: is to hold two different things; verify the first "
                             "before placing the second",
                             tree->name);
        }
        *again = 1;
    }
    return 0;
}

/* One call for what is new; anything there is looked at in full afterwards. */
static int is_there(struct store *s, const char *name, struct stat *st,
                    struct repx_err *err)
{
    const char *leaf;
    int parent = store_parent(s, name, &leaf, err);

    return parent < 0 ? -1 : store_lstat(parent, leaf, st) == 0;
}

static int place(struct store *s, struct store_tree *tree, uint64_t *lacks,
                 struct repx_err *err)
{
    int again = 0, parked = 0;
    struct stat st;

    if (is_again(s, tree, &again, err) < 0)
        return -1;
    if (again)
        return 0;
    int there = is_there(s, tree->name, &st, err);
    if (there < 0)
        return -1;
    if (there && store_same(s, tree, s->site->base_fd, tree->name, 1)) {
        store_note_tree(s, tree, st.st_ino);
        return package_link(s, tree, err) < 0 ? -1 : 0;
    }
    int waits = package_waits(s, tree, &parked, err);
    if (waits < 0)
        return -1;
    if (waits) {
        s->not_to_remember |= parked;
        store_note_tree(s, tree, 0);
        return 0;
    }
    if (there)
        store_same_learn(s, tree);
    return store_build(s, tree, lacks, err);
}

int store_place(struct store *s, struct store_tree *tree, uint64_t *lacks,
                struct repx_err *err)
{
    uint64_t ignored;

    lacks = lacks ? lacks : &ignored;
    *lacks = 0;
    int rc = place(s, tree, lacks, err);
    store_tree_finish(tree);
    return rc;
}

/* A file of a dead session: is it something that is asked for? */
static void adopt_file(struct store *s, int dir, const char *name,
                       const struct stat *st)
{
    struct repx_err ignored = {0};
    struct digest d;
    uint64_t length;

    int asked = 0;
    for (size_t i = 0; i < s->object_count && !asked; i++) {
        asked = s->objects[i].state == OBJECT_MISSING &&
                s->objects[i].length == (uint64_t)st->st_size;
    }
    if (!asked || !store_hash(dir, name, &d, &length))
        return;
    for (uint8_t executable = 0; executable < 2; executable++) {
        struct object *o = store_object_find(s, &d, executable);
        if (o && o->state == OBJECT_MISSING && o->length == length)
            (void)store_deliver(s, o, dir, name, &ignored);
    }
}

int store_lacking(struct store *s,
                  void (*want)(void *ctx, const uint8_t *digest, uint32_t executable,
                               uint64_t length),
                  void *ctx, struct repx_err *err)
{
    int missing = 0;

    (void)err;
    for (size_t i = 0; i < s->object_count && !missing; i++)
        missing = s->objects[i].state == OBJECT_MISSING;
    if (missing) {
        store_stage_adopt(s, adopt_file);
        store_look(s);
    }
    for (size_t i = 0; i < s->object_count; i++) {
        const struct object *o = &s->objects[i];
        if (o->state != OBJECT_MISSING)
            continue;
        store_part_claim(s, o);
        want(ctx, o->digest.bytes, o->executable, o->length);
    }
    return 0;
}

uint64_t store_partial(struct store *s, const uint8_t digest[REPX_DIGEST_LEN],
                       uint32_t executable, struct repx_buf *digests)
{
    struct digest d;

    memcpy(d.bytes, digest, sizeof(d.bytes));
    const struct object *o = store_object_find(s, &d, executable != 0);
    return o ? store_part_tell(s, o, digests) : 0;
}

int store_verify(struct store *s, struct repx_err *err)
{
    size_t trees = 0, files = 0;
    const struct build *first = NULL;

    for (size_t i = 0; i < s->build_count; i++) {
        const struct build *b = &s->builds[i];
        if (b->standing)
            continue;
        first = first ? first : b;
        trees++;
        files += b->missing;
    }
    if (first) {
        return repx_fail(err, REPX_E_FAILED,
                         "%zu files of %zu names did not arrive, among them of %s; run "
                         "again: what did arrive is not sent twice",
                         files, trees, first->tree.name);
    }
    if (!s->index)
        return 0;
    index_prune(s->index, s->site->base_fd);
    return index_save(s->index, err);
}

/* In collections of single files others come and go, so a directory's time says nothing. */
static int is_in_package(const char *path)
{
    const char *slash = strchr(path, '/');

    slash = slash ? strchr(slash + 1, '/') : NULL;
    return slash && strchr(slash + 1, '/');
}

/* The bound of a package's files says nothing of a package that came later. */
static int tree_stood(const struct store *s, const struct index_entry *e)
{
    const char *at = strchr(e->path, '/');
    struct stat st;

    at = at ? strchr(at + 1, '/') : NULL;
    at = at ? strchr(at + 1, '/') : NULL;
    REPX_AUTO_FREE char *top =
        at ? repx_strndup(e->path, (size_t)(at - e->path)) : NULL;
    return e->ino || !top || strncmp(e->path, "artifacts/", 10) != 0 ||
           (store_lstat(s->site->base_fd, top, &st) == 0 && index_stood(e, &st));
}

int store_still(struct store *s, struct index_entry *e)
{
    int ask_dir = e->ino == 0 && is_in_package(e->path);
    REPX_AUTO_FREE char *dir =
        ask_dir ? repx_strndup(e->path, (size_t)(strrchr(e->path, '/') - e->path))
                : NULL;
    struct stat st, dir_st;
    struct digest got;
    uint64_t length;

    if (store_lstat(s->site->base_fd, e->path, &st) < 0 ||
        (dir && store_lstat(s->site->base_fd, dir, &dir_st) < 0))
        return 0;
    if (!s->read_all && index_agrees(e, &st, dir ? &dir_st : NULL) && tree_stood(s, e))
        return 1;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != e->size ||
        ((st.st_mode & S_IXUSR) != 0) != e->executable ||
        !store_hash(s->site->base_fd, e->path, &got, &length) ||
        memcmp(&got, &e->digest, sizeof(got)) != 0)
        return 0;
    index_refresh(store_index(s), e, &st);
    return 1;
}

int store_have(struct store *s, const uint8_t digest[REPX_DIGEST_LEN])
{
    struct object_index *ix = store_index(s);
    struct digest d;

    memcpy(d.bytes, digest, sizeof(d.bytes));
    for (uint8_t executable = 0; executable < 2; executable++) {
        for (size_t i = index_find(ix, &d, executable); i != INDEX_END;
             i = index_at(ix, i)->next) {
            struct index_entry *e = index_at(ix, i);
            if (!e->dropped && store_still(s, e))
                return 1;
        }
    }
    return 0;
}

void store_close(struct store *s)
{
    struct repx_err ignored = {0};
    int pending = 0;

    if (!s)
        return;
    for (size_t i = 0; i < s->build_count; i++) {
        pending |= !s->builds[i].standing;
        store_tree_finish(&s->builds[i].tree);
        free(s->builds[i].staged);
    }
    for (size_t i = 0; i < s->object_count; i++)
        free(s->objects[i].others);
    for (size_t i = 0; i < s->line_count; i++)
        free(s->lines[i].text);
    store_stand_close(s);
    if (s->index)
        (void)index_save(s->index, &ignored);
    index_close(s->index);
    repx_close_fd(&s->last_fd);
    repx_close_fd(&s->parent_fd);
    repx_close_fd(&s->waiting_fd);
    if (s->remembered && !pending)
        store_stage_adopt(s, NULL);
    store_part_leave(s);
    store_stage_close(s, pending && (s->arrived || s->dead_count));
    free(s->builds);
    free(s->objects);
    free(s->object_slots);
    free(s->lines);
    free(s->found);
    free(s->parent);
    free(s->session);
    free(s->writer);
    free(s);
}
