/* SPDX-License-Identifier: MIT */
/* lsf.c: jobs go to LSF by its own commands: bsub, bjobs, bmod, bkill. A job is
 * recognised by its name, which ends with ".KEY". Written from the vendor's documentation, and
 * never yet tried on the product. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define DIGITS "0123456789"

int lsf_unreachable(const char *errors)
{
    static const char *const phrases[] = {"LSF is down",
                                          "LIM is down",
                                          "annot connect to LSF",
                                          "not responding",
                                          "Communication time out",
                                          "Failed in sending",
                                          "Failed in receiving",
                                          "Bad host",
                                          "Connection refused",
                                          "Please wait",
                                          NULL};

    return repx_says(errors, phrases);
}

int lsf_fail(const struct repx_run *run, const char *command, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_said(run->errors, NULL);

    return repx_fail(err, lsf_unreachable(run->errors) ? REPX_E_TIMEOUT : REPX_E_FAILED,
                     "%s: %s", command, *text ? text : "no reason given");
}

int lsf_run(const struct lsf *s, const struct repx_args *a, struct repx_run *run,
            struct repx_err *err)
{
    const struct repx_host *host = s->host;
    /* bsub and the others would otherwise wait for ever for a daemon that is down */
    static const char *const env[] = {"LSB_NTRIES=1", NULL};

    run->env = env;
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
        "%s is not there: is this a submission host of LSF? The key bin_dir "
        "says where its commands are",
        a->list[0]);
}

void lsf_command(const struct lsf *s, struct repx_args *a, const char *program)
{
    const char *dir = s->host->config_text(s->host->ctx, "bin_dir", 0);

    if (dir && *dir) {
        repx_args_fmt(a, "%s/%s", dir, program);
    } else {
        repx_args_add(a, program);
    }
}

/* ---- ids ---- */

int lsf_id_ok(const char *id)
{
    size_t n = strspn(id, DIGITS), m;

    if (n == 0 || n > 18)
        return 0;
    m = id[n] == '_' ? strspn(id + n + 1, DIGITS) : 0;
    return !id[n] || (m > 0 && m < 10 && !id[n + 1 + m]);
}

void lsf_id_put(struct repx_buf *to, const char *id)
{
    const char *index = strchr(id, '_');

    if (index) { /* LSF counts from 1 */
        repx_buf_fmt(to, "%.*s[%lld]", (int)(index - id), id,
                     strtoll(index + 1, NULL, 10) + 1);
    } else {
        repx_buf_str(to, id);
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

/* Parts of one -R: "select[type==any] rusage[mem=1024] span[hosts=1]" */
static int put_requirement(const struct lsf *s, struct repx_buf *to,
                           const struct repx_resources *r, struct repx_err *err)
{
    const char *unit = s->host->config_text(s->host->ctx, "memory_unit", 0);
    int64_t size = !unit || strcmp(unit, "MB") == 0 ? 1 << 20
                   : strcmp(unit, "KB") == 0        ? 1 << 10
                   : strcmp(unit, "GB") == 0        ? 1 << 30
                                                    : 0;

    if (!size)
        return repx_fail(err, REPX_E_USAGE, "memory_unit is KB, MB or GB, not \"%s\"",
                         unit);
    if (r->constraint) {
        if (repx_text_word("the constraint", r->constraint, "._-=", err) < 0)
            return -1;
        repx_buf_fmt(to, "select[%s] ", r->constraint);
    }
    int64_t memory = repx_memory_per_node(r);
    if (memory != REPX_UNSET)
        repx_buf_fmt(to, "rusage[mem=%lld] ",
                     (long long)(memory / size + (memory % size != 0)));
    if (r->nodes <= 1 && r->cpus * (r->tasks > 0 ? r->tasks : 1) > 1)
        repx_buf_str(to, "span[hosts=1] ");
    return 0;
}

/* What sets the job's script, output or place in the queue, and so belongs to us. */
static const char *const reserved[] = {
    "-J",  "-w", "-o*",   "-e*",   "-cwd",  "-L",     "-I*", "-K", "-H",
    "-Zs", "-b", "-pack", "-json", "-yaml", "-jsdl*", "-h",  "-V", NULL};

static int put_size(struct repx_args *a, const struct repx_resources *r,
                    struct repx_err *err)
{
    int64_t slots = (r->cpus > 0 ? r->cpus : 1) * (r->tasks > 0 ? r->tasks : 1);

    if (r->nodes > 1)
        return repx_fail(err, REPX_E_USAGE,
                         "more than one node: say so by native options (-R span[...])");
    if (slots > 1) {
        repx_args_add(a, "-n");
        repx_args_fmt(a, "%lld", (long long)slots);
    }
    if (r->time > 0) { /* whole minutes */
        repx_args_add(a, "-W");
        repx_args_fmt(a, "%lld", (long long)(r->time / 60 + (r->time % 60 != 0)));
    }
    if (r->gpus > 0) {
        repx_args_add(a, "-gpu");
        repx_args_fmt(a, "num=%lld", (long long)r->gpus);
    }
    if (r->exclusive == 1)
        repx_args_add(a, "-x");
    return 0;
}

int lsf_resources(const struct lsf *s, struct repx_args *a,
                  const struct repx_resources *r, struct repx_err *err)
{
    struct repx_buf need REPX_AUTO_BUF = {0};

    if (numbers_ok(r, err) < 0 || put_size(a, r, err) < 0 ||
        put_requirement(s, &need, r, err) < 0)
        return -1;
    if (need.len) {
        need.data[need.len - 1] = 0; /* the blank */
        repx_args_add(a, "-R");
        repx_args_add(a, need.data);
    }
    if (r->qos)
        return repx_fail(err, REPX_E_USAGE, "LSF has no qos");
    if (word(a, "-q", "the queue", r->queue, err) < 0 ||
        word(a, "-P", "the account", r->account, err) < 0)
        return -1;
    return repx_args_native(a, r, "bsub", reserved, err);
}

/* ---- the vtable ---- */

static int32_t lsf_open(void **self, const struct repx_host *host, const char *workdir,
                        struct repx_err *err)
{
    struct lsf *s = REPX_NEW(struct lsf);

    (void)err;
    s->host = host;
    s->records = repx_strdup(workdir);
    *self = s;
    return 0;
}

static void lsf_close(void *self)
{
    struct lsf *s = self;

    if (!s)
        return;
    free(s->records);
    free(s);
}

static int32_t lsf_check(void *self, const struct repx_resources *resources,
                         struct repx_err *err)
{
    struct repx_args args REPX_AUTO_ARGS = {0};

    return lsf_resources(self, &args, resources, err);
}

static int32_t lsf_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                          struct repx_err *err)
{
    const struct lsf *s = self;
    int64_t array_max = 1000;

    (void)deadline_ms, (void)err;
    (void)s->host->config_number(s->host->ctx, "array_max", &array_max);
    *limits = (struct repx_limits){
        .size = sizeof(*limits),
        .array_max = array_max,
        .submit_max = -1,
        .script_max = -1,
        .name_max = 4094,
        .poll_ms = 10000,
        .node_submits = -1,
        .remembers_s = 3600, /* CLEAN_PERIOD, unless the site has another */
        .index_ids = 1,
    };
    return 0;
}

static const struct repx_scheduler_ops ops = {
    .size = sizeof(ops),
    .open = lsf_open,
    .close = lsf_close,
    .check = lsf_check,
    .limits = lsf_limits,
    .submit = lsf_submit,
    .status = lsf_status,
    .find = lsf_find,
    .cancel = lsf_cancel,
    .amend = lsf_amend,
    .honours = REPX_HONOURS_ALL & ~REPX_HONOURS_QOS,
};

static const struct repx_field fields[] = {
    {"bin_dir", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "where bsub and the others are on the target; PATH is searched without it"},
    {"array_max", REPX_FIELD_INT, 0, 1, 10000000, "1000",
     "the largest array (MAX_JOB_ARRAY_SIZE of the site)"},
    {"memory_unit", REPX_FIELD_STRING, 0, 0, 0, "MB",
     "KB, MB or GB: LSF_UNIT_FOR_LIMITS of the site"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "lsf",
    .version = "0.1.0",
    .vendor = "repx",
    .license = "MIT",
    .summary = "hands jobs to LSF",
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
