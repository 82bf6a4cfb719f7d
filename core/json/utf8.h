/* SPDX-License-Identifier: MIT */
/* utf8.h: well-formed UTF-8, byte by byte (no surrogates, nothing overlong). */
#ifndef REPX_JSON_UTF8_H
#define REPX_JSON_UTF8_H

#include <stddef.h>

/* Length of the sequence at p, of which n >= 1 bytes are there; 0 when it is none. */
size_t json_utf8_length(const unsigned char *p, size_t n);

#endif
