/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <fcntl.h>

#include <kit/alloc.h>

#include "expect.h"
#include "jobs.h"

static const struct phase *const phases[] = {
    &phase_bootstrap,
    &phase_lab,
    &phase_image,
    &phase_submit,
};

int pipeline_perform(struct pipeline *p, struct repx_err *err)
{
    target_read_all(p->target, p->options->verify);
    expect_begin(p);
    for (unsigned i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        p->listener->phase(p->listener->ctx, i + 1, phases[i]->name,
                           phases[i]->summary);
        if (phases[i]->perform(p, err) < 0)
            return repx_wrap(err, "%s", phases[i]->name);
    }
    expect_end(p);
    return 0;
}

void pipeline_finish(struct pipeline *p)
{
    if (p->root)
        session_cancel(p->root);
    p->root = NULL;
    plan_status_cancel(p->asked);
    p->asked = NULL;
    if (p->status)
        job_status_release(p->status, p->plan->count);
    p->status = NULL;
}

int pipeline_helper(struct target *target, const char *scheduler, char **file,
                    char **remote, struct digest *digest, struct repx_err *err)
{
    struct plugin *plugin =
        plugin_load(target_paths(target), REPX_KIND_SCHEDULER, scheduler, err);
    char hex[DIGEST_HEX];

    *remote = NULL;
    *file = plugin ? plugin_helper(&plugin->info, target_arch(target), err) : NULL;
    if (!*file)
        return -1;
    REPX_AUTO_CLOSE int fd = open(*file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return repx_fail_errno(err, "%s", *file);
    if (digest_fd(fd, digest, NULL, err) < 0)
        return repx_wrap(err, "%s", *file);
    digest_hex(digest, hex);
    *remote = repx_format("bin/%s/sched-%s", hex, scheduler);
    return 0;
}
