/* SPDX-License-Identifier: MIT */
/* gc_verbs.c: collection, roots and pins for a client; and internal-gc, RepX's command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/job.h"
#include "core/agent/runtime_node.h"
#include "core/agent/store_fs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

struct request {
    char *name, *lab, *node;
    int options;
};

static void drop(struct call *c)
{
    struct request *r = call_own(c);

    if (r) {
        free(r->name);
        free(r->lab);
        free(r->node);
    }
    free(r);
    call_set_own(c, NULL);
}

static struct request *take(struct call *c, const void *msg, size_t n)
{
    struct request *r = REPX_NEW(struct request);

    r->name = msg_text(msg, n, F_NAME);
    r->lab = msg_text(msg, n, F_KEY);
    r->node = msg_text(msg, n, F_LINK);
    r->options = (int)(msg_number(msg, n, F_OPTIONS, 0) & 0xff);
    call_set_own(c, r);
    return r;
}

/* ---- collection ---- */

static int gc_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                   struct repx_err *err)
{
    const struct request *r = arg;
    struct repx_err ignored = {0}; /* a variable that only jobs have */
    REPX_AUTO_FREE char *node = r->node ? node_path(r->node, &ignored) : NULL;
    struct gc gc;
    int rc = gc_collect(&gc, site, r->options, node, err);

    if (repx_write_all(out, repx_buf_text(&gc.said), gc.said.len) < 0 && rc == 0)
        rc = repx_fail_errno(err, "the answer");
    msg_put_number(fields, F_COUNT, (int64_t)gc.artifact_count);
    msg_put_number(fields, F_INDEX, (int64_t)gc.output_count);
    msg_put_number(fields, F_BYTES, (int64_t)gc.bytes);
    gc_finish(&gc);
    return rc;
}

static int gc_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)err;
    call_fork(c, gc_work, take(c, msg, n));
    return 0;
}

/* ---- roots ---- */

/* Bytes that a Lab keeps: its entries of artifacts and its jobs' outputs. */
static uint64_t lab_size(struct site *site, const char *manifest)
{
    struct gc gc = {.site = site, .outputs = -1, .trash = -1};
    uint64_t sum = 0;
    const char *name;
    json_t *value;

    gc.jobs = json_object();
    gc.entries = json_object();
    gc.labs = json_object();
    gc.artifacts = store_walk(site->base_fd, "artifacts", 0);
    gc.outputs = store_walk(site->base_fd, "outputs", 0);
    if (gc.artifacts >= 0 && gc_live_lab(&gc, manifest, NULL) == 0) {
        gc_live_rest(&gc);
        json_object_foreach(gc.entries, name, value) sum +=
            gc_tree_size(gc.artifacts, name);
        json_object_foreach(gc.jobs, name, value)
        {
            if (gc.outputs >= 0 && repx_path_is_inside(name))
                sum += gc_tree_size(gc.outputs, name);
        }
    }
    gc_finish(&gc);
    return sum;
}

static int roots_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                      struct repx_err *err)
{
    const struct request *r = arg;
    REPX_AUTO_BUF struct repx_buf all = {0};
    struct gc_roots roots;

    (void)fields;
    if (gc_roots_read(site, &roots, err) < 0)
        return -1;
    for (size_t i = 0; i < roots.count; i++) {
        const struct gc_root *root = &roots.items[i];
        REPX_AUTO_BUF struct repx_buf one = {0};
        msg_put_number(&one, F_KIND, root->pinned);
        msg_put_text(&one, F_NAME, root->name);
        msg_put_text(&one, F_KEY, root->lab);
        msg_put_text(&one, F_LINK, root->project);
        if ((r->options & 1) && root->manifest)
            msg_put_number(&one, F_BYTES, (int64_t)lab_size(site, root->manifest));
        msg_put(&all, F_ENTRY, one.data, (uint32_t)one.len);
    }
    gc_roots_free(&roots);
    if (repx_write_all(out, repx_buf_text(&all), all.len) < 0)
        return repx_fail_errno(err, "the answer");
    return 0;
}

static int roots_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)err;
    call_fork(c, roots_work, take(c, msg, n));
    return 0;
}

/* ---- pins ---- */

static int may_write(const struct site *site, struct repx_err *err)
{
    if (!site->readonly)
        return 0;
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "%s belongs to somebody else or to a newer repx: pins cannot be "
                     "changed there",
                     site->base);
}

static int pin_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                    struct repx_err *err)
{
    const struct request *r = arg;

    (void)out;
    (void)fields;
    return may_write(site, err) < 0 ? -1 : gc_pin(site, r->name, r->lab, err);
}

static int unpin_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                      struct repx_err *err)
{
    const struct request *r = arg;
    char *full = NULL;

    (void)out;
    if (may_write(site, err) < 0 || gc_unpin(site, r->name, &full, err) < 0)
        return -1;
    msg_put_text(fields, F_NAME, full);
    free(full);
    return 0;
}

static int pin_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = take(c, msg, n);

    if (!r->name || !r->lab)
        return repx_fail(err, REPX_E_USAGE, "a pin needs a name and a Lab's id");
    call_fork(c, pin_work, r);
    return 0;
}

static int unpin_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = take(c, msg, n);

    if (!r->name || !*r->name)
        return repx_fail(err, REPX_E_USAGE, "which pin?");
    call_fork(c, unpin_work, r);
    return 0;
}

const struct verb gc_verbs[] = {
    {V_GC, gc_begin, NULL, NULL, drop},
    {V_GC_ROOTS, roots_begin, NULL, NULL, drop},
    {V_GC_PIN, pin_begin, NULL, NULL, drop},
    {V_GC_UNPIN, unpin_begin, NULL, NULL, drop},
    {0, NULL, NULL, NULL, NULL},
};

/* ---- RepX's command ---- */

static int internal_gc(const char *base, int options)
{
    REPX_AUTO_FREE char *state = state_path_read(base);
    struct site site = {.base_fd = -1, .state_fd = -1};
    struct repx_err err = {0};
    struct gc gc;

    if (access(base, F_OK) < 0) {
        (void)fprintf(stderr, "repx-agent: internal-gc: there is no %s\n", base);
        return 1;
    }
    int rc = site_open(&site, base, state, &err);
    if (rc == 0) {
        rc = gc_collect(&gc, &site, options | GC_FOREIGN, NULL, &err);
        (void)fputs(repx_buf_text(&gc.said), stdout);
        gc_finish(&gc);
    }
    if (rc < 0)
        (void)fprintf(stderr, "repx-agent: internal-gc: %s\n", err.text);
    site_close(&site);
    return rc < 0;
}

int internal_gc_main(int argc, char **argv)
{
    const char *base = NULL;
    int options = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--base-path") == 0 && i + 1 < argc) {
            base = argv[++i];
        } else if (strncmp(argv[i], "--base-path=", 12) == 0) {
            base = argv[i] + 12;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            options |= GC_DRY_RUN;
        } else if (strcmp(argv[i], "--pinned-only") == 0) {
            options |= GC_PINNED_ONLY;
        } else {
            (void)fprintf(stderr, "repx-agent: internal-gc: %s: unknown\n", argv[i]);
            return 2;
        }
    }
    if (!base) {
        (void)fprintf(stderr, "repx-agent: internal-gc: --base-path is required\n");
        return 2;
    }
    return internal_gc(base, options);
}
