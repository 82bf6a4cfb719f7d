/* SPDX-License-Identifier: MIT */
/* base64.h: the two directions, as ssh's files and fingerprints have them. */
#ifndef REPX_SSH_BASE64_H
#define REPX_SSH_BASE64_H

#include <kit/buf.h>

/* Spaces and line ends are skipped; 0 when there is anything else. */
int base64_decode(const char *text, size_t n, struct repx_buf *to);
/* With padding, or without as fingerprints have it. The caller frees. */
char *base64_encode(const void *bytes, size_t n, int pad);

#endif
