/* SPDX-License-Identifier: MIT */
/* gridengine.c: jobs go to Grid Engine by its own commands: qsub, qstat, qalter, qdel,
 * qacct. A job is recognised by its name, which ends with ".KEY": qstat and qacct show it
 * whole. What Grid Engine has no word for, a dependency on success, is seen to by the
 * job's own script (kit/records.h). */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

int ge_unreachable(const char *errors)
{
    static const char *const phrases[] = {
        "commlib",
        "unable to contact qmaster",
        "unable to send message",
        "failed receiving",
        "can't connect",
        "cannot connect",
        "got no response",
        "timeout",
        "can't resolve",
        "error reading in",
        "act_qmaster",
        NULL,
    };

    return repx_says(errors, phrases);
}

int ge_fail(const struct repx_run *run, const char *command, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_said(run->errors, "error: ");

    return repx_fail(err, ge_unreachable(run->errors) ? REPX_E_TIMEOUT : REPX_E_FAILED,
                     "%s: %s", command, *text ? text : "no reason given");
}

int ge_run(const struct gridengine *g, const struct repx_args *a, struct repx_run *run,
           struct repx_err *err)
{
    static const char *const names[][2] = {{"SGE_ROOT", "sge_root"},
                                           {"SGE_CELL", "sge_cell"}};
    const struct repx_host *host = g->host;
    struct repx_args env REPX_AUTO_ARGS = {0};

    if (!host->run)
        return repx_fail(err, REPX_E_UNSUPPORTED, "this runs on the target only");
    for (size_t i = 0; i < 2; i++) {
        const char *value = host->config_text(host->ctx, names[i][1], 0);
        if (value && *value)
            repx_args_fmt(&env, "%s=%s", names[i][0], value);
    }
    run->size = sizeof(*run);
    run->argv = (const char *const *)a->list;
    run->env = (const char *const *)env.list;
    run->out = run->errors = "";
    int rc = host->run(host->ctx, run, err);
    if (rc == 0 || !err || err->code != REPX_E_NOENT)
        return rc;
    return repx_fail(err, REPX_E_FAILED,
                     "%s is not there: is this a submit host of Grid Engine? The key "
                     "bin_dir says where its commands are",
                     a->list[0]);
}

static int32_t ge_open(void **self, const struct repx_host *host, const char *workdir,
                       struct repx_err *err)
{
    struct gridengine *g = REPX_NEW(struct gridengine);

    (void)err;
    g->host = host;
    g->records = repx_strdup(workdir);
    *self = g;
    return 0;
}

static void ge_close(void *self)
{
    struct gridengine *g = self;

    if (!g)
        return;
    free(g->records);
    free(g->user);
    free(g);
}

static int32_t ge_check(void *self, const struct repx_resources *resources,
                        struct repx_err *err)
{
    struct repx_args args REPX_AUTO_ARGS = {0};

    return ge_resources(self, &args, resources, err);
}

/* "max_aj_tasks    75000" of the global configuration; absent when it is not there or 0,
 * which is no limit. */
static int64_t conf_number(const char *text, const char *name, int64_t absent)
{
    size_t n = strlen(name);

    while (*text) {
        size_t line = strcspn(text, "\n");
        if (strncmp(text, name, n) == 0 && (text[n] == ' ' || text[n] == '\t')) {
            int64_t value = strtoll(text + n, NULL, 10);
            return value > 0 ? value : absent;
        }
        text += line + (text[line] == '\n');
    }
    return absent;
}

static int32_t ge_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                         struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    ge_command(self, &a, "qconf");
    repx_args_add(&a, "-sconf");
    repx_args_add(&a, "global");
    if (ge_run(self, &a, &run, err) < 0)
        return -1;
    if (run.status != 0)
        return ge_fail(&run, "qconf", err);
    *limits = (struct repx_limits){
        .size = sizeof(*limits),
        .array_max = conf_number(run.out, "max_aj_tasks", -1),
        .submit_max = conf_number(run.out, "max_u_jobs", -1),
        .script_max = -1,
        .name_max = -1,
        .poll_ms = 5000,
        .node_submits = -1,
        .remembers_s = 0,
        .index_ids = 1,
    };
    return 0;
}

static const struct repx_scheduler_ops ops = {
    .size = sizeof(ops),
    .open = ge_open,
    .close = ge_close,
    .check = ge_check,
    .limits = ge_limits,
    .submit = ge_submit,
    .status = ge_status,
    .find = ge_find,
    .cancel = ge_cancel,
    .amend = ge_amend,
    .ended = ge_ended,
    .honours = 0, /* the site's keys decide */
};

static const struct repx_field fields[] = {
    {"bin_dir", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "where qsub and the others are on the target; PATH is searched without it"},
    {"sge_root", REPX_FIELD_STRING, 0, 0, 0, NULL, "SGE_ROOT for the commands"},
    {"sge_cell", REPX_FIELD_STRING, 0, 0, 0, NULL, "SGE_CELL for the commands"},
    {"shell", REPX_FIELD_STRING, 0, 0, 0, "/bin/sh", "POSIX shell of the jobs (-S)"},
    {"parallel_environment", REPX_FIELD_STRING, 0, 0, 0, "smp",
     "the environment (-pe) for jobs with more than one CPU, all on one node"},
    {"memory_resource", REPX_FIELD_STRING, 0, 0, 0, "h_vmem",
     "the resource (-l) that memory is asked by"},
    {"memory_per_slot", REPX_FIELD_BOOL, 0, 0, 0, "true",
     "that resource counts once for each slot"},
    {"gpu_resource", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "the resource that GPUs are asked by; without it they are refused"},
    {"exclusive_resource", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "the resource that a node for itself is asked by; without it that is refused"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "gridengine",
    .version = "0.1.0",
    .vendor = "repx",
    .license = "MIT",
    .summary = "hands jobs to Grid Engine",
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
