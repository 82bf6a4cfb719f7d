/* SPDX-License-Identifier: MIT */
/* resources.c: what a scheduler says it honours, its check accepts; in the client, where
 * there is nobody to ask. */

#include <kit/err.h>

#include "conform.h"

#define GIB (INT64_C(1) << 30)

static const struct repx_resources unset = {.size = sizeof(unset),
                                            .cpus = REPX_UNSET,
                                            .memory = REPX_UNSET,
                                            .time = REPX_UNSET,
                                            .nodes = REPX_UNSET,
                                            .tasks = REPX_UNSET,
                                            .gpus = REPX_UNSET,
                                            .exclusive = REPX_UNSET,
                                            .memory_per_cpu = REPX_UNSET};

/* A modest wish for one resource. */
static struct repx_resources wish(uint64_t bit)
{
    struct repx_resources r = unset;

    switch (bit) {
    case REPX_HONOURS_CPUS:
        r.cpus = 1;
        break;
    case REPX_HONOURS_MEMORY:
        r.memory = GIB;
        break;
    case REPX_HONOURS_MEMORY_PER_CPU:
        r.memory_per_cpu = GIB;
        break;
    case REPX_HONOURS_TIME:
        r.time = 3600;
        break;
    case REPX_HONOURS_NODES:
        r.nodes = 1;
        break;
    case REPX_HONOURS_TASKS:
        r.tasks = 1;
        break;
    case REPX_HONOURS_GPUS:
        r.gpus = 1;
        break;
    case REPX_HONOURS_QUEUE:
        r.queue = "short";
        break;
    case REPX_HONOURS_ACCOUNT:
        r.account = "physics";
        break;
    case REPX_HONOURS_QOS:
        r.qos = "normal";
        break;
    case REPX_HONOURS_CONSTRAINT:
        r.constraint = "fast";
        break;
    case REPX_HONOURS_EXCLUSIVE:
        r.exclusive = 1;
        break;
    default:
        break; /* native options are the site's own */
    }
    return r;
}

void resource_checks(struct conform *c)
{
    const struct repx_scheduler_ops *ops = &c->plugin->ops.scheduler;
    struct repx_err err = {0};
    void *self = NULL;
    unsigned refused = 0;

    if (!check(ops->open(&self, c->services, "", &err) == 0,
               "it opens in the client %s", err.text))
        return;
    (void)check(ops->check(self, &unset, &err) == 0,
                "check accepts a job that asks for nothing %s", err.text);
    for (uint64_t bit = 1; bit <= REPX_HONOURS_NATIVE; bit *= 2) {
        struct repx_resources r = wish(bit);
        if (ops->honours & bit && ops->check(self, &r, &err) < 0)
            refused++;
    }
    (void)check(!refused, "check accepts what the plugin says it honours %s", err.text);
    (void)check(!(ops->honours & ~(uint64_t)REPX_HONOURS_ALL),
                "honours has no bit that means nothing");
    if (!ops->honours)
        untested("which resources it honours: it leaves that to check");
    ops->close(self);
    ops->close(NULL);
}
