/* SPDX-License-Identifier: MIT */
/* verbs_missing.c: empty tables and programs, for an agent that is built without a part
 * (the tests' agents are). A part's own definition takes precedence. */
#include <stdio.h>

#include "core/agent/agent.h"

#define ABSENT __attribute__((weak))

ABSENT const struct verb store_verbs[] = {{0}};
ABSENT const struct verb ask_verbs[] = {{0}};
ABSENT const struct verb delta_verbs[] = {{0}};
ABSENT const struct verb run_verbs[] = {{0}};
ABSENT const struct verb file_verbs[] = {{0}};
ABSENT const struct verb follow_verbs[] = {{0}};
ABSENT const struct verb pull_verbs[] = {{0}};
ABSENT const struct verb gc_verbs[] = {{0}};

static int absent(const char *program)
{
    (void)fprintf(stderr, "repx-agent: this agent was built without %s\n", program);
    return 2;
}

ABSENT int job_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent("job");
}

ABSENT int internal_gc_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent("internal-gc");
}

ABSENT int internal_execute_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent("internal-execute");
}

ABSENT int internal_confine_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    return absent("internal-confine");
}
