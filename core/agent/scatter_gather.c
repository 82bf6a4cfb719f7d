/* SPDX-License-Identifier: MIT */
/* scatter_gather.c: the gather phase; its end is the end of the job. */
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/scatter.h"
#include "core/agent/state_check.h"

/* One element of the manifest: what the sink step of a branch made. NULL with *err when
 * it has not succeeded. */
static json_t *branch_outputs(const struct unit *u, int64_t number, const json_t *item,
                              struct repx_err *err)
{
    const char *sink = state_text(u->plan, "sink", "");
    REPX_AUTO_FREE char *phase = repx_format("step-%s", sink);
    REPX_AUTO_FREE char *home = step_home(u, number, sink);
    REPX_AUTO_FREE char *out = repx_format("%s/%s/out", u->site->base, home);
    struct branch b = {.u = u, .number = number, .item = item};
    char hex[DIGEST_HEX];

    b.digests = json_object();
    int rc = step_digest(&b, sink, hex, err);
    json_decref(b.digests);
    if (rc == 0 && !phase_current(u, home, hex)) {
        rc = repx_fail(err, REPX_E_FAILED, "branch %lld: step %s has not succeeded",
                       (long long)number, sink);
    }
    if (rc < 0)
        return NULL;
    json_t *all = json_object();
    json_t *exe = json_object_get(json_object_get(u->plan, "exes"), phase);
    json_t *outputs = json_object_get(exe, "outputs");
    for (void *at = json_object_iter(outputs); at;
         at = json_object_iter_next(outputs, at)) {
        REPX_AUTO_FREE char *path =
            template_fill(json_string_value(json_object_iter_value(at)), out);
        json_object_set_new(all, json_object_iter_key(at), json_string(path));
    }
    return all;
}

static json_t *manifest_make(const struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *home = scatter_home(u);
    char hex[DIGEST_HEX];
    size_t i;
    json_t *item;

    scatter_digest(u, hex);
    if (!phase_current(u, home, hex)) {
        (void)repx_fail(err, REPX_E_FAILED, "the scatter has not succeeded");
        return NULL;
    }
    json_t *items = work_items_read(u, err);
    json_t *manifest = items ? json_array() : NULL;
    json_array_foreach(items, i, item)
    {
        json_t *outputs = branch_outputs(u, (int64_t)i, item, err);
        if (!outputs) {
            json_decref(manifest);
            manifest = NULL;
            break;
        }
        json_array_append_new(manifest, outputs);
    }
    json_decref(items);
    return manifest;
}

/* worker_outs_manifest.json and gather_inputs.json. */
static int gather_files(const struct unit *u, const struct attempt *a,
                        struct repx_err *err)
{
    json_t *manifest = manifest_make(u, err);
    REPX_AUTO_FREE char *path = attempt_path(a, "worker_outs_manifest.json");

    if (!manifest)
        return -1;
    json_t *inputs = entry_inputs(u);
    json_object_set_new(inputs, "worker__outs", json_string(path));
    gather_inputs_add(u, inputs);
    int rc = attempt_write(u, a, "worker_outs_manifest.json", manifest, err);
    if (rc == 0)
        rc = attempt_write(u, a, "gather_inputs.json", inputs, err);
    json_decref(inputs);
    json_decref(manifest);
    return rc;
}

int phase_gather(struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *home = repx_format("outputs/%s", u->id);
    struct outcome o = {.exit = -1};
    struct repx_err why = {0};
    struct attempt a;
    int rc = attempt_make(u, home, &a, &why);
    REPX_AUTO_FREE char *inputs = attempt_path(&a, "gather_inputs.json");
    REPX_AUTO_FREE char *parameters = attempt_path(&a, "parameters.json");

    if (rc == 0)
        rc = attempt_files(u, &a, &why);
    if (rc == 0)
        rc = attempt_begin(u, &a, NULL, &why);
    if (rc == 0)
        rc = record_start(u, &a, &why);
    if (rc == 0)
        rc = gather_files(u, &a, &why);
    if (rc == 0) {
        script_run(u, &a, inputs, parameters, &o);
    } else {
        outcome_set(&o, "not started: %s", why.text);
    }
    rc = a.record_fd >= 0 ? attempt_end(u, &a, &o, err) : 0;
    if (record_job_end(u, a.n, &o, err) < 0)
        rc = -1;
    int status = rc < 0 || !o.ok;
    attempt_finish(&a);
    outcome_finish(&o);
    return status;
}
