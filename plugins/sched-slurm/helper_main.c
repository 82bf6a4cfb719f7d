/* SPDX-License-Identifier: MIT */
#include <kit/helper_main.h>

int main(int argc, char **argv)
{
    return repx_helper_main(argc, argv, repx_plugin_v0());
}
