/* SPDX-License-Identifier: MIT */
/* probe.h: would this plugin load? Asked in a child, which the plugin may end, crash or
 * stop as it likes. */
#ifndef REPX_PLUGIN_PROBE_H
#define REPX_PLUGIN_PROBE_H

#include <stdint.h>

#include <kit/err.h>

/* ".../KIND-NAME.so": the kind, or 0; the caller frees *name. */
uint32_t plugin_file_split(const char *file, char **name);

/* file: .../KIND-NAME.so, its manifest beside it; of one without, or called otherwise, what
 * is wrong with the file itself is told first. All that loading checks is checked. A
 * child that has not answered after timeout_ms is killed: REPX_E_TIMEOUT. */
int plugin_probe(const char *file, int timeout_ms, struct repx_err *err);

/* Are we such a child? It loads the plugin itself. */
int plugin_probe_is_child(void);

#endif
