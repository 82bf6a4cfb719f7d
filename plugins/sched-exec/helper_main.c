/* SPDX-License-Identifier: MIT */
#include <kit/helper_pass.h>

int main(int argc, char **argv)
{
    return repx_helper_pass(argc, argv, repx_plugin_v0(), "helper");
}
