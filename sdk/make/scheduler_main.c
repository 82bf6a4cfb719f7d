/* SPDX-License-Identifier: MIT */
/* main() of a scheduler's helper, for plugins that need none of their own. */
#include <kit/helper_main.h>

int main(int argc, char **argv)
{
    return repx_helper_main(argc, argv, repx_plugin_v0());
}
