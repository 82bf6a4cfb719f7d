/* SPDX-License-Identifier: MIT */
/* lsf.c: bsub, bjobs, bmod, bkill. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

/* "12" or "12[3]". Index -1: all. */
static void take_id(const char *text, int64_t *id, int64_t *index)
{
    char *end;

    *id = strtoll(text, &end, 10);
    *index = *end == '[' ? strtoll(end + 1, NULL, 10) : -1;
}

/* "ended(12) && done(13[4])" */
static int take_deps(struct fake_call *call, struct fake_job *job, const char *text)
{
    const char *at = text;

    job->dep_count = 0;
    while ((at = strchr(at, '(')) != NULL) {
        struct fake_dep d = {FAKE_ANY, 0, -1};
        if (at - text >= 4 && strncmp(at - 4, "done", 4) == 0)
            d.type = FAKE_OK;
        take_id(++at, &d.id, &d.index);
        struct fake_job *other = fake_read(call->dir, d.id);
        if (!other) {
            return fake_refuse(call, -255,
                               "%lld: No matching job found. Job not submitted.",
                               (long long)d.id);
        }
        fake_job_free(other);
        job->deps = repx_grow(job->deps, job->dep_count + 1, sizeof(d));
        job->deps[job->dep_count++] = d;
    }
    return 0;
}

static void take_name(struct fake_job *job, const char *value)
{
    const char *range = strchr(value, '[');

    free(job->name);
    job->name = repx_strndup(value, range ? (size_t)(range - value) : strlen(value));
    if (!range)
        return;
    char *end;
    job->first = strtoll(range + 1, &end, 10);
    job->count = *end == '-' ? strtoll(end + 1, NULL, 10) - job->first + 1 : 1;
}

static const struct fake_option options[] = {
    {"-J", 1}, {"-o", 1},  {"-e", 1},   {"-cwd", 1}, {"-L", 1}, {"-r", 0},   {"-w", 1},
    {"-n", 1}, {"-R", 1},  {"-W", 1},   {"-q", 1},   {"-P", 1}, {"-gpu", 1}, {"-x", 0},
    {"-M", 1}, {"-sp", 1}, {"-app", 1}, {"-wn", 0},  {NULL, 0}};

static int read_options(struct fake_call *call, struct fake_job *job)
{
    const char *name, *value;
    int rc = 0, bad = 0;

    while (!bad && (rc = fake_next(call, options, &name, &value)) > 0) {
        if (strcmp(name, "-J") == 0)
            take_name(job, value);
        if (strcmp(name, "-w") == 0)
            bad = take_deps(call, job, value);
        if (strcmp(name, "-cwd") == 0) {
            free(job->workdir);
            job->workdir = repx_strdup(value);
        }
    }
    return bad ? bad : rc < 0 ? -255 : 0;
}

static int run_bsub(struct fake_call *call)
{
    struct fake_job *job = REPX_NEW(struct fake_job);
    int rc = read_options(call, job);

    job->stays = 1;
    if (rc == 0)
        rc = fake_submit(call, job, &call->in);
    if (rc == 0) {
        fake_say(call, "Job <%lld> is submitted to default queue <normal>.\n",
                 (long long)job->id);
    }
    fake_job_free(job);
    return rc < 0 ? 255 : 0;
}

static void environment(const struct fake_job *job, int64_t index, struct repx_buf *to)
{
    repx_buf_fmt(to, "LSB_JOBID=%lld\nLSB_JOBINDEX=%lld\n", (long long)job->id,
                 (long long)(job->count ? index : 0));
}

/* ---- bjobs ---- */

static int is_first;

static const char *stat_of(int32_t state)
{
    static const char *const names[] = {"PEND", "RUN", "DONE", "EXIT", "EXIT", "EXIT"};

    return names[state >= 0 && state <= FAKE_NEVER ? state : 0];
}

static void job_rows(struct fake_call *call, const struct fake_job *job)
{
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        const struct fake_index *s = job->states + i;
        char index[32] = "", name[32] = "", code[16] = "";
        if (job->count) {
            (void)snprintf(index, sizeof(index), "%lld",
                           (long long)job->first + (long long)i);
            (void)snprintf(name, sizeof(name), "[%s]", index);
        }
        if (s->state == FAKE_FAILED)
            (void)snprintf(code, sizeof(code), "%d", (int)s->exit);
        fake_say(call,
                 "%s    {\n      \"JOBID\":\"%lld\",\n      \"JOBINDEX\":\"%s\",\n"
                 "      \"STAT\":\"%s\",\n      \"JOB_NAME\":\"%s%s\",\n"
                 "      \"EXIT_CODE\":\"%s\",\n      \"EXIT_REASON\":\"%s\",\n"
                 "      \"FIRST_HOST\":\"%s\"\n    }",
                 is_first ? "" : ",\n", (long long)job->id, index, stat_of(s->state),
                 job->name ? job->name : "", name, code,
                 s->state == FAKE_CANCELED ? "TERM_OWNER: job killed by owner" : "",
                 s->state == FAKE_RUNNING ? "host1" : "");
        is_first = 0;
    }
}

static int run_bjobs(struct fake_call *call)
{
    static const struct fake_option known[] = {{"-a", 0}, {"-json", 0},     {"-o", 1},
                                               {"-u", 1}, {"-noheader", 0}, {NULL, 0}};
    const char *name, *value;
    int rc;

    while ((rc = fake_next(call, known, &name, &value)) > 0)
        ;
    if (rc < 0)
        return 255;
    is_first = 1;
    fake_say(call, "{\n  \"COMMAND\":\"bjobs\",\n  \"JOBS\":%lld,\n  \"RECORDS\":[\n",
             (long long)fake_last(call->dir));
    fake_each(call, job_rows);
    fake_say(call, "\n  ]\n}\n");
    return 0;
}

/* ---- bkill, bmod ---- */

static int run_bkill(struct fake_call *call)
{
    struct repx_err err = {0};
    int status = 0;

    for (; *call->argv; call->argv++) {
        int64_t id, index;
        take_id(*call->argv, &id, &index);
        struct fake_job *job = fake_read(call->dir, id);
        int open = 0;
        for (size_t i = 0; job && i < FAKE_WIDTH(job); i++)
            open |= !fake_is_over(job->states[i].state);
        if (!job) {
            status =
                fake_refuse(call, 255, "Job <%s>: No matching job found", *call->argv);
        } else if (!open) {
            status = fake_refuse(call, 255, "Job <%s>: Job has already finished",
                                 *call->argv);
        } else {
            (void)fake_cancel(call->dir, id, index, &err);
            fake_say(call, "Job <%s> is being terminated\n", *call->argv);
        }
        fake_job_free(job);
    }
    return status;
}

static int run_bmod(struct fake_call *call)
{
    struct fake_job change = {0}, *job = NULL;
    struct repx_err err = {0};
    int64_t id = 0, index;

    if (read_options(call, &change) < 0)
        return 255;
    if (*call->argv) {
        take_id(*call->argv, &id, &index);
        job = fake_read(call->dir, id);
    }
    if (!job) {
        return fake_refuse(call, 255, "Job <%lld>: No matching job found",
                           (long long)id);
    }
    free(job->deps);
    job->deps = change.deps;
    job->dep_count = change.dep_count;
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, &err);
    if (fake_write(call->dir, job, &err) == 0)
        (void)fake_wake(call->dir, &err);
    fake_job_free(job);
    fake_say(call, "Parameters of job <%lld> are being changed\n", (long long)id);
    return 0;
}

static const struct fake_command commands[] = {
    {"bsub", FAKE_VERB_SUBMIT, 1, run_bsub},
    {"bjobs", FAKE_VERB_QUERY, 0, run_bjobs},
    {"bkill", FAKE_VERB_CANCEL, 0, run_bkill},
    {"bmod", FAKE_VERB_AMEND, 0, run_bmod},
    {NULL, 0, 0, NULL},
};

const struct fake_product fake_lsf = {
    .name = "lsf",
    .commands = commands,
    .down = "Failed in an LSF library call: LIM is down; try later. Job not submitted.",
    .lost = "Failed in receiving a message: Communication time out. Job not submitted.",
    .room = "Pending job threshold reached. Job not submitted.",
    .refused = "fast: No such queue. Job not submitted.",
    .garbage = "\x1b[31m?? \xff\xfe %s {{{ <oops/> 12x\n",
    .down_status = 255,
    .lost_status = 255,
    .room_status = 255,
    .refused_status = 255,
    .environment = environment,
};
