/* SPDX-License-Identifier: MIT */
#include "fake_target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/err.h>

#include "core/wire/digest.h"
#include "fake_delta.h"

#define PUTS_AHEAD 64 /* what a host takes before it has to wait */

struct fake_stood {
    char *at, *link; /* name and path of the entry */
    uint32_t kind, executable;
    uint8_t digest[REPX_DIGEST_LEN];
};

void fake_breach(struct fake_target *t, const char *fmt, ...)
{
    va_list args;

    if (t->breach[0])
        return;
    va_start(args, fmt);
    (void)vsnprintf(t->breach, sizeof(t->breach), fmt, args);
    va_end(args);
}

/* Every service begins here. What was lent by the one before is taken away. */
int fake_begin(struct fake_target *t, enum fake_call call, struct repx_err *err)
{
    free(t->lent_path);
    free(t->lent_link);
    t->lent_path = t->lent_link = NULL;
    t->calls[call]++;
    if (call != FAKE_ENTRY && call != FAKE_DIGEST)
        t->after += t->failed != 0;
    if (t->c->canceled && (call == FAKE_LACKING || call == FAKE_VERIFY)) /* they wait */
        return repx_fail(err, REPX_E_CANCELED, "the user said stop");
    if (call == t->fails && t->calls[call] == t->fails_at) {
        t->failed = 1;
        return repx_fail(err, REPX_E_BUSY, "the target says no (%d)", (int)call);
    }
    return 0;
}

static struct fake_object *object(const struct fake_target *t, const uint8_t *digest,
                                  uint32_t executable)
{
    for (size_t i = 0; i < t->object_count; i++) {
        struct fake_object *o = &t->objects[i];
        if (memcmp(o->digest, digest, REPX_DIGEST_LEN) == 0 &&
            o->executable == (executable != 0))
            return o;
    }
    return NULL;
}

struct fake_object *fake_object_of(const struct fake_target *t, uint64_t entry)
{
    const struct repx_entry *e =
        entry < t->source->count ? &t->source->files[entry].entry : NULL;

    return e && e->kind == REPX_ENTRY_FILE ? object(t, e->digest, e->executable) : NULL;
}

/* ---- the source ---- */

static uint64_t source_count(void *ctx)
{
    return ((struct fake_target *)ctx)->source->count;
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    struct fake_target *t = ctx;
    uint64_t size = entry->size;

    if (fake_begin(t, FAKE_ENTRY, err) < 0)
        return -1;
    if (size != sizeof(*entry)) {
        fake_breach(t, "source_entry is given an entry that says it is %llu bytes",
                    (unsigned long long)size);
    }
    if (i >= t->source->count) {
        fake_breach(t, "entry %llu of %zu was asked for", (unsigned long long)i,
                    t->source->count);
        return repx_fail(err, REPX_E_USAGE, "there is no such entry");
    }
    const struct fake_file *f = &t->source->files[i];
    *entry = f->entry;
    t->lent_path = repx_strdup(f->path);
    t->lent_link = repx_strdup(f->link);
    entry->path = t->lent_path;
    entry->link = t->lent_link;
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    struct fake_target *t = ctx;

    if (i >= t->source->count || t->source->files[i].entry.kind != REPX_ENTRY_FILE) {
        fake_breach(t, "what is no file was read");
        return repx_fail(err, REPX_E_USAGE, "entry %llu is no file",
                         (unsigned long long)i);
    }
    return (int64_t)fake_source_bytes(&t->source->files[i], offset, to, (size_t)len);
}

/* ---- trees ---- */

static struct repx_entry entry_at(const struct repx_tree *tree, uint64_t i)
{
    struct repx_entry e;

    memcpy(&e, (const char *)tree->entries + i * tree->stride, sizeof(e));
    return e;
}

static int path_is_good(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if (!n || (n == 1 && path[0] == '.') ||
            (n == 2 && path[0] == '.' && path[1] == '.') || (path[n] && !path[n + 1]))
            return 0;
        path += n + (path[n] != 0);
    }
    return 1;
}

static void check_entry(struct fake_target *t, const struct repx_tree *tree,
                        const struct repx_entry *e, const char *name)
{
    if (!e->path || !path_is_good(e->path) || (!*e->path && tree->count != 1)) {
        fake_breach(t, "%s: an entry has the path \"%s\"", name,
                    e->path ? e->path : "(null)");
    }
    if (e->kind < REPX_ENTRY_FILE || e->kind > REPX_ENTRY_LINK)
        fake_breach(t, "%s: an entry has the kind %u", name, e->kind);
    if (e->kind == REPX_ENTRY_LINK && (!e->link || e->link[0] == '/'))
        fake_breach(t, "%s: a link is not relative", name);
    if (e->kind == REPX_ENTRY_FILE && !object(t, e->digest, e->executable)) {
        fake_breach(t,
                    "%s/%s: content or mode are not those of any entry of the source",
                    name, e->path ? e->path : "");
    }
}

static int32_t place(void *ctx, const struct repx_tree *tree, const char *name,
                     struct repx_err *err)
{
    struct fake_target *t = ctx;

    if (fake_begin(t, FAKE_PLACE, err) < 0)
        return -1;
    if ((strncmp(name, "artifacts/", 10) != 0 && strncmp(name, "bin/", 4) != 0) ||
        !path_is_good(name))
        fake_breach(t, "a tree is placed at %s", name);
    for (uint64_t i = 0; i < tree->count; i++) {
        struct repx_entry e = entry_at(tree, i);
        check_entry(t, tree, &e, name);
        if (t->breach[0])
            return repx_fail(err, REPX_E_USAGE, "%s", t->breach);
        struct fake_object *o =
            e.kind == REPX_ENTRY_FILE ? object(t, e.digest, e.executable) : NULL;
        if (o && !o->here)
            o->wanted = 1;
        t->stood = repx_grow(t->stood, t->stood_count + 1, sizeof(*t->stood));
        struct fake_stood *s = &t->stood[t->stood_count++];
        *s = (struct fake_stood){.kind = e.kind, .executable = e.executable != 0};
        s->at = *e.path ? repx_format("%s/%s", name, e.path) : repx_strdup(name);
        s->link = repx_strdup(e.kind == REPX_ENTRY_LINK ? e.link : NULL);
        memcpy(s->digest, e.digest, REPX_DIGEST_LEN);
    }
    return 0;
}

static int32_t lacking(void *ctx,
                       void (*want)(void *want_ctx, const uint8_t *digest,
                                    uint32_t executable, uint64_t length),
                       void *want_ctx, struct repx_err *err)
{
    struct fake_target *t = ctx;

    t->trips++;
    if (fake_begin(t, FAKE_LACKING, err) < 0)
        return -1;
    fake_delta_ended(t, "lacking");
    for (size_t i = 0; i < t->object_count; i++) {
        struct fake_object *o = &t->objects[i];
        if (!o->wanted || o->here)
            continue;
        o->asked = 1;
        want(want_ctx, o->digest, o->executable, o->length);
    }
    return 0;
}

static int32_t put(void *ctx, uint64_t i, struct repx_err *err)
{
    struct fake_target *t = ctx;

    if (t->cancel_at && t->calls[FAKE_PUT] + 1 == t->cancel_at)
        cancel_set(t->c, 1);
    if (fake_begin(t, FAKE_PUT, err) < 0)
        return -1;
    fake_delta_ended(t, "put");
    if (t->cancel_at && t->calls[FAKE_PUT] >= t->cancel_at + PUTS_AHEAD)
        return repx_fail(err, REPX_E_CANCELED, "the user said stop");
    struct fake_object *o = fake_object_of(t, i);
    if (!o)
        fake_breach(t, "put(%llu): is no file of the source", (unsigned long long)i);
    if (o && o->here)
        fake_breach(t, "%s is sent, and the target has it", t->source->files[i].path);
    if (o && !o->asked)
        fake_breach(t, "%s is sent, and was not asked for", t->source->files[i].path);
    if (o)
        o->here = 1;
    return o ? 0 : repx_fail(err, REPX_E_USAGE, "only files are sent");
}

static const struct fake_object *outstanding(const struct fake_target *t)
{
    for (size_t i = 0; i < t->object_count; i++) {
        if (t->objects[i].wanted && !t->objects[i].here)
            return &t->objects[i];
    }
    return NULL;
}

static int32_t verify(void *ctx, struct repx_err *err)
{
    struct fake_target *t = ctx;

    t->trips++;
    if (fake_begin(t, FAKE_VERIFY, err) < 0)
        return -1;
    fake_delta_ended(t, "verify");
    if (outstanding(t)) {
        fake_breach(t, "verify is called, and not all that is lacking was sent");
        return repx_fail(err, REPX_E_CORRUPT, "something is missing");
    }
    return 0;
}

/* ---- sets ---- */

static int32_t known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err)
{
    struct fake_target *t = ctx;

    t->trips++;
    t->known_asked = 1;
    if (fake_begin(t, FAKE_KNOWN, err) < 0)
        return -1;
    return t->remembers && memcmp(t->set, digest, REPX_DIGEST_LEN) == 0;
}

static int32_t remember(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err)
{
    struct fake_target *t = ctx;

    t->trips++;
    if (fake_begin(t, FAKE_REMEMBER, err) < 0)
        return -1;
    if (outstanding(t) || !t->calls[FAKE_VERIFY])
        fake_breach(t, "a set is remembered that was not verified");
    t->remembers = 1;
    memcpy(t->set, digest, REPX_DIGEST_LEN);
    return 0;
}

static int32_t have(void *ctx, const uint8_t *digests, uint64_t count, uint8_t *bits,
                    struct repx_err *err)
{
    struct fake_target *t = ctx;

    (void)err;
    t->trips++;
    memset(bits, 0, (size_t)(count + 7) / 8);
    for (uint64_t i = 0; i < count; i++) {
        for (size_t k = 0; k < t->object_count; k++) {
            if (t->objects[k].here &&
                memcmp(t->objects[k].digest, digests + i * REPX_DIGEST_LEN,
                       REPX_DIGEST_LEN) == 0)
                bits[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
    return 0;
}

static int32_t room(void *ctx, uint64_t *bytes, uint64_t *inodes, struct repx_err *err)
{
    (void)err;
    ((struct fake_target *)ctx)->trips++;
    *bytes = *inodes = UINT64_MAX;
    return 0;
}

static int32_t tree_digest(void *ctx, const struct repx_tree *tree,
                           uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    REPX_AUTO_FREE struct repx_entry *all =
        repx_array((size_t)tree->count + 1, sizeof(struct repx_entry));
    struct digest d;

    if (fake_begin(ctx, FAKE_DIGEST, err) < 0)
        return -1;
    for (uint64_t i = 0; i < tree->count; i++)
        all[i] = entry_at(tree, i);
    digest_tree(all, (size_t)tree->count, &d);
    memcpy(digest, d.bytes, REPX_DIGEST_LEN);
    return 0;
}

static const char *path(void *ctx)
{
    (void)ctx;
    return "/scratch/me/repx";
}

/* ---- */

static void objects_of(struct fake_target *t)
{
    t->objects = repx_array(t->source->count + 1, sizeof(*t->objects));
    for (size_t i = 0; i < t->source->count; i++) {
        const struct repx_entry *e = &t->source->files[i].entry;
        if (e->kind != REPX_ENTRY_FILE || object(t, e->digest, e->executable))
            continue;
        struct fake_object *o = &t->objects[t->object_count++];
        memcpy(o->digest, e->digest, REPX_DIGEST_LEN);
        o->executable = e->executable;
        o->length = e->length;
    }
}

void fake_target_init(struct fake_target *t, struct conform *c,
                      const struct fake_source *source)
{
    *t = (struct fake_target){.c = c, .source = source};
    t->services = (struct repx_sync_host){.size = sizeof(t->services),
                                          .host = c->services,
                                          .ctx = t,
                                          .source_count = source_count,
                                          .source_entry = source_entry,
                                          .source_read = source_read,
                                          .known = known,
                                          .remember = remember,
                                          .have = have,
                                          .place = place,
                                          .lacking = lacking,
                                          .put = put,
                                          .verify = verify,
                                          .room = room,
                                          .base_path = path,
                                          .state_path = path,
                                          .tree_digest = tree_digest};
    objects_of(t);
}

static void forget_stood(struct fake_target *t)
{
    for (size_t i = 0; i < t->stood_count; i++) {
        free(t->stood[i].at);
        free(t->stood[i].link);
    }
    free(t->stood);
    t->stood = NULL;
    t->stood_count = 0;
}

void fake_target_again(struct fake_target *t)
{
    forget_stood(t);
    memset(t->calls, 0, sizeof(t->calls));
    t->trips = t->after = t->fails_at = t->cancel_at = 0;
    t->failed = t->known_asked = 0;
    t->fails = FAKE_NONE;
    for (size_t i = 0; i < t->object_count; i++)
        t->objects[i].asked = t->objects[i].wanted = 0;
}

void fake_target_free(struct fake_target *t)
{
    forget_stood(t);
    free(t->objects);
    fake_delta_free(t->delta);
    free(t->lent_path);
    free(t->lent_link);
}

static int stands(const struct fake_target *t, const struct fake_file *f)
{
    for (size_t i = 0; i < t->stood_count; i++) {
        const struct fake_stood *s = &t->stood[i];
        if (s->kind != f->entry.kind || strcmp(s->at, f->at) != 0)
            continue;
        if (s->kind == REPX_ENTRY_LINK)
            return s->link && strcmp(s->link, f->link) == 0;
        return s->executable == f->entry.executable &&
               memcmp(s->digest, f->entry.digest, REPX_DIGEST_LEN) == 0;
    }
    return 0;
}

int fake_target_is_whole(const struct fake_target *t, const char **what)
{
    for (size_t i = 0; i < t->source->count; i++) {
        const struct fake_file *f = &t->source->files[i];
        if (f->entry.kind == REPX_ENTRY_DIR || stands(t, f))
            continue;
        *what = f->path;
        return 0;
    }
    return 1;
}
