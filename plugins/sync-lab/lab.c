/* SPDX-License-Identifier: MIT */
/* sync-lab: mirrors a Lab below artifacts/, compared by digest alone.
 *
 *     jobs/ID/...  host-tools/HASH/...        one tree each, renamed into place whole
 *     lab/ revision/ readme/ store/           one file each: shared between Labs
 *     images/ image/ store/LAYER-layer.tar    left to the image phase, which knows which
 *                                             of them are used */
#include <string.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/mirror.h>

#include "core/delta/delta.h"

#define LAYER "-layer.tar"

static const char *const packages[] = {"jobs", "host-tools"};
static const char *const files[] = {"lab", "revision", "readme", "store"};

static int is_one_of(const char *const *list, size_t count, const char *path, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i]) == n && memcmp(list[i], path, n) == 0)
            return 1;
    }
    return 0;
}

static int is_layer(const char *path)
{
    size_t n = strlen(path), suffix = sizeof(LAYER) - 1;

    return strncmp(path, "store/", 6) == 0 && n > suffix &&
           strcmp(path + n - suffix, LAYER) == 0;
}

/* "jobs/ID/bin/x": tree artifacts/jobs/ID, entry bin/x. */
static void add_packaged(struct repx_mirror *m, const struct repx_entry *e,
                         const char *rest, uint64_t i)
{
    const char *slash = strchr(rest, '/');
    size_t n = slash ? (size_t)(slash - e->path) : strlen(e->path);
    REPX_AUTO_FREE char *front = repx_strndup(e->path, n);
    REPX_AUTO_FREE char *name = repx_format("artifacts/%s", front);

    repx_mirror_add(m, 0, name, slash ? slash + 1 : "", e, i);
}

static void add_entry(struct repx_mirror *m, const struct repx_entry *e, uint64_t i)
{
    size_t n = strcspn(e->path, "/");

    if (!e->path[n] || is_layer(e->path))
        return;
    if (is_one_of(packages, sizeof(packages) / sizeof(*packages), e->path, n)) {
        add_packaged(m, e, e->path + n + 1, i);
    } else if (is_one_of(files, sizeof(files) / sizeof(*files), e->path, n) &&
               e->kind != REPX_ENTRY_DIR) {
        REPX_AUTO_FREE char *name = repx_format("artifacts/%s", e->path);
        repx_mirror_add(m, 0, name, "", e, i);
    }
}

static int32_t lab_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    struct repx_mirror *m = repx_mirror_create(sync);
    uint64_t count = sync->source_count(sync->ctx);
    int rc = 0;

    repx_mirror_try(m, delta_send, DELTA_SMALLEST);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        rc = sync->source_entry(sync->ctx, i, &e, err);
        if (rc == 0)
            add_entry(m, &e, i);
    }
    if (rc == 0)
        rc = repx_mirror_run(m, err);
    repx_mirror_destroy(m);
    return rc;
}

static const struct repx_sync_ops ops = {.size = sizeof(ops), .perform = lab_perform};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SYNC,
    .phase = REPX_PHASE_LAB,
    .name = "lab",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "mirrors the Lab by content",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
