/* SPDX-License-Identifier: MIT */
/* scatter.c: the scatter phase: makes the work list and has its branches submitted. */
#include "scatter.h"

#include <kit/alloc.h>

#include "core/agent/submit.h"

/* Run the script in an attempt of J/scatter; job: the job's own attempt, whose input
 * files it reads. */
static void scatter_execute(const struct unit *u, const struct attempt *job,
                            const char *in, struct outcome *o)
{
    REPX_AUTO_FREE char *home = scatter_home(u);
    REPX_AUTO_FREE char *inputs = attempt_path(job, "inputs.json");
    REPX_AUTO_FREE char *parameters = attempt_path(job, "parameters.json");
    struct repx_err why = {0};
    struct attempt a;
    int rc = attempt_make(u, home, &a, &why);

    if (rc == 0)
        rc = attempt_begin(u, &a, in, &why);
    if (rc == 0) {
        script_run(u, &a, inputs, parameters, o);
        rc = attempt_end(u, &a, o, &why);
    }
    if (rc < 0)
        outcome_set(o, "not started: %s", why.text);
    attempt_finish(&a);
}

/* The branches of a scatter that succeeded. 1 when the gather must not follow it. */
static int branches_submit(const struct unit *u, struct outcome *o)
{
    struct repx_err why = {0};
    json_t *items = work_items_read(u, &why);
    int rc = items ? submit_branches(u->site, u->run, u->index, u->key,
                                     json_array_size(items), &why)
                   : -1;

    if (rc < 0)
        outcome_set(o, "not started: branches: %s", why.text);
    json_decref(items);
    return rc > 0;
}

static int scatter_work(const struct unit *u, const struct attempt *job,
                        struct outcome *o)
{
    REPX_AUTO_FREE char *home = scatter_home(u);
    char in[DIGEST_HEX];

    scatter_digest(u, in);
    if (phase_current(u, home, in)) {
        *o = (struct outcome){.ok = 1};
    } else {
        scatter_execute(u, job, in, o);
    }
    return o->ok ? branches_submit(u, o) : 0;
}

int phase_scatter(struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *home = repx_format("outputs/%s", u->id);
    struct outcome o = {.exit = -1};
    struct repx_err why = {0};
    struct attempt job;
    int alone = 0;
    int rc = attempt_make(u, home, &job, &why);

    if (rc == 0)
        rc = attempt_files(u, &job, &why);
    if (rc == 0)
        rc = attempt_begin(u, &job, NULL, &why);
    if (rc == 0)
        rc = record_start(u, &job, &why);
    if (rc == 0) {
        alone = scatter_work(u, &job, &o);
    } else {
        outcome_set(&o, "not started: %s", why.text);
    }
    rc = 0;
    if (!o.ok && job.record_fd >= 0)
        rc = attempt_end(u, &job, &o, err);
    if ((o.ok ? record_end(u, job.n, &o, err) : record_job_end(u, job.n, &o, err)) < 0)
        rc = -1;
    int status = rc < 0 || !o.ok || alone;
    attempt_finish(&job);
    outcome_finish(&o);
    return status;
}
