/* SPDX-License-Identifier: MIT */
/* runtime_native.c: the script as a plain process. */
#include <kit/alloc.h>

#include "core/agent/runtime.h"

int runtime_native(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err)
{
    static const char system_path[] = "/usr/local/bin:/usr/bin:/bin";
    REPX_AUTO_FREE char *path = q->tools ? repx_format("%s:%s", q->tools, system_path)
                                         : repx_strdup(system_path);
    struct strings argv = {0};

    (void)err;
    strings_add(&argv, "%s", q->script);
    strings_add(&argv, "%s", q->out);
    strings_add(&argv, "%s", q->inputs);
    strings_add(&argv, "%s", q->parameters);
    c->argv = argv.items;
    c->env = runtime_environment(q, path, NULL);
    c->cwd = repx_strdup(q->out);
    return 0;
}
