/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <kit/helper_main.h>

#include "helper_daemon.h"

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "queue") == 0)
        return queue_main(argv[2]);
    return repx_helper_main(argc, argv, repx_plugin_v0());
}
