/* SPDX-License-Identifier: MIT */
/* pbs.c: jobs go to OpenPBS by its own commands: qsub, qstat, qalter, qdel. A job is
 * recognised by its name, which ends with ".KEY". Written from the vendor's documentation, and
 * never yet tried on the product. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define DIGITS "0123456789"

int pbs_unreachable(const char *errors)
{
    static const char *const phrases[] = {"annot connect",
                                          "Connection refused",
                                          "Connection reset",
                                          "Connection timed out",
                                          "End of File",
                                          "Protocol",
                                          "Premature end",
                                          "Unable to communicate",
                                          "No Connection",
                                          "timed out",
                                          "Communication",
                                          "System error",
                                          NULL};

    return repx_says(errors, phrases);
}

int pbs_fail(const struct repx_run *run, const char *command, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_said(run->errors, NULL);

    return repx_fail(err, pbs_unreachable(run->errors) ? REPX_E_TIMEOUT : REPX_E_FAILED,
                     "%s: %s", command, *text ? text : "no reason given");
}

int pbs_run(const struct pbs *s, const struct repx_args *a, struct repx_run *run,
            struct repx_err *err)
{
    const struct repx_host *host = s->host;

    if (!host->run)
        return repx_fail(err, REPX_E_UNSUPPORTED, "this runs on the target only");
    run->size = sizeof(*run);
    run->argv = (const char *const *)a->list;
    run->out = run->errors = "";
    int rc = host->run(host->ctx, run, err);
    if (rc == 0 || !err || err->code != REPX_E_NOENT)
        return rc;
    return repx_fail(
        err, REPX_E_FAILED,
        "%s is not there: is this a submission host of OpenPBS? The key bin_dir "
        "says where its commands are",
        a->list[0]);
}

void pbs_command(const struct pbs *s, struct repx_args *a, const char *program)
{
    const char *dir = s->host->config_text(s->host->ctx, "bin_dir", 0);

    if (dir && *dir) {
        repx_args_fmt(a, "%s/%s", dir, program);
    } else {
        repx_args_add(a, program);
    }
}

/* ---- ids ---- */

int pbs_id_ok(const char *id)
{
    size_t n = strspn(id, DIGITS), m;

    if (n == 0 || n > 18)
        return 0;
    if (!id[n])
        return 1;
    id += n + (strncmp(id + n, "[]", 2) == 0 ? 2 : 0);
    m = *id == '_' ? strspn(id + 1, DIGITS) : 0;
    return !*id || (m > 0 && m < 10 && !id[1 + m]);
}

void pbs_id_put(struct repx_buf *to, const char *id)
{
    const char *index = strchr(id, '_');
    size_t n = strspn(id, DIGITS);

    if (index && id[n] == '[') {
        repx_buf_fmt(to, "%.*s[%s]", (int)n, id, index + 1);
    } else {
        repx_buf_fmt(to, "%.*s", (int)strcspn(id, "_"), id);
    }
}

/* ---- resources ---- */

static int word(struct repx_args *a, const char *option, const char *what,
                const char *value, struct repx_err *err)
{
    if (!value)
        return 0;
    if (repx_text_word(what, value, "._-@", err) < 0)
        return -1;
    repx_args_add(a, option);
    repx_args_add(a, value);
    return 0;
}

static int numbers_ok(const struct repx_resources *r, struct repx_err *err)
{
    if (repx_number_least("cpus", r->cpus, 1, err) < 0 ||
        repx_number_least("memory", r->memory, 0, err) < 0 ||
        repx_number_least("gpus", r->gpus, 0, err) < 0 ||
        repx_number_least("nodes", r->nodes, 1, err) < 0 ||
        repx_number_least("tasks", r->tasks, 1, err) < 0)
        return -1;
    return r->time == -2 ? 0 : repx_number_least("time", r->time, 1, err);
}

/* One chunk for each node or task: "2:ncpus=4:mem=1024kb". */
static int put_select(struct repx_buf *to, const struct repx_resources *r,
                      struct repx_err *err)
{
    int64_t chunks = r->nodes > 0 ? r->nodes : 1, each = 1;

    if (r->tasks > 0) {
        if (r->tasks % chunks)
            return repx_fail(
                err, REPX_E_USAGE,
                "%lld tasks do not fit %lld nodes evenly: say it by native "
                "options (-l select=...)",
                (long long)r->tasks, (long long)chunks);
        each = r->tasks / chunks;
    }
    int64_t memory = repx_memory_per_node(r);
    if (r->cpus == REPX_UNSET && memory == REPX_UNSET && r->gpus <= 0 && chunks == 1 &&
        each == 1 && !r->constraint)
        return 0;
    repx_buf_fmt(to, "select=%lld:ncpus=%lld", (long long)chunks,
                 (long long)(each * (r->cpus > 0 ? r->cpus : 1)));
    if (each > 1)
        repx_buf_fmt(to, ":mpiprocs=%lld", (long long)each);
    if (memory != REPX_UNSET)
        repx_buf_fmt(to, ":mem=%lldkb",
                     (long long)(memory / 1024 + (memory % 1024 != 0)));
    if (r->gpus > 0)
        repx_buf_fmt(to, ":ngpus=%lld", (long long)r->gpus);
    if (!r->constraint)
        return 0;
    if (repx_text_word("the constraint", r->constraint, "._-=", err) < 0)
        return -1;
    repx_buf_fmt(to, ":%s", r->constraint);
    return 0;
}

/* What sets the job's script, output or place in the queue, and so belongs to us. */
static const char *const reserved[] = {
    "-C*", "-N*", "-S*", "-J*", "-o*", "-e*", "-j*",       "-W depend*", "-I*",
    "-z",  "-h",  "-f",  "--",  "-R*", "-k*", "--version", NULL};

int pbs_resources(const struct pbs *s, struct repx_args *a,
                  const struct repx_resources *r, struct repx_err *err)
{
    struct repx_buf select REPX_AUTO_BUF = {0};

    (void)s;
    if (numbers_ok(r, err) < 0 || put_select(&select, r, err) < 0)
        return -1;
    if (select.len) {
        repx_args_add(a, "-l");
        repx_args_add(a, select.data);
    }
    if (r->exclusive == 1) {
        repx_args_add(a, "-l");
        repx_args_add(a, "place=excl");
    }
    if (r->time > 0) {
        repx_args_add(a, "-l");
        repx_args_fmt(a, "walltime=%lld:%02d:%02d", (long long)(r->time / 3600),
                      (int)(r->time / 60 % 60), (int)(r->time % 60));
    }
    if (r->qos)
        return repx_fail(err, REPX_E_USAGE, "PBS has no qos");
    if (word(a, "-q", "the queue", r->queue, err) < 0 ||
        word(a, "-A", "the account", r->account, err) < 0)
        return -1;
    return repx_args_native(a, r, "qsub", reserved, err);
}

/* ---- the vtable ---- */

static int32_t pbs_open(void **self, const struct repx_host *host, const char *workdir,
                        struct repx_err *err)
{
    struct pbs *s = REPX_NEW(struct pbs);

    (void)err;
    s->host = host;
    s->records = repx_strdup(workdir);
    *self = s;
    return 0;
}

static void pbs_close(void *self)
{
    struct pbs *s = self;

    if (!s)
        return;
    free(s->records);
    free(s);
}

static int32_t pbs_check(void *self, const struct repx_resources *resources,
                         struct repx_err *err)
{
    struct repx_args args REPX_AUTO_ARGS = {0};

    return pbs_resources(self, &args, resources, err);
}

static int32_t pbs_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                          struct repx_err *err)
{
    const struct pbs *s = self;
    int64_t array_max = 10000;

    (void)deadline_ms, (void)err;
    /* max_array_size of the server is told to operators only */
    (void)s->host->config_number(s->host->ctx, "array_max", &array_max);
    *limits = (struct repx_limits){
        .size = sizeof(*limits),
        .array_max = array_max,
        .submit_max = -1,
        .script_max = -1,
        .name_max = 230,
        .poll_ms = 10000,
        .node_submits = -1,
        .remembers_s = -1,
        .index_ids = 1,
    };
    return 0;
}

static const struct repx_scheduler_ops ops = {
    .size = sizeof(ops),
    .open = pbs_open,
    .close = pbs_close,
    .check = pbs_check,
    .limits = pbs_limits,
    .submit = pbs_submit,
    .status = pbs_status,
    .find = pbs_find,
    .cancel = pbs_cancel,
    .amend = pbs_amend,
    .honours = REPX_HONOURS_ALL & ~REPX_HONOURS_QOS,
};

static const struct repx_field fields[] = {
    {"bin_dir", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "where qsub and the others are on the target; PATH is searched without it"},
    {"array_max", REPX_FIELD_INT, 0, 2, 10000000, "10000",
     "the largest array (max_array_size of the server)"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "pbs",
    .version = "0.1.0",
    .vendor = "repx",
    .license = "MIT",
    .summary = "hands jobs to OpenPBS",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .field_stride = sizeof(fields[0]),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
