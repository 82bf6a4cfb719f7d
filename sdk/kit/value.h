/* SPDX-License-Identifier: MIT */
/* value.h: texts of configuration keys as numbers, and sizes as texts, the same in the client
 * and on the target. */
#ifndef REPX_KIT_VALUE_H
#define REPX_KIT_VALUE_H

#include <stdint.h>

#include <repx/plugin.h>

/* "250ms", "30s", "5m", "1h", "2d", "0": milliseconds, or -1. */
int64_t repx_value_duration(const char *text);
/* "2G", "512M", "100" (bytes); K M G T are 1024-based, any case, a B or iB may follow; or
 * -1. */
int64_t repx_value_size(const char *text);
/* The other way, for people: "10 B", "1.5 KB"; nothing larger than GB. */
void repx_value_size_text(uint64_t bytes, char text[32]);
/* The number of a key of that type (REPX_FIELD_*): 1, or 0 when the text is none or the
 * type has no numbers. */
int repx_value_number(uint32_t type, const char *text, int64_t *number);

#endif
