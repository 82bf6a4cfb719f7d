/* SPDX-License-Identifier: MIT */
/* crc32c.h: the checksum of a frame (Castagnoli's polynomial). For accidents, not attacks. */
#ifndef REPX_WIRE_CRC32C_H
#define REPX_WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: of what came before, 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
