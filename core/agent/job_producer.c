/* SPDX-License-Identifier: MIT */
/* job_producer.c: what a job reads, and whether it is there. J/out of a producer leads to the
 * attempt that counts, which may be that of other work with the same job id: another Lab's, sent
 * at the same moment. A job reads what was planned for it: while other work is there for a
 * producer, or has been, the attempt itself is named. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>

#include "core/agent/job.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/wire/verbs.h"

static int somebody_works(struct site *site, const char *job)
{
    struct workers w;

    (void)workers_read(site, job, &w, NULL);
    int works = w.count > 0;
    workers_free(&w);
    return works;
}

/* Steps and gathers look for themselves in J/out, so their jobs wait for what counts. */
static int may_name_attempts(const struct unit *u)
{
    return strcmp(u->phase, "main") == 0;
}

/* An attempt of the planned work, which stays whatever comes. */
static int name_attempt(struct unit *u, const char *job, const char *key)
{
    unsigned n = may_name_attempts(u) ? attempt_of_work(u->site, job, key) : 0;

    if (!n)
        return 0;
    if (!u->made)
        u->made = json_object();
    json_object_set_new(u->made, job, json_integer((json_int_t)n));
    return 1;
}

/* What counts is being made, and not by this very work. */
static int is_others(const struct unit *u, const char *job, const char *key)
{
    REPX_AUTO_FREE char *repx = repx_format("outputs/%s/repx", job);
    json_t *first, *second;

    attempt_read(u->site->base_fd, repx, &first, &second);
    int others = strcmp(state_text(first, "key", ""), key) != 0;
    json_decref(first);
    json_decref(second);
    return others;
}

/* Does what counts, or another attempt, hold it? */
static int is_made(struct unit *u, const char *job, const char *key, int *failed)
{
    int stale = 0;
    int status = result_status(u->site, job, key, &stale, NULL);

    *failed = status == JOB_FAILED;
    if (status == JOB_SUCCEEDED && !stale) {
        if (somebody_works(u->site, job))
            (void)name_attempt(u, job, key);
        return 1;
    }
    return (stale || (status == JOB_UNKNOWN && is_others(u, job, key))) &&
           name_attempt(u, job, key);
}

static int producer_ready(struct unit *u, size_t dep, struct repx_err *err)
{
    const struct timespec pause = {1, 0};
    json_t *line = run_plan(u->run, dep, err);
    int failed = 0, ready = 0;

    if (!line)
        return -1;
    const char *job = state_text(line, "id", "");
    const char *key = state_text(line, "key", "");
    for (int64_t left = -1;; left -= 1000) {
        ready = is_made(u, job, key, &failed);
        if (ready || failed)
            break;
        if (left < 0)
            left = producer_wait_ms(u);
        if (left <= 0)
            break;
        result_look_again(u->site, job);
        (void)nanosleep(&pause, NULL);
    }
    json_decref(line);
    return ready;
}

int producers_ready(struct unit *u, size_t *by, struct repx_err *err)
{
    size_t i;
    json_t *dep;

    json_array_foreach(json_object_get(u->plan, "deps"), i, dep)
    {
        *by = (size_t)json_integer_value(dep);
        int rc = producer_ready(u, *by, err);
        if (rc != 1)
            return rc;
    }
    return 1;
}
