/* SPDX-License-Identifier: MIT */
/* scatter_step.c: one step of one branch. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job_json.h"
#include "core/agent/scatter.h"
#include "core/agent/state_check.h"

/* J/branch-<i>/repx/work_item.json: a regular file, the same for all steps of the
 * branch, so it is only written when it says something else. */
static int item_write(const struct branch *b, struct repx_err *err)
{
    const struct unit *u = b->u;
    REPX_AUTO_FREE char *dir = repx_format("%s/outputs/%s/branch-%lld/repx",
                                           u->site->base, u->id, (long long)b->number);
    REPX_AUTO_FREE char *path = repx_format("%s/work_item.json", dir);
    REPX_AUTO_BUF struct repx_buf there = {0};
    REPX_AUTO_BUF struct repx_buf now = {0};

    json_compact(b->item, &now);
    if (repx_read_file(AT_FDCWD, path, now.len, &there, NULL) == 0 &&
        there.len == now.len && memcmp(there.data, now.data, now.len) == 0)
        return 0;
    if (repx_make_dirs(dir, 0777, err) < 0)
        return -1;
    return repx_write_file(AT_FDCWD, path, now.data, now.len, 0666, err);
}

/* 1 when every step it depends on has succeeded with what it depends on now. */
static int deps_ready(struct branch *b, struct repx_err *err)
{
    size_t i;
    json_t *dep;

    json_array_foreach(json_object_get(b->u->exe, "deps"), i, dep)
    {
        const char *name = json_string_value(dep);
        REPX_AUTO_FREE char *home = step_home(b->u, b->number, name);
        char hex[DIGEST_HEX];
        if (step_digest(b, name, hex, err) < 0)
            return -1;
        if (!phase_current(b->u, home, hex))
            return 0;
    }
    return 1;
}

static int step_files(const struct branch *b, const char *name, struct attempt *a,
                      struct repx_err *err)
{
    json_t *inputs = step_inputs(b, name);
    int rc = item_write(b, err);

    if (rc == 0)
        rc = attempt_write(b->u, a, "inputs.json", inputs, err);
    if (rc == 0) {
        rc = attempt_write(b->u, a, "parameters.json",
                           json_object_get(b->u->plan, "params"), err);
    }
    json_decref(inputs);
    return rc;
}

static unsigned step_execute(const struct branch *b, const char *home, const char *name,
                             const char *in, struct outcome *o)
{
    const struct unit *u = b->u;
    struct repx_err why = {0};
    struct attempt a;
    int rc = attempt_make(u, home, &a, &why);
    REPX_AUTO_FREE char *inputs = attempt_path(&a, "inputs.json");
    REPX_AUTO_FREE char *parameters = attempt_path(&a, "parameters.json");

    if (rc == 0)
        rc = step_files(b, name, &a, &why);
    if (rc == 0)
        rc = attempt_begin(u, &a, in, &why);
    if (rc == 0)
        rc = record_start(u, &a, &why);
    if (rc == 0) {
        script_run(u, &a, inputs, parameters, o);
        rc = attempt_end(u, &a, o, &why);
    }
    if (rc < 0)
        outcome_set(o, "not started: %s", why.text);
    unsigned n = a.n;
    attempt_finish(&a);
    return n;
}

static unsigned branch_step(struct branch *b, struct outcome *o)
{
    const char *name = b->u->phase + strlen("step-");
    REPX_AUTO_FREE char *home = step_home(b->u, b->number, name);
    struct repx_err why = {0};
    char in[DIGEST_HEX];
    int ready = deps_ready(b, &why);

    if (ready == 0) {
        outcome_set(o, "blocked");
        return 0;
    }
    if (ready < 0 || step_digest(b, name, in, &why) < 0) {
        outcome_set(o, "not started: %s", why.text);
        return 0;
    }
    if (phase_current(b->u, home, in)) {
        *o = (struct outcome){.ok = 1};
        return 0;
    }
    return step_execute(b, home, name, in, o);
}

int phase_step(struct unit *u, struct repx_err *err)
{
    struct outcome o = {.exit = -1};
    struct repx_err why = {0};
    struct branch b = {.u = u, .number = u->branch};
    json_t *items = work_items_read(u, &why);
    unsigned n = 0;

    b.item = json_array_get(items, (size_t)u->branch);
    b.digests = json_object();
    if (!items) {
        outcome_set(&o, "not started: %s", why.text);
    } else if (!b.item) {
        outcome_set(&o, "not started: there is no branch %lld", (long long)u->branch);
    } else {
        n = branch_step(&b, &o);
    }
    int rc = record_end(u, n, &o, err);
    int status = rc < 0 || !o.ok;
    json_decref(b.digests);
    json_decref(items);
    outcome_finish(&o);
    return status;
}
