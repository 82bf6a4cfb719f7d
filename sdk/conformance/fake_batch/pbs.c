/* SPDX-License-Identifier: MIT */
/* pbs.c: qsub, qstat, qalter, qdel, as OpenPBS has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define SERVER "fake"

/* "12", "12[]", "12[3]", each perhaps with ".server". Index -1: all. 0 or -1. */
static int take_id(const char *text, int64_t *id, int64_t *index)
{
    char *end;

    *id = strtoll(text, &end, 10);
    *index = -1;
    if (end == text)
        return -1;
    if (*end == '[' && end[1] != ']')
        *index = strtoll(end + 1, NULL, 10);
    return 0;
}

static void add_dep(struct fake_job *job, int type, int64_t id, int64_t index)
{
    job->deps = repx_grow(job->deps, job->dep_count + 1, sizeof(*job->deps));
    job->deps[job->dep_count++] = (struct fake_dep){type, id, index};
}

/* "depend=afterany:12:13[],afterok:4" */
static int take_deps(struct fake_call *call, struct fake_job *job, const char *text)
{
    REPX_AUTO_FREE char *copy = repx_strdup(text);
    char *rest = copy, *word;
    int type = 0;

    job->dep_count = 0;
    while ((word = strtok_r(rest, ":,", &rest)) != NULL) {
        int64_t id, index;
        if (strncmp(word, "after", 5) == 0) {
            type = strcmp(word, "afterok") == 0 ? FAKE_OK : FAKE_ANY;
            continue;
        }
        struct fake_job *other =
            take_id(word, &id, &index) < 0 ? NULL : fake_read(call->dir, id);
        if (!other || !type)
            return fake_refuse(call, -153, "qsub: Unknown Job Id %s", word);
        fake_job_free(other);
        add_dep(job, type, id, index);
    }
    return 0;
}

static void set(char **to, const char *value)
{
    free(*to);
    *to = repx_strdup(value);
}

static int take_option(struct fake_call *call, struct fake_job *job, const char *name,
                       const char *value)
{
    char *end;

    if (strcmp(name, "-N") == 0) {
        if (strlen(value) > 230 || strpbrk(value, " \t\n'\";:/"))
            return fake_refuse(call, -1, "qsub: illegal -N value");
        set(&job->name, value);
    } else if (strcmp(name, "-J") == 0) {
        job->first = strtoll(value, &end, 10);
        job->count = *end == '-' ? strtoll(end + 1, NULL, 10) - job->first + 1 : 0;
        if (job->count < 2)
            return fake_refuse(call, -1, "qsub: illegal -J value");
    } else if (strcmp(name, "-S") == 0) {
        set(&job->shell, value);
    } else if (strcmp(name, "-q") == 0) {
        set(&job->queue, value);
    } else if (strcmp(name, "-W") == 0 && strncmp(value, "depend=", 7) == 0) {
        return take_deps(call, job, value + 7);
    }
    return 0;
}

static const struct fake_option options[] = {
    {"-N", 1}, {"-C", 1}, {"-S", 1}, {"-o", 1}, {"-e", 1}, {"-j", 1}, {"-r", 1},
    {"-J", 1}, {"-W", 1}, {"-l", 1}, {"-q", 1}, {"-A", 1}, {"-v", 1}, {"-P", 1},
    {"-p", 1}, {"-m", 1}, {"-M", 1}, {"-a", 1}, {NULL, 0}};

static int read_options(struct fake_call *call, struct fake_job *job)
{
    const char *name, *value;
    int rc;

    while ((rc = fake_next(call, options, &name, &value)) > 0) {
        int bad = take_option(call, job, name, value);
        if (bad < 0)
            return bad;
    }
    return rc;
}

static int run_qsub(struct fake_call *call)
{
    struct fake_job *job = REPX_NEW(struct fake_job);
    int rc = read_options(call, job);

    if (rc == 0)
        rc = fake_submit(call, job, &call->in);
    if (rc == 0) {
        fake_say(call, "%lld%s." SERVER "\n", (long long)job->id,
                 job->count ? "[]" : "");
    }
    fake_job_free(job);
    return rc < 0 ? -rc : 0;
}

static void environment(const struct fake_job *job, int64_t index, struct repx_buf *to)
{
    if (job->count) {
        repx_buf_fmt(to, "PBS_JOBID=%lld[%lld]." SERVER "\nPBS_ARRAY_INDEX=%lld\n",
                     (long long)job->id, (long long)index, (long long)index);
    } else {
        repx_buf_fmt(to, "PBS_JOBID=%lld." SERVER "\n", (long long)job->id);
    }
}

/* ---- qstat ---- */

static int is_first, with_history;

static char letter(const struct fake_job *job, int32_t state)
{
    if (fake_is_over(state))
        return 'F';
    if (state == FAKE_RUNNING)
        return 'R';
    return job->dep_count ? 'H' : 'Q';
}

static void put_job(struct fake_call *call, const struct fake_job *job, const char *id,
                    char state, const struct fake_index *s)
{
    fake_say(
        call,
        "%s        \"%s\":{\n            \"Job_Name\":\"%s\",\n"
        "            \"Job_Owner\":\"me@fake\",\n            \"job_state\":\"%c\",\n"
        "            \"queue\":\"%s\",\n            \"server\":\"" SERVER "\",\n",
        is_first ? "" : ",\n", id, job->name ? job->name : "STDIN", state,
        job->queue ? job->queue : "workq");
    is_first = 0;
    if (s && s->state == FAKE_RUNNING)
        fake_say(call, "            \"exec_host\":\"node1/0\",\n");
    if (s && fake_is_over(s->state)) {
        fake_say(call, "            \"Exit_status\":%d,\n",
                 s->state == FAKE_CANCELED ? 271
                 : s->exit > 128           ? s->exit + 128
                                           : s->exit);
    }
    fake_say(call,
             "            \"Variable_List\":{\n                "
             "\"PBS_O_SHELL\":\"/bin/sh\"\n            },\n"
             "            \"Priority\":0\n        }");
}

static void job_rows(struct fake_call *call, const struct fake_job *job)
{
    char id[64];
    int open = 0;

    for (size_t i = 0; i < FAKE_WIDTH(job); i++)
        open |= !fake_is_over(job->states[i].state);
    if (!open && !with_history)
        return;
    (void)snprintf(id, sizeof(id), "%lld%s." SERVER, (long long)job->id,
                   job->count ? "[]" : "");
    if (!job->count) {
        put_job(call, job, id, letter(job, job->states->state), job->states);
        return;
    }
    put_job(call, job, id, open ? 'B' : 'F', NULL);
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        (void)snprintf(id, sizeof(id), "%lld[%lld]." SERVER, (long long)job->id,
                       (long long)job->first + (long long)i);
        put_job(call, job, id, letter(job, job->states[i].state), job->states + i);
    }
}

static int run_qstat(struct fake_call *call)
{
    static const struct fake_option known[] = {{"-x", 0}, {"-t", 0}, {"-f", 0},
                                               {"-F", 1}, {"-u", 1}, {NULL, 0}};
    const char *name, *value;
    int rc;

    is_first = 1;
    with_history = 0;
    while ((rc = fake_next(call, known, &name, &value)) > 0)
        with_history |= strcmp(name, "-x") == 0;
    if (rc < 0)
        return 2;
    fake_say(call,
             "{\n    \"timestamp\":1700000000,\n    \"pbs_version\":\"22.05.11\",\n"
             "    \"pbs_server\":\"" SERVER "\",\n    \"Jobs\":{\n");
    fake_each(call, job_rows);
    fake_say(call, "\n    }\n}\n");
    return 0;
}

/* ---- qdel, qalter ---- */

static int run_qdel(struct fake_call *call)
{
    struct repx_err err = {0};
    int status = 0;

    for (; *call->argv; call->argv++) {
        int64_t id, index;
        struct fake_job *job =
            take_id(*call->argv, &id, &index) < 0 ? NULL : fake_read(call->dir, id);
        int open = 0;
        for (size_t i = 0; job && i < FAKE_WIDTH(job); i++)
            open |= !fake_is_over(job->states[i].state);
        if (!job) {
            status = fake_refuse(call, 153, "qdel: Unknown Job Id %s", *call->argv);
        } else if (!open) {
            status = fake_refuse(call, 35, "qdel: Job has finished %s", *call->argv);
        } else {
            (void)fake_cancel(call->dir, id, index, &err);
        }
        fake_job_free(job);
    }
    return status;
}

static int run_qalter(struct fake_call *call)
{
    struct fake_job change = {0}, *job = NULL;
    struct repx_err err = {0};
    int64_t id = 0, index;
    int rc = read_options(call, &change);

    if (rc == 0 && *call->argv && take_id(*call->argv, &id, &index) == 0)
        job = fake_read(call->dir, id);
    if (rc < 0 || !job)
        return rc < 0 ? -rc : fake_refuse(call, 153, "qalter: Unknown Job Id");
    free(job->deps);
    job->deps = change.deps;
    job->dep_count = change.dep_count;
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, &err);
    if (fake_write(call->dir, job, &err) == 0)
        (void)fake_wake(call->dir, &err);
    fake_job_free(job);
    return 0;
}

static int run_pbsnodes(struct fake_call *call)
{
    fake_say(call, "node1\n     state = free\n");
    return 0;
}

static const struct fake_command commands[] = {
    {"pbsnodes", FAKE_VERB_LIMITS, 0, run_pbsnodes},
    {"qsub", FAKE_VERB_SUBMIT, 1, run_qsub},
    {"qstat", FAKE_VERB_QUERY, 0, run_qstat},
    {"qdel", FAKE_VERB_CANCEL, 0, run_qdel},
    {"qalter", FAKE_VERB_AMEND, 0, run_qalter},
    {NULL, 0, 0, NULL},
};

const struct fake_product fake_pbs = {
    .name = "pbs",
    .commands = commands,
    .down = "Connection refused\nqsub: cannot connect to server fake (errno=111)",
    .lost = "qsub: End of File",
    .room = "qsub: would exceed complex's per-user limit of jobs in 'Q' state",
    .refused = "qsub: Unknown queue",
    .garbage = "\x1b[31m?? \xff\xfe %s {{{ <oops/> 12x\n",
    .down_status = 111,
    .lost_status = 184,
    .room_status = 37,
    .refused_status = 170,
    .environment = environment,
};
