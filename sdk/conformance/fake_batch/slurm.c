/* SPDX-License-Identifier: MIT */
/* slurm.c: sbatch, squeue, scontrol, scancel, sacct. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fake.h"

/* ---- sbatch ---- */

static const struct fake_option sbatch_options[] = {
    {"--parsable", 0},
    {"--job-name", 1},
    {"-J", 1},
    {"--comment", 1},
    {"--chdir", 1},
    {"-D", 1},
    {"--output", 1},
    {"-o", 1},
    {"--error", 1},
    {"--open-mode", 1},
    {"--export", 1},
    {"--array", 1},
    {"-a", 1},
    {"--dependency", 1},
    {"-d", 1},
    {"--kill-on-invalid-dep", 1},
    {"--requeue", 0},
    {"--no-requeue", 0},
    {"--partition", 1},
    {"-p", 1},
    {"--account", 1},
    {"-A", 1},
    {"--qos", 1},
    {"-q", 1},
    {"--constraint", 1},
    {"-C", 1},
    {"--nodes", 1},
    {"-N", 1},
    {"--ntasks", 1},
    {"-n", 1},
    {"--cpus-per-task", 1},
    {"-c", 1},
    {"--mem", 1},
    {"--time", 1},
    {"-t", 1},
    {"--gres", 1},
    {"--gpus", 1},
    {"--exclusive", 0},
    {"--nice", 1},
    {"--signal", 1},
    {"--input", 1},
    {NULL, 0},
};

/* "afterok:1:2_3,afterany:4,aftercorr:5" */
/* NOLINTNEXTLINE(readability-function-size,readability-function-cognitive-complexity): a list of lists */
static int take_deps(struct fake_call *call, struct fake_job *job, const char *text)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {{"afterok:", FAKE_OK},
                 {"afterany:", FAKE_ANY},
                 {"aftercorr:", FAKE_CORR},
                 {"after:", FAKE_ANY}};
    int type = 0;

    free(job->deps);
    job->deps = NULL;
    job->dep_count = 0;
    while (*text) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
            size_t n = strlen(types[i].name);
            if (strncmp(text, types[i].name, n) == 0) {
                type = types[i].type;
                text += n;
                break;
            }
        }
        char *end;
        struct fake_dep d = {type, strtoll(text, &end, 10), -1};
        if (end == text || !type) {
            return fake_refuse(call, -1,
                               "sbatch: error: Batch job submission failed: Job "
                               "dependency problem");
        }
        if (*end == '_')
            d.index = strtoll(end + 1, &end, 10);
        job->deps = repx_grow(job->deps, job->dep_count + 1, sizeof(d));
        job->deps[job->dep_count++] = d;
        text = end + (*end == ':' || *end == ',');
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
    if (strcmp(name, "--job-name") == 0 || strcmp(name, "-J") == 0) {
        set(&job->name, value);
    } else if (strcmp(name, "--comment") == 0) {
        set(&job->comment, value);
    } else if (strcmp(name, "--chdir") == 0 || strcmp(name, "-D") == 0) {
        set(&job->workdir, value);
    } else if (strcmp(name, "--partition") == 0 || strcmp(name, "-p") == 0) {
        set(&job->queue, value);
    } else if (strcmp(name, "--array") == 0 || strcmp(name, "-a") == 0) {
        char *end;
        job->first = strtoll(value, &end, 10);
        job->count =
            (*end == '-' ? strtoll(end + 1, NULL, 10) : job->first) - job->first + 1;
    } else if (strcmp(name, "--dependency") == 0 || strcmp(name, "-d") == 0) {
        return take_deps(call, job, value);
    } else if (strcmp(name, "--kill-on-invalid-dep") == 0) {
        job->stays = strcmp(value, "yes") != 0;
    }
    return 0;
}

static int run_sbatch(struct fake_call *call)
{
    struct fake_job *job = REPX_NEW(struct fake_job);
    const char *name, *value;
    int rc;

    job->stays = 1;
    while ((rc = fake_next(call, sbatch_options, &name, &value)) > 0) {
        if (take_option(call, job, name, value) < 0) {
            rc = -1;
            break;
        }
    }
    if (rc == 0 && strncmp(call->in.data, "#!", 2) != 0) {
        rc = fake_refuse(call, -1,
                         "sbatch: error: This does not look like a batch "
                         "script");
    }
    if (rc == 0)
        rc = fake_submit(call, job, &call->in);
    if (rc == 0)
        fake_say(call, "%lld\n", (long long)job->id);
    fake_job_free(job);
    return rc;
}

static void environment(const struct fake_job *job, int64_t index, struct repx_buf *to)
{
    repx_buf_fmt(to, "SLURM_JOB_ID=%lld\n", (long long)job->id);
    if (job->count) {
        repx_buf_fmt(to, "SLURM_ARRAY_JOB_ID=%lld\nSLURM_ARRAY_TASK_ID=%lld\n",
                     (long long)job->id, (long long)index);
    }
}

/* ---- squeue ---- */

static const char *state_name(int32_t state)
{
    static const char *const names[] = {"PENDING", "RUNNING",   "COMPLETED",
                                        "FAILED",  "CANCELLED", "CANCELLED"};

    return names[state >= 0 && state <= FAKE_NEVER ? state : 0];
}

static const char *format; /* of this squeue or sacct */

/* at: the index, or -1 for all of an array that waits */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): a table of letters */
static void field(struct fake_call *call, const struct fake_job *job, int64_t at,
                  char letter)
{
    const struct fake_index *s = job->states + (at < 0 ? 0 : at);
    char index[64] = "N/A";

    if (job->count && at >= 0) {
        (void)snprintf(index, sizeof(index), "%lld", (long long)(job->first + at));
    } else if (job->count) {
        (void)snprintf(index, sizeof(index), "%lld-%lld", (long long)job->first,
                       (long long)(job->first + job->count - 1));
    }
    switch (letter) {
    case 'i':
    case 'F':
    case 'A':
        fake_say(call, "%lld", (long long)job->id);
        break;
    case 'K':
        fake_say(call, "%s", index);
        break;
    case 'T':
        fake_say(call, "%s", state_name(s->state));
        break;
    case 'r':
        fake_say(call, "%s",
                 s->state == FAKE_NEVER     ? "DependencyNeverSatisfied"
                 : s->state == FAKE_PENDING ? job->dep_count ? "Dependency" : "Priority"
                                            : "None");
        break;
    case 'N':
        fake_say(call, "%s", s->state == FAKE_RUNNING ? "fake1" : "");
        break;
    case 'k':
        fake_say(call, "%s", job->comment ? job->comment : "(null)");
        break;
    case 'Z':
        fake_say(call, "%s", job->workdir ? job->workdir : "/");
        break;
    case 'j':
        fake_say(call, "%s", job->name ? job->name : "sbatch");
        break;
    case 'P':
        fake_say(call, "%s", job->queue ? job->queue : "fake");
        break;
    default:
        fake_say(call, "0");
        break;
    }
}

static void row(struct fake_call *call, const struct fake_job *job, int64_t at)
{
    for (const char *p = format; *p; p++) {
        if (*p == '%' && p[1]) {
            p += 1 + strspn(p + 1, ".0123456789");
            field(call, job, at, *p);
        } else {
            fake_say(call, "%c", *p);
        }
    }
    fake_say(call, "\n");
}

static void job_rows(struct fake_call *call, const struct fake_job *job)
{
    size_t waiting = 0;

    for (size_t i = 0; i < FAKE_WIDTH(job); i++)
        waiting += job->states[i].state == FAKE_PENDING;
    if (job->count && waiting == FAKE_WIDTH(job)) {
        row(call, job, -1);
        return;
    }
    for (size_t i = 0; i < FAKE_WIDTH(job); i++)
        row(call, job, (int64_t)i);
}

static int run_squeue(struct fake_call *call)
{
    static const struct fake_option options[] = {
        {"--noheader", 0}, {"-h", 0},      {"--user", 1},  {"-u", 1},
        {"--states", 1},   {"-t", 1},      {"-r", 0},      {"--format", 1},
        {"-o", 1},         {"--array", 0}, {"--me", 0},    {"-j", 1},
        {"--jobs", 1},     {"--sort", 1},  {"--local", 0}, {NULL, 0}};
    const char *name, *value;
    int rc;

    format = "%F|%K|%T";
    while ((rc = fake_next(call, options, &name, &value)) > 0) {
        if (strcmp(name, "--format") == 0 || strcmp(name, "-o") == 0)
            format = value;
    }
    if (rc == 0)
        fake_each(call, job_rows);
    return rc;
}

/* ---- sacct ---- */

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): a table of names */
static void account_field(struct fake_call *call, const struct fake_job *job, size_t at,
                          const char *name)
{
    const struct fake_index *s = job->states + at;

    if (strcmp(name, "JobID") == 0) {
        fake_say(call, "%lld", (long long)job->id);
        if (job->count)
            fake_say(call, "_%lld", (long long)job->first + (long long)at);
    } else if (strcmp(name, "State") == 0) {
        fake_say(call, "%s", state_name(s->state));
    } else if (strcmp(name, "ExitCode") == 0) {
        fake_say(call, "%d:%d", s->exit < 128 ? (s->exit > 0 ? s->exit : 0) : 0,
                 s->exit > 128 ? s->exit - 128 : 0);
    } else if (strcmp(name, "WorkDir") == 0) {
        fake_say(call, "%s", job->workdir ? job->workdir : "");
    } else if (strcmp(name, "Comment") == 0) {
        fake_say(call, "%s", job->comment ? job->comment : "");
    } else if (strcmp(name, "JobName") == 0) {
        fake_say(call, "%s", job->name ? job->name : "");
    } else if (strcmp(name, "NodeList") == 0) {
        fake_say(call, "fake1");
    }
}

static void account_rows(struct fake_call *call, const struct fake_job *job)
{
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        REPX_AUTO_FREE char *copy = repx_strdup(format);
        char *rest = copy, *name;
        const char *lead = "";
        while ((name = strtok_r(rest, ",", &rest)) != NULL) {
            fake_say(call, "%s", lead);
            account_field(call, job, i, name);
            lead = "|";
        }
        fake_say(call, "\n");
    }
}

static int run_sacct(struct fake_call *call)
{
    static const struct fake_option options[] = {
        {"--noheader", 0},  {"-n", 0},      {"--allocations", 0}, {"-X", 0},
        {"--parsable2", 0}, {"-P", 0},      {"--format", 1},      {"-o", 1},
        {"--user", 1},      {"-u", 1},      {"--starttime", 1},   {"-S", 1},
        {"--endtime", 1},   {"-E", 1},      {"--state", 1},       {"--duplicates", 0},
        {"--delimiter", 1}, {"--units", 1}, {"--noconvert", 0},   {NULL, 0}};
    const char *name, *value;
    int rc;

    format = "JobID,State,ExitCode";
    while ((rc = fake_next(call, options, &name, &value)) > 0) {
        if (strcmp(name, "--format") == 0 || strcmp(name, "-o") == 0)
            format = value;
    }
    if (rc == 0)
        fake_each(call, account_rows);
    return rc;
}

/* ---- scancel, scontrol ---- */

/* "12", "12_3", "12_[3-5]" */
static int run_scancel(struct fake_call *call)
{
    struct repx_err err = {0};

    for (; *call->argv; call->argv++) {
        char *end;
        int64_t id = strtoll(*call->argv, &end, 10), from = -1, to = -1;
        if (*end == '_') {
            end += end[1] == '[' ? 2 : 1;
            from = to = strtoll(end, &end, 10);
            if (*end == '-')
                to = strtoll(end + 1, NULL, 10);
        }
        for (int64_t i = from; i <= to; i++) {
            if (fake_cancel(call->dir, id, i, &err) < 0)
                return fake_refuse(call, 1, "scancel: error: %s", err.text);
        }
    }
    return 0;
}

static int update(struct fake_call *call)
{
    struct fake_job *job = NULL;
    const char *deps = NULL;
    struct repx_err err = {0};

    for (; *call->argv; call->argv++) {
        if (strncasecmp(*call->argv, "JobId=", 6) == 0)
            job = fake_read(call->dir, strtoll(*call->argv + 6, NULL, 10));
        if (strncasecmp(*call->argv, "Dependency=", 11) == 0)
            deps = *call->argv + 11;
    }
    if (!job)
        return fake_refuse(call, 1, "Invalid job id specified");
    int rc = deps ? take_deps(call, job, deps) : 0;
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, &err);
    if (rc == 0 && fake_write(call->dir, job, &err) == 0)
        (void)fake_wake(call->dir, &err);
    fake_job_free(job);
    return rc;
}

static int run_scontrol(struct fake_call *call)
{
    if (call->argv[0] && strcmp(call->argv[0], "update") == 0) {
        call->argv++;
        return update(call);
    }
    fake_say(call,
             "Configuration data as of today\n"
             "MaxArraySize            = 1001\n"
             "MaxJobCount             = 10000\n"
             "MinJobAge               = 300 sec\n"
             "SLURM_VERSION           = 22.05.8\n");
    return 0;
}

static const struct fake_command commands[] = {
    {"sbatch", FAKE_VERB_SUBMIT, 1, run_sbatch},
    {"squeue", FAKE_VERB_QUERY, 0, run_squeue},
    {"sacct", FAKE_VERB_HISTORY, 0, run_sacct},
    {"scancel", FAKE_VERB_CANCEL, 0, run_scancel},
    {"scontrol", FAKE_VERB_AMEND, 0, run_scontrol},
    {NULL, 0, 0, NULL},
};

const struct fake_product fake_slurm = {
    .name = "slurm",
    .commands = commands,
    .down =
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    .lost =
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv "
        "operation",
    .room =
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job "
        "submission failed: Job violates accounting/QOS policy (job submit limit, "
        "user's size and/or time limits)",
    .refused =
        "sbatch: error: Batch job submission failed: Invalid partition name "
        "specified",
    .garbage = "\x1b[31m?? \xff\xfe %s {{{ <oops/> 12x\n",
    .down_status = 1,
    .lost_status = 1,
    .room_status = 1,
    .refused_status = 1,
    .environment = environment,
};
