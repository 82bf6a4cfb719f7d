/* SPDX-License-Identifier: MIT */
/* around.h: what of the process is not a plugin's business, and what it may not leave. */
#ifndef REPX_CONFORM_AROUND_H
#define REPX_CONFORM_AROUND_H

#include <stddef.h>

struct around;

/* As things are: signals, mask, directory, locale, umask, environment, descriptors. From
 * here on standard output and error go nowhere but into what around_end reports. */
struct around *around_begin(void);
/* Are they still, and was nothing printed? Two checks; frees. */
void around_end(struct around *a);

/* Open descriptors of this process. */
size_t count_fds(void);
/* Descriptors that a program which is started would inherit, beside the three. With 1 they
 * are kept from that. */
size_t inheritable_fds(int keep);
/* Bytes of heap in use; 0 where that cannot be told (sanitizers). */
size_t heap_in_use(void);

#endif
