/* SPDX-License-Identifier: MIT */
/* internal-execute, internal-gc: RepX's hidden commands, done by the agent's program. */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "cli.h"

static int exec_agent(struct cli *cli, const char *verb, char **words, int count,
                      struct repx_err *err)
{
    struct utsname uts;

    if (cli_paths(cli, err) < 0 || uname(&uts) < 0)
        return -1;
    REPX_AUTO_FREE char *agent =
        repx_format("%s/agent-linux-%s", plugin_libexec(cli->paths), uts.machine);
    REPX_AUTO_FREE char **argv = repx_array((size_t)count + 3, sizeof(*argv));
    REPX_AUTO_FREE char *name = repx_strdup(verb);
    argv[0] = agent;
    argv[1] = name;
    if (count)
        memcpy(argv + 2, words, (size_t)count * sizeof(*argv));
    (void)execv(agent, argv);
    return repx_fail_errno(err, "%s", agent);
}

static int internal_execute(struct cli *cli, const void *args, char **words, int count,
                            struct repx_err *err)
{
    (void)args;
    return exec_agent(cli, "internal-execute", words, count, err);
}

static int internal_gc(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    (void)args;
    return exec_agent(cli, "internal-gc", words, count, err);
}

const struct cmd cmd_internal_execute = {
    .name = "internal-execute",
    .usage = "OPTIONS",
    .summary = "run one executable of a job (for schedulers)",
    .max_words = -1,
    .hidden = 1,
    .raw = 1,
    .main = internal_execute,
};

const struct cmd cmd_internal_gc = {
    .name = "internal-gc",
    .usage = "OPTIONS",
    .summary = "collect garbage below a base path",
    .max_words = -1,
    .hidden = 1,
    .raw = 1,
    .main = internal_gc,
};
