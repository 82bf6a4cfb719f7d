/* SPDX-License-Identifier: MIT */
/* check.c: what the scheduler plugin and the others think of what the user wrote: their keys,
 * and the resources of the plan's jobs. */
#include <string.h>

#include <kit/alloc.h>

#include "core/plugin/host.h"
#include "pipeline.h"

/* Options for this scheduler alone, as the plan line has them: sbatch_opts for slurm, and
 * native.NAME for any. */
static size_t native_options(const struct plan *plan, size_t i, const char *phase,
                             const struct resource_rule *r, const char ***options)
{
    const struct config_value *own = resolve_native(
        plan->resources, plan->jobs[i].job, phase, plan->target->name, plan->scheduler);
    size_t n = 0,
           sbatch = strcmp(plan->scheduler, "slurm") == 0 ? r->sbatch_opt_count : 0;

    *options = repx_array(sbatch + (own ? own->count : 0), sizeof(**options));
    for (size_t k = 0; k < sbatch; k++)
        (*options)[n++] = r->sbatch_opts[k];
    for (size_t k = 0; own && k < own->count; k++)
        (*options)[n++] = own->texts[k];
    return n;
}

/* What is set is among what the plugin says it honours, if it says so. */
static int check_honoured(const char *scheduler, uint64_t honours,
                          const struct repx_resources *r, struct repx_err *err)
{
    const struct {
        uint64_t bit;
        const char *name;
        int is_set;
    } fields[] = {
        {REPX_HONOURS_CPUS, "cpus", r->cpus != REPX_UNSET},
        {REPX_HONOURS_MEMORY, "mem", r->memory != REPX_UNSET},
        {REPX_HONOURS_MEMORY_PER_CPU, "memory per CPU", r->memory_per_cpu > 0},
        {REPX_HONOURS_TIME, "time", r->time != REPX_UNSET},
        {REPX_HONOURS_NODES, "nodes", r->nodes != REPX_UNSET},
        {REPX_HONOURS_TASKS, "tasks", r->tasks != REPX_UNSET},
        {REPX_HONOURS_GPUS, "gpus", r->gpus != REPX_UNSET},
        {REPX_HONOURS_QUEUE, "partition", r->queue != NULL},
        {REPX_HONOURS_ACCOUNT, "account", r->account != NULL},
        {REPX_HONOURS_QOS, "qos", r->qos != NULL},
        {REPX_HONOURS_CONSTRAINT, "constraint", r->constraint != NULL},
        {REPX_HONOURS_EXCLUSIVE, "exclusive", r->exclusive != REPX_UNSET},
        {REPX_HONOURS_NATIVE, "native options", r->native_count > 0},
    };

    for (size_t i = 0; honours && i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!fields[i].is_set || honours & fields[i].bit)
            continue;
        return repx_fail(err, REPX_E_USAGE,
                         "scheduler %s does not honour %s: leave that out of "
                         "resources.toml for this target",
                         scheduler, fields[i].name);
    }
    return 0;
}

static int check_phase(const struct plan *plan, size_t i, const char *phase,
                       const struct repx_scheduler_ops *ops, void *self,
                       struct repx_err *err)
{
    REPX_AUTO_FREE const char **native = NULL;
    struct resource_rule r = resolve_resources(plan->resources, plan->jobs[i].job,
                                               phase, plan->target->name);
    struct repx_resources want = {.size = sizeof(want),
                                  .cpus = r.cpus,
                                  .memory = r.mem,
                                  .time = r.time,
                                  .nodes = REPX_UNSET,
                                  .tasks = REPX_UNSET,
                                  .gpus = REPX_UNSET,
                                  .exclusive = REPX_UNSET,
                                  .queue = r.partition,
                                  .memory_per_cpu = REPX_UNSET};

    want.native_count = native_options(plan, i, phase, &r, &native);
    want.native = native;
    if (check_honoured(plan->scheduler, ops->honours, &want, err) < 0 ||
        ops->check(self, &want, err) < 0)
        return strcmp(phase, "main") == 0 ? -1 : repx_wrap(err, "%s", phase);
    return 0;
}

static int check_jobs(const struct pipeline *p, const struct repx_scheduler_ops *ops,
                      void *self, struct repx_err *err)
{
    for (size_t i = 0; i < p->plan->count; i++) {
        const struct lab_job *job = p->plan->jobs[i].job;
        if (job_is_done(&p->status[i]))
            continue;
        for (size_t e = 0; e < job->exe_count; e++) {
            if (check_phase(p->plan, i, job->exes[e].name, ops, self, err) < 0)
                return repx_wrap(err, "job %s", job->id);
        }
    }
    return 0;
}

int plugins_check_keys(const struct plugin_paths *paths,
                       const struct config_target *target, const char *scheduler,
                       struct repx_err *err)
{
    const struct {
        uint32_t kind;
        const char *name;
    } used[] = {{REPX_KIND_SCHEDULER, scheduler},
                {REPX_KIND_SYNC, target->bootstrap},
                {REPX_KIND_SYNC, target->lab},
                {REPX_KIND_SYNC, target->image}};

    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        REPX_AUTO_FREE char *own =
            repx_format("%s-%s", plugin_kind_word(used[i].kind), used[i].name);
        const struct plugin *plugin =
            plugin_load(paths, used[i].kind, used[i].name, err);
        const char *table = used[i].kind == REPX_KIND_SCHEDULER ? used[i].name : own;
        struct host *host =
            plugin ? host_create(plugin, config_table_of(target, table), NULL, err)
                   : NULL;
        if (!host)
            return -1;
        host_destroy(host);
    }
    return 0;
}

int scheduler_check_plan(const struct pipeline *p, struct repx_err *err)
{
    const char *name = p->plan->scheduler;
    struct plugin *plugin = plugin_load(p->paths, REPX_KIND_SCHEDULER, name, err);
    struct host *host =
        plugin ? host_create(plugin, config_table_of(p->plan->target, name),
                             target_ui(p->target), err)
               : NULL;
    void *self = NULL;
    int rc = -1;

    if (host && plugin->ops.scheduler.open(&self, host_services(host), "", err) == 0) {
        rc = check_jobs(p, &plugin->ops.scheduler, self, err);
        plugin->ops.scheduler.close(self);
    }
    host_destroy(host);
    return rc;
}
