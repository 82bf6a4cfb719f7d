/* SPDX-License-Identifier: MIT */
/* alloc.h: memory that is there. Out of memory ends the process in one place. */
#ifndef REPX_KIT_ALLOC_H
#define REPX_KIT_ALLOC_H

#include <stddef.h>

/* For programs that hold much for a moment: large blocks go back to the system when they are
 * freed, instead of leaving holes among small ones. */
void repx_large_apart(void);

void *repx_alloc(size_t size);               /* zeroed */
void *repx_array(size_t count, size_t size); /* zeroed, overflow-checked */
void *repx_grow(void *old, size_t count,
                size_t size);     /* realloc; new part is not zeroed */
char *repx_strdup(const char *s); /* NULL gives NULL */
char *repx_strndup(const char *s, size_t len);
char *repx_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define REPX_NEW(type) ((type *)repx_alloc(sizeof(type)))

void repx_free_ptr(void *pointer_to_pointer);
void repx_close_fd(const int *fd); /* keeps errno; negative is fine */
#define REPX_AUTO_FREE __attribute__((cleanup(repx_free_ptr)))
#define REPX_AUTO_CLOSE __attribute__((cleanup(repx_close_fd)))

#endif
