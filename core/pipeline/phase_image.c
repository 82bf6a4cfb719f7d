/* SPDX-License-Identifier: MIT */
/* image: the images that the plan's jobs use, layer by layer. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "image_source.h"
#include "pipeline.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Distinct image paths in use; the array is the caller's. */
static const char **images_in_use(const struct plan *plan, size_t *count)
{
    const char **paths = repx_array(plan->count, sizeof(*paths));
    size_t n = 0;

    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_job *job = &plan->jobs[i];
        if (job->image_path && strcmp(job->runtime, "native") != 0)
            paths[n++] = job->image_path;
    }
    qsort(paths, n, sizeof(*paths), by_text);
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!*count || strcmp(paths[*count - 1], paths[i]) != 0)
            paths[(*count)++] = paths[i];
    }
    return paths;
}

static int image_perform(struct pipeline *p, struct repx_err *err)
{
    struct image_source files = {.fd = -1};
    struct sync_sent sent = {0};
    size_t count;
    REPX_AUTO_FREE const char **paths = images_in_use(p->plan, &count);
    int rc;

    if (!count)
        return 0;
    rc = image_source_open(&files, p->lab, paths, count, err);
    if (rc == 0) {
        struct sync_source source = image_source_sync(&files);
        rc = target_sync(p->target, target_config(p->target)->image, REPX_PHASE_IMAGE,
                         &source, &sent, err);
    }
    image_source_settle(&files, rc, err->code);
    image_source_free(&files);
    p->placed += sent.placed;
    if (rc < 0)
        return -1;
    p->listener->synced(p->listener->ctx, "image", &sent);
    if (sent.placed) { /* the Lab's manifest on the target names them, too */
        session_cancel(p->root);
        pipeline_keep_root(p, NULL, 0);
    }
    return 0;
}

const struct phase phase_image = {
    .name = "image",
    .summary = "the image layers that the target lacks",
    .perform = image_perform,
};
