/* SPDX-License-Identifier: MIT */
/* main.c: which of its programs the agent is to be. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/agent.h"
#include "core/agent/verify.h"

static int version_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return printf("repx-agent %s\n", REPX_VERSION) < 0 || fflush(stdout) != 0;
}

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} programs[] = {
    {"session", session_main},         {"job", job_main},
    {"verify", verify_main},           {"internal-execute", internal_execute_main},
    {"internal-gc", internal_gc_main}, {"internal-confine", internal_confine_main},
    {"--version", version_main},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    (void)signal(SIGPIPE, SIG_IGN);
    repx_large_apart();
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (strcmp(name, programs[i].name) == 0)
            return programs[i].main(argc - 1, argv + 1);
    }
    (void)fprintf(stderr,
                  "usage: repx-agent session BASE [STATE]\n"
                  "       repx-agent job BASE RUN INDEX PHASE KEY [BRANCH]\n"
                  "       repx-agent verify SHA256 FILE\n"
                  "       repx-agent internal-execute ...\n"
                  "       repx-agent --version\n"
                  "It is started by repx; nothing here is for people.\n");
    return 2;
}
