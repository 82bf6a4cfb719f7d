/* SPDX-License-Identifier: MIT */
/* sync-plain: a small Lab sync out of the header alone: nothing of the kit, nothing of the
 * core, only what the host lends. Job packages and host tools are trees; every other file
 * stands alone; layers are left to the image phase. */
#include <repx/sync.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
    struct repx_entry entry; /* path, as entry of its tree, and link are ours */
    char *name;              /* of the tree */
    char *path, *link;
    uint64_t index; /* in the source */
    int wanted;
};
struct files {
    struct file *list;
    size_t count;
    int stranger; /* the target asked for what was not declared */
};

__attribute__((format(printf, 3, 4))) static int
fail(struct repx_err *err, int32_t code, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, fmt);
    err->code = code;
    (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return -1;
}

static char *copy(const char *from, size_t n)
{
    char *to = calloc(1, n + 1);

    if (!to)
        abort();
    memcpy(to, from, n);
    return to;
}

static char *join(const char *before, const char *between, const char *after)
{
    size_t n = strlen(before) + strlen(between) + strlen(after) + 1;
    char *to = calloc(1, n);

    if (!to)
        abort();
    (void)snprintf(to, n, "%s%s%s", before, between, after);
    return to;
}

static void forget(struct files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->list[i].name);
        free(files->list[i].path);
        free(files->list[i].link);
    }
    free(files->list);
}

/* ---- what goes where ---- */

static int begins(const char *path, const char *with)
{
    return strncmp(path, with, strlen(with)) == 0;
}

static int ends(const char *path, const char *with)
{
    size_t n = strlen(path), k = strlen(with);

    return n >= k && strcmp(path + n - k, with) == 0;
}

static void add(struct files *files, const struct repx_entry *e, size_t name,
                uint64_t index)
{
    char *front = copy(e->path, name);
    struct file *more = realloc(files->list, (files->count + 1) * sizeof(*more));

    if (!more)
        abort();
    files->list = more;
    struct file *f = &files->list[files->count++];
    memset(f, 0, sizeof(*f));
    f->entry = *e;
    f->name = join("artifacts/", "", front);
    f->path = join(e->path[name] ? e->path + name + 1 : "", "", "");
    f->link = join(e->kind == REPX_ENTRY_LINK ? e->link : "", "", "");
    f->entry.path = f->path;
    f->entry.link = f->link;
    f->index = index;
    free(front);
}

/* jobs/ID/bin/x is entry bin/x of the tree jobs/ID; lab/x is a name of its own. */
static void sort_in(struct files *files, const struct repx_entry *e, uint64_t index)
{
    const char *slash = strchr(e->path, '/');
    const char *second = slash ? strchr(slash + 1, '/') : NULL;

    if (!slash || (begins(e->path, "store/") && ends(e->path, "-layer.tar")))
        return;
    if (begins(e->path, "jobs/") || begins(e->path, "host-tools/")) {
        if (second || e->kind != REPX_ENTRY_DIR)
            add(files, e, second ? (size_t)(second - e->path) : strlen(e->path), index);
    } else if (e->kind != REPX_ENTRY_DIR && !begins(e->path, "image")) {
        add(files, e, strlen(e->path), index);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->path, y->path);
}

static int look(const struct repx_sync_host *sync, struct files *files,
                struct repx_err *err)
{
    uint64_t count = sync->source_count(sync->ctx);

    for (uint64_t i = 0; i < count; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        if (sync->source_entry(sync->ctx, i, &e, err) < 0)
            return -1;
        sort_in(files, &e, i);
    }
    if (files->count)
        qsort(files->list, files->count, sizeof(struct file), by_name);
    return 0;
}

/* ---- place, ask, send ---- */

static int place(const struct repx_sync_host *sync, struct files *files,
                 struct repx_err *err)
{
    for (size_t from = 0, to; from < files->count; from = to) {
        const char *name = files->list[from].name;
        struct repx_tree tree = {.size = sizeof(tree), .stride = sizeof(struct file)};
        for (to = from; to < files->count && !strcmp(files->list[to].name, name);)
            to++;
        tree.entries = &files->list[from].entry;
        tree.count = to - from;
        if (sync->place(sync->ctx, &tree, name, err) < 0)
            return -1;
    }
    return 0;
}

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct files *files = ctx;

    for (size_t i = 0; i < files->count; i++) {
        struct file *f = &files->list[i];
        if (f->entry.kind == REPX_ENTRY_FILE && f->entry.length == length &&
            !f->entry.executable == !executable &&
            memcmp(f->entry.digest, digest, REPX_DIGEST_LEN) == 0) {
            f->wanted = 1; /* one of those with this content is enough */
            return;
        }
    }
    files->stranger = 1;
}

static int send_wanted(const struct repx_sync_host *sync, const struct files *files,
                       struct repx_err *err)
{
    uint64_t bytes = 0, inodes = 0, needed = 0;

    for (size_t i = 0; i < files->count; i++)
        needed += files->list[i].wanted ? files->list[i].entry.length : 0;
    if (sync->room && sync->room(sync->ctx, &bytes, &inodes, err) < 0)
        return -1;
    if (sync->room && bytes < needed)
        return fail(err, REPX_E_FAILED, "the target has no room for %llu bytes",
                    (unsigned long long)needed);
    for (size_t i = 0; i < files->count; i++) {
        const struct file *f = &files->list[i];
        if (f->wanted && sync->host->canceled(sync->host->ctx))
            return fail(err, REPX_E_CANCELED, "canceled");
        if (f->wanted && sync->put(sync->ctx, f->index, err) < 0)
            return -1;
    }
    return 0;
}

/* For the user: how much is there, under whatever name. */
static int tell_what_is_there(const struct repx_sync_host *sync,
                              const struct files *files, struct repx_err *err)
{
    uint8_t *digests = calloc(files->count, REPX_DIGEST_LEN);
    uint8_t *bits = calloc(files->count / 8 + 1, 1);
    uint64_t n = 0, there = 0;
    char text[80];

    if (!digests || !bits)
        abort();
    for (size_t i = 0; i < files->count; i++) {
        if (files->list[i].entry.kind == REPX_ENTRY_FILE)
            memcpy(digests + n++ * REPX_DIGEST_LEN, files->list[i].entry.digest,
                   REPX_DIGEST_LEN);
    }
    int rc = sync->have(sync->ctx, digests, n, bits, err);
    for (uint64_t i = 0; i < n; i++)
        there += bits[i / 8] >> (i % 8) & 1;
    free(digests);
    free(bits);
    if (rc < 0)
        return -1;
    (void)snprintf(text, sizeof(text), "%llu of %llu files are there",
                   (unsigned long long)there, (unsigned long long)n);
    sync->host->log(sync->host->ctx, REPX_LOG_INFO, text);
    return 0;
}

static int bring(const struct repx_sync_host *sync, struct files *files,
                 struct repx_err *err)
{
    if (tell_what_is_there(sync, files, err) < 0 || place(sync, files, err) < 0 ||
        sync->lacking(sync->ctx, want, files, err) < 0)
        return -1;
    if (files->stranger)
        return fail(err, REPX_E_CORRUPT, "the target wants what was not declared");
    if (send_wanted(sync, files, err) < 0)
        return -1;
    return sync->verify(sync->ctx, err);
}

/* A name for the whole set: all of it as one tree. */
static int name_of(const struct repx_sync_host *sync, const struct files *files,
                   uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    struct repx_entry *all = calloc(files->count, sizeof(*all));
    struct repx_tree tree = {sizeof(tree), all, files->count, sizeof(*all)};

    if (!all)
        abort();
    for (size_t i = 0; i < files->count; i++) {
        const struct file *f = &files->list[i];
        all[i] = f->entry;
        all[i].path = join(f->name, *f->path ? "/" : "", f->path);
    }
    int rc = sync->tree_digest(sync->ctx, &tree, digest, err);
    for (size_t i = 0; i < files->count; i++)
        free((void *)(uintptr_t)all[i].path);
    free(all);
    return rc;
}

static int32_t plain_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    uint8_t digest[REPX_DIGEST_LEN];
    struct files files = {0};
    int known = 0;
    int rc = look(sync, &files, err);

    if (rc == 0 && files.count) {
        rc = name_of(sync, &files, digest, err);
        if (rc == 0) {
            known = sync->known(sync->ctx, digest, err);
            rc = known < 0 ? -1 : 0;
        }
        if (rc == 0 && !known) {
            rc = bring(sync, &files, err);
            if (rc == 0)
                rc = sync->remember(sync->ctx, digest, err);
        }
    }
    forget(&files);
    return rc;
}

static const struct repx_sync_ops plain_ops = {.size = sizeof(plain_ops),
                                               .perform = plain_perform};

static const struct repx_plugin plain_plugin = {
    .size = sizeof(plain_plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SYNC,
    .phase = REPX_PHASE_LAB,
    .name = "plain",
    .version = "1",
    .vendor = "tests",
    .license = "MIT",
    .summary = "a Lab sync out of the header alone",
    .vtable = &plain_ops,
    .vtable_size = sizeof(plain_ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plain_plugin;
}
