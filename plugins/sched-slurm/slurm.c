/* SPDX-License-Identifier: MIT */
/* slurm.c: jobs go to Slurm by its own commands: sbatch, squeue, sacct, scancel, scontrol.
 * A job is recognised by its comment, "repx1:KEY", and by its working directory, which
 * ends with the key: accounting keeps that one. */
#include <stdlib.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

static int32_t slurm_open(void **self, const struct repx_host *host,
                          const char *workdir, struct repx_err *err)
{
    struct slurm *s = REPX_NEW(struct slurm);

    (void)workdir, (void)err;
    s->host = host;
    *self = s;
    return 0;
}

static void slurm_close(void *self)
{
    free(self);
}

static int32_t slurm_check(void *self, const struct repx_resources *resources,
                           struct repx_err *err)
{
    REPX_AUTO_ARGS struct repx_args args = {0};

    (void)self;
    return args_resources(&args, resources, err);
}

static int32_t slurm_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                            struct repx_err *err)
{
    static const char *const argv[] = {"scontrol", "show", "config", NULL};
    struct repx_run run;

    if (slurm_run(self, argv, NULL, deadline_ms, &run, err) < 0)
        return -1;
    if (run.status != 0)
        return slurm_fail(&run, "scontrol show config", err);
    *limits = (struct repx_limits){
        .size = sizeof(*limits),
        .array_max = slurm_config_number(run.out, "MaxArraySize", -1),
        .submit_max = slurm_config_number(run.out, "MaxJobCount", -1),
        .script_max = 3 << 20,
        .name_max = -1,
        .poll_ms = 10000,
        .node_submits = -1,
        .remembers_s = slurm_config_number(run.out, "MinJobAge", -1),
        .index_ids = 1,
        .lanes = 1, /* slurmctld answers one after the other anyway */
    };
    return 0;
}

static const struct repx_scheduler_ops slurm_ops = {
    .size = sizeof(slurm_ops),
    .open = slurm_open,
    .close = slurm_close,
    .check = slurm_check,
    .limits = slurm_limits,
    .submit = slurm_submit,
    .status = slurm_status,
    .find = slurm_find,
    .cancel = slurm_cancel,
    .amend = slurm_amend,
    .ended = slurm_ended,
    .honours = REPX_HONOURS_ALL,
};

static const struct repx_plugin slurm_plugin = {
    .size = sizeof(slurm_plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "slurm",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "hands jobs to Slurm",
    .vtable = &slurm_ops,
    .vtable_size = sizeof(slurm_ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &slurm_plugin;
}
