/* SPDX-License-Identifier: MIT */
/* manifest_write.h: the manifest of a plugin as text, from its descriptor. */
#ifndef REPX_PLUGIN_MANIFEST_WRITE_H
#define REPX_PLUGIN_MANIFEST_WRITE_H

#include <repx/plugin.h>

#include <kit/buf.h>

/* No line is longer than the reader takes. helpers: "ARCH = DIGEST" lines, or "". */
void manifest_write(struct repx_buf *to, const struct repx_plugin *plugin,
                    const char *sha256, const char *helpers);

#endif
