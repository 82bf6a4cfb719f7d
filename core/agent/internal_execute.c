/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "core/agent/agent.h"

int internal_execute_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    (void)fprintf(stderr, "repx-agent: internal-execute is not there yet\n");
    return 1;
}
