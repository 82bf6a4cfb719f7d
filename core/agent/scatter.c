/* SPDX-License-Identifier: MIT */
/* scatter.c: the scatter phase: makes the work list and has its branches submitted. */
#include "scatter.h"

#include <string.h>
#include <sys/stat.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit.h"

#define WORK_LIST_MAX (256u << 20)
#define BRANCH_MAX 10000000u
#define DEPTH_MAX 200

static int depth_ok(const char *text, size_t n)
{
    int depth = 0, quoted = 0;

    for (size_t i = 0; i < n && depth <= DEPTH_MAX; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    }
    return depth <= DEPTH_MAX;
}

json_t *work_items_parse(const char *text, size_t n, struct repx_err *err)
{
    json_error_t why;

    if (!depth_ok(text, n)) {
        (void)repx_fail(err, REPX_E_CORRUPT, "work_items.json: nested too deeply");
        return NULL;
    }
    json_t *items = json_loadb(text, n, 0, &why);
    if (!items) {
        (void)repx_fail(err, REPX_E_CORRUPT, "work_items.json: line %d: %s", why.line,
                        why.text);
        return NULL;
    }
    if (json_is_array(items) && json_array_size(items) <= BRANCH_MAX)
        return items;
    json_decref(items);
    (void)repx_fail(err, REPX_E_CORRUPT,
                    "work_items.json: not an array; the scatter has to write one "
                    "element for each branch");
    return NULL;
}

json_t *work_items_read(const struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *path =
        repx_format("outputs/%s/scatter/out/work_items.json", u->id);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(u->site->base_fd, path, WORK_LIST_MAX, &b, err) < 0)
        return NULL;
    return work_items_parse(repx_buf_text(&b), b.len, err);
}

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

/* The branches of a scatter that succeeded. */
static void branches_submit(const struct unit *u, struct outcome *o)
{
    struct repx_err why = {0};
    json_t *items = work_items_read(u, &why);
    size_t n = json_array_size(items);

    if (!items || (n && submit_branches(u->site, u->run, u->index, n, &why) < 0))
        outcome_set(o, "not started: branches: %s", why.text);
    json_decref(items);
}

static void scatter_work(const struct unit *u, const struct attempt *job,
                         struct outcome *o)
{
    REPX_AUTO_FREE char *home = scatter_home(u);
    char in[DIGEST_HEX];

    scatter_digest(u, in);
    if (phase_current(u, home, in))
        *o = (struct outcome){.ok = 1};
    else
        scatter_execute(u, job, in, o);
    if (o->ok)
        branches_submit(u, o);
}

int phase_scatter(struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *home = repx_format("outputs/%s", u->id);
    struct outcome o = {.exit = -1};
    struct repx_err why = {0};
    struct attempt job;
    int rc = attempt_make(u, home, &job, &why);

    if (rc == 0)
        rc = attempt_files(u, &job, &why);
    if (rc == 0)
        rc = attempt_begin(u, &job, NULL, &why);
    if (rc == 0)
        rc = record_start(u, &job, &why);
    if (rc == 0)
        scatter_work(u, &job, &o);
    else
        outcome_set(&o, "not started: %s", why.text);
    rc = 0;
    if (!o.ok && job.record_fd >= 0)
        rc = attempt_end(u, &job, &o, err);
    if ((o.ok ? record_end(u, job.n, &o, err) : record_job_end(u, job.n, &o, err)) < 0)
        rc = -1;
    int status = rc < 0 || !o.ok;
    attempt_finish(&job);
    outcome_finish(&o);
    return status;
}
