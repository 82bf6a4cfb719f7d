/* SPDX-License-Identifier: MIT */
/* nearest.h: which known word was meant? */
#ifndef REPX_CONFIG_NEAREST_H
#define REPX_CONFIG_NEAREST_H

#include <stddef.h>

/* The closest of the words when it is close enough to be a typing error, or NULL. */
const char *nearest_word(const char *word, const char *const *among, size_t count);

#endif
