/* SPDX-License-Identifier: MIT */
/* version.h: the numbers of the plugin contract.
 *
 * The epoch is part of the exported symbol's name (repx_plugin_v0). In epoch 0 major
 * and minor must both be equal: the contract may still change. */
#ifndef REPX_VERSION_H
#define REPX_VERSION_H

#include <stdint.h>

#define REPX_ABI_MAJOR 0
#define REPX_ABI_MINOR 1
#define REPX_PLUGIN_SYMBOL "repx_plugin_v0"

#endif
