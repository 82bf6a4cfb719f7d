/* SPDX-License-Identifier: MIT */
/* plan_report.c: what `repx run --dry-run` tells. */
#include "cli.h"
#include "run_report.h"

static void say_planned(const struct plan *plan, size_t i)
{
    const struct plan_job *job = &plan->jobs[i];
    const char *phase = job->job->type == LAB_SCATTER_GATHER ? "scatter" : "main";
    struct resource_rule r =
        resolve_resources(plan->resources, job->job, phase, plan->target->name);
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_fmt(&b, "     runtime %s", job->runtime);
    if (job->image)
        repx_buf_fmt(&b, ", image %s", job->image);
    repx_buf_fmt(&b, ", after %zu jobs", job->dep_count);
    if (r.partition)
        repx_buf_fmt(&b, ", partition %s", r.partition);
    if (r.mem_text)
        repx_buf_fmt(&b, ", mem %s", r.mem_text);
    if (r.time_text)
        repx_buf_fmt(&b, ", time %s", r.time_text);
    ui_say("  %zu. %s", i + 1, job->job->id);
    ui_say("%s", repx_buf_text(&b));
}

void report_plan(const struct plan *plan, int json)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (json) {
        for (size_t i = 0; i < plan->count; i++)
            plan_line(plan, i, &b);
        ui_say("%.*s", b.len ? (int)(b.len - 1) : 0, repx_buf_text(&b));
        return;
    }
    ui_say("Plan for target '%s' using scheduler '%s': %zu jobs", plan->target->name,
           plan->scheduler, plan->count);
    for (size_t i = 0; i < plan->count; i++)
        say_planned(plan, i);
}
