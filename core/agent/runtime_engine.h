/* SPDX-License-Identifier: MIT */
/* runtime_engine.h: the parts of the runtimes podman and docker. */
#ifndef REPX_AGENT_RUNTIME_ENGINE_H
#define REPX_AGENT_RUNTIME_ENGINE_H

#include "core/agent/runtime.h"

/* The engine's client and the environment it is called with. */
struct engine {
    char *program;
    char **env;
    int is_docker;
};

/* The image's id in the engine's storage, loaded if it is not there
 * (runtime_engine_load.c). Caller frees; NULL with *err. */
char *engine_image(const struct runtime_request *q, const struct engine *engine,
                   struct repx_err *err);

#endif
