/* SPDX-License-Identifier: MIT */
/* resolve_resources.c: layers of resources, one over the other.
 *
 *     defaults, the job's hints, every rule that matches in file order,
 *     then, for a phase other than "main": the hints of its executable,
 *     then, for a step: worker_resources of the last rule that matches
 *
 * A layer overrides what it sets and nothing else. */
#include <string.h>

#include "explain.h"
#include "plan.h"

/* What is done with each layer. */
typedef void layer_fn(void *ctx, const struct resource_rule *layer);

static struct resource_rule from_hints(const struct lab_hints *hints, const char *where)
{
    struct resource_rule r = {
        .cpus = hints->cpus,
        .mem = CONFIG_UNSET,
        .time = CONFIG_UNSET,
        .mem_text = hints->mem,
        .time_text = hints->time,
        .partition = hints->partition,
        .sbatch_opts = hints->sbatch_opts,
        .sbatch_opt_count = hints->sbatch_opt_count,
        .where = where,
    };

    if (hints->mem)
        r.mem = resources_slurm_size(hints->mem);
    if (hints->time)
        r.time = resources_time(hints->time);
    return r;
}

static void hints_layer(const struct lab_hints *hints, const char *where,
                        layer_fn *each, void *ctx)
{
    if (!hints)
        return;
    const struct resource_rule layer = from_hints(hints, where);

    each(ctx, &layer);
}

static int matches(const struct resource_rule *rule, const char *id, const char *target)
{
    return (!rule->target || strcmp(rule->target, target) == 0) &&
           (!rule->job_id_glob || resources_glob(rule->job_id_glob, id));
}

/* Which job, which part of it, where. */
struct place {
    const struct lab_job *job;
    const char *phase, *target;
};

static void each_layer(const struct resources *resources, const struct place *at,
                       layer_fn *each, void *ctx)
{
    const struct resource_rule *last = NULL;

    if (resources)
        each(ctx, &resources->defaults);
    hints_layer(at->job->hints, "the job's own hints in the Lab", each, ctx);
    for (size_t i = 0; resources && i < resources->rule_count; i++) {
        if (!matches(&resources->rules[i], at->job->id, at->target))
            continue;
        last = &resources->rules[i];
        each(ctx, last);
    }
    if (strcmp(at->phase, "main") == 0)
        return;
    const struct lab_exe *exe = lab_exe_find(at->job, at->phase);

    hints_layer(exe ? exe->hints : NULL, "hints of this phase in the Lab", each, ctx);
    if (strncmp(at->phase, "step-", 5) == 0 && last && last->worker)
        each(ctx, last->worker);
}

static void overlay(void *ctx, const struct resource_rule *layer)
{
    struct resource_rule *r = ctx;

    if (layer->partition)
        r->partition = layer->partition;
    if (layer->cpus != CONFIG_UNSET)
        r->cpus = layer->cpus;
    if (layer->mem_text) {
        r->mem = layer->mem;
        r->mem_text = layer->mem_text;
    }
    if (layer->time_text) {
        r->time = layer->time;
        r->time_text = layer->time_text;
    }
    if (layer->sbatch_opt_count) {
        r->sbatch_opts = layer->sbatch_opts;
        r->sbatch_opt_count = layer->sbatch_opt_count;
    }
}

struct resource_rule resolve_resources(const struct resources *resources,
                                       const struct lab_job *job, const char *phase,
                                       const char *target)
{
    struct resource_rule result = {
        .cpus = CONFIG_UNSET, .mem = CONFIG_UNSET, .time = CONFIG_UNSET};
    const struct place at = {job, phase, target};

    each_layer(resources, &at, overlay, &result);
    return result;
}

struct native_search {
    const char *scheduler;
    const struct config_value *found;
};

static void overlay_native(void *ctx, const struct resource_rule *layer)
{
    struct native_search *search = ctx;

    for (size_t i = 0; i < layer->native_count; i++) {
        if (layer->native[i].count &&
            strcmp(layer->native[i].key, search->scheduler) == 0)
            search->found = &layer->native[i];
    }
}

const struct config_value *resolve_native(const struct resources *resources,
                                          const struct lab_job *job, const char *phase,
                                          const char *target, const char *scheduler)
{
    struct native_search search = {scheduler, NULL};
    const struct place at = {job, phase, target};

    each_layer(resources, &at, overlay_native, &search);
    return search.found;
}

struct origin_search {
    const char *scheduler;
    struct resource_origin found;
};

static const char *first_of(const char *own, const char *other)
{
    return own ? own : other;
}

static void overlay_origin(void *ctx, const struct resource_rule *layer)
{
    struct origin_search *search = ctx;
    struct resource_origin *o = &search->found;
    const struct resource_places *at = &layer->elsewhere;

    if (layer->partition)
        o->partition = first_of(at->partition, layer->where);
    if (layer->cpus != CONFIG_UNSET)
        o->cpus = first_of(at->cpus, layer->where);
    if (layer->mem_text)
        o->mem = first_of(at->mem, layer->where);
    if (layer->time_text)
        o->time = first_of(at->time, layer->where);
    if (layer->sbatch_opt_count)
        o->sbatch_opts = first_of(at->sbatch_opts, layer->where);
    for (size_t i = 0; i < layer->native_count; i++) {
        if (layer->native[i].count &&
            strcmp(layer->native[i].key, search->scheduler) == 0)
            o->native = layer->native[i].where;
    }
}

struct resource_origin resolve_origin(const struct resources *resources,
                                      const struct lab_job *job, const char *phase,
                                      const char *target, const char *scheduler)
{
    struct origin_search search = {.scheduler = scheduler};
    const struct place at = {job, phase, target};

    each_layer(resources, &at, overlay_origin, &search);
    return search.found;
}
