/* SPDX-License-Identifier: MIT */
/* gridengine.c: qsub, qstat -xml, qalter, qdel, qconf, qacct. */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static void take_deps(struct fake_job *job, int type, const char *text)
{
    char *end;

    while (*text) {
        struct fake_dep d = {type, strtoll(text, &end, 10), -1};
        if (end == text)
            return; /* a name: holds nothing here */
        job->deps = repx_grow(job->deps, job->dep_count + 1, sizeof(d));
        job->deps[job->dep_count++] = d;
        text = end + (*end == ',');
    }
}

static void set(char **to, const char *value)
{
    free(*to);
    *to = repx_strdup(value);
}

static int read_options(struct fake_call *call, struct fake_job *job)
{
    static const struct fake_option options[] = {
        {"-terse", 0}, {"-N", 1},  {"-S", 1}, {"-b", 1},        {"-C", 1},
        {"-wd", 1},    {"-o", 1},  {"-e", 1}, {"-j", 1},        {"-r", 1},
        {"-t", 1},     {"-pe", 1}, {"-l", 1}, {"-hold_jid", 1}, {"-hold_jid_ad", 1},
        {"-q", 1},     {"-P", 1},  {"-p", 1}, {NULL, 0}};
    const char *name, *value;
    int rc;

    while ((rc = fake_next(call, options, &name, &value)) > 0) {
        char *end;
        if (strcmp(name, "-pe") == 0 && *call->argv) {
            call->argv++; /* the number */
        } else if (strcmp(name, "-N") == 0) {
            set(&job->name, value);
        } else if (strcmp(name, "-S") == 0) {
            set(&job->shell, value);
        } else if (strcmp(name, "-wd") == 0) {
            set(&job->workdir, value);
        } else if (strcmp(name, "-hold_jid") == 0) {
            take_deps(job, FAKE_ANY, value);
        } else if (strcmp(name, "-hold_jid_ad") == 0) {
            take_deps(job, FAKE_CORR_ANY, value);
        } else if (strcmp(name, "-t") == 0) {
            job->first = strtoll(value, &end, 10);
            job->count = strtoll(end + (*end == '-'), NULL, 10) - job->first + 1;
        }
    }
    return rc;
}

static int run_qsub(struct fake_call *call)
{
    struct fake_job *job = REPX_NEW(struct fake_job);
    int rc = read_options(call, job);

    if (rc == 0)
        rc = fake_submit(call, job, &call->in);
    if (rc == 0 && job->count) {
        fake_say(call, "%lld.%lld-%lld:1\n", (long long)job->id, (long long)job->first,
                 (long long)(job->first + job->count - 1));
    } else if (rc == 0) {
        fake_say(call, "%lld\n", (long long)job->id);
    }
    fake_job_free(job);
    return rc;
}

static void environment(const struct fake_job *job, int64_t index, struct repx_buf *to)
{
    repx_buf_fmt(to, "JOB_ID=%lld\n", (long long)job->id);
    if (job->count) {
        repx_buf_fmt(to, "SGE_TASK_ID=%lld\n", (long long)index);
    } else {
        repx_buf_str(to, "SGE_TASK_ID=undefined\n");
    }
}

/* ---- qstat ---- */

static void job_rows(struct fake_call *call, const struct fake_job *job)
{
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        int32_t state = job->states[i].state;
        if (fake_is_over(state))
            continue;
        fake_say(call,
                 "    <job_list state=\"%s\">\n"
                 "      <JB_job_number>%lld</JB_job_number>\n"
                 "      <JB_name>%s</JB_name>\n      <JB_owner>me</JB_owner>\n"
                 "      <state>%s</state>\n      <queue_name>%s</queue_name>\n",
                 state == FAKE_RUNNING ? "running" : "pending", (long long)job->id,
                 job->name ? job->name : "STDIN",
                 state == FAKE_RUNNING ? "r"
                 : job->dep_count      ? "hqw"
                                       : "qw",
                 state == FAKE_RUNNING ? "all.q@fake1" : "");
        if (job->count) {
            fake_say(call, "      <tasks>%lld</tasks>\n",
                     (long long)job->first + (long long)i);
        }
        fake_say(call, "    </job_list>\n");
    }
}

static int run_qstat(struct fake_call *call)
{
    fake_say(call,
             "<?xml version='1.0'?>\n<job_info>\n  <queue_info>\n  </queue_info>\n"
             "  <job_info>\n");
    fake_each(call, job_rows);
    fake_say(call, "  </job_info>\n</job_info>\n");
    return 0;
}

/* ---- qdel, qalter, qconf, qacct ---- */

static int run_qdel(struct fake_call *call)
{
    struct repx_err err = {0};
    int status = 0;

    for (; *call->argv; call->argv++) {
        char *end;
        int64_t id = strtoll(*call->argv, &end, 10);
        int64_t index = *end == '.' ? strtoll(end + 1, NULL, 10) : -1;
        struct fake_job *job = fake_read(call->dir, id);
        int open = 0;
        for (size_t i = 0; job && i < FAKE_WIDTH(job); i++)
            open |= !fake_is_over(job->states[i].state);
        if (!open) {
            fake_say(call, "denied: job \"%lld\" does not exist\n", (long long)id);
            status = 1;
        } else {
            (void)fake_cancel(call->dir, id, index, &err);
            fake_say(call, "me has registered the job %lld for deletion\n",
                     (long long)id);
        }
        fake_job_free(job);
    }
    return status;
}

static int run_qalter(struct fake_call *call)
{
    struct fake_job change = {0}, *job = NULL;
    struct repx_err err = {0};

    if (read_options(call, &change) < 0)
        return 2;
    if (*call->argv)
        job = fake_read(call->dir, strtoll(*call->argv, NULL, 10));
    if (!job)
        return fake_refuse(call, 1, "denied: job does not exist");
    free(job->deps);
    job->deps = change.deps;
    job->dep_count = change.dep_count;
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, &err);
    if (fake_write(call->dir, job, &err) == 0)
        (void)fake_wake(call->dir, &err);
    fake_job_free(job);
    return 0;
}

static int run_qconf(struct fake_call *call)
{
    fake_say(call,
             "#global:\nmax_aj_tasks                 75000\n"
             "max_u_jobs                   0\n");
    return 0;
}

static void account_rows(struct fake_call *call, const struct fake_job *job)
{
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        const struct fake_index *s = job->states + i;
        if (!fake_is_over(s->state) || !s->begun)
            continue;
        fake_say(call,
                 "==============================================================\n"
                 "qname        all.q\nhostname     fake1\nowner        me\n"
                 "jobname      %s\njobnumber    %lld\n",
                 job->name ? job->name : "STDIN", (long long)job->id);
        if (job->count) {
            fake_say(call, "taskid       %lld\n", (long long)job->first + (long long)i);
        } else {
            fake_say(call, "taskid       undefined\n");
        }
        fake_say(call, "failed       %s\nexit_status  %d\nmaxvmem      1.5M\n",
                 s->state == FAKE_CANCELED ? "100 : assumedly after job" : "0",
                 (int)s->exit);
    }
}

static int run_qacct(struct fake_call *call)
{
    fake_each(call, account_rows);
    return 0;
}

static const struct fake_command commands[] = {
    {"qacct", FAKE_VERB_HISTORY, 0, run_qacct},
    {"qsub", FAKE_VERB_SUBMIT, 1, run_qsub},
    {"qstat", FAKE_VERB_QUERY, 0, run_qstat},
    {"qdel", FAKE_VERB_CANCEL, 0, run_qdel},
    {"qalter", FAKE_VERB_AMEND, 0, run_qalter},
    {"qconf", FAKE_VERB_LIMITS, 0, run_qconf},
    {NULL, 0, 0, NULL},
};

const struct fake_product fake_gridengine = {
    .name = "gridengine",
    .commands = commands,
    .down =
        "error: commlib error: got select error (Connection refused)\nUnable to run "
        "job: unable to send message to qmaster using port 6444 on host \"fake\": got "
        "send error\nExiting.",
    .lost = "Unable to run job: failed receiving gdi request\nExiting.",
    .room =
        "Unable to run job: job rejected: only 10 jobs are allowed per user (current "
        "job count: 10)\nExiting.",
    .refused =
        "Unable to run job: Job was rejected because job requests unknown queue "
        "\"fast\"\nExiting.",
    .garbage = "\x1b[31m?? \xff\xfe %s {{{ <oops/> 12x\n",
    .down_status = 1,
    .lost_status = 1,
    .room_status = 1,
    .refused_status = 1,
    .environment = environment,
};
