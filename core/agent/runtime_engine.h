/* SPDX-License-Identifier: MIT */
/* runtime_podman.h: the parts of the runtime podman. */
#ifndef REPX_AGENT_RUNTIME_PODMAN_H
#define REPX_AGENT_RUNTIME_PODMAN_H

#include "core/agent/runtime.h"

/* podman itself and the environment it is called with. */
struct podman {
    char *program;
    char **env;
};

/* The image's id in podman's storage, loaded if it is not there (runtime_podman_load.c).
 * Caller frees; NULL with *err. */
char *podman_image(const struct runtime_request *q, const struct podman *podman,
                   struct repx_err *err);

#endif
