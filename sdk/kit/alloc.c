/* SPDX-License-Identifier: MIT */
#include "alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

#define LARGE (1 << 20)

static void *there(void *p)
{
    static const char text[] = "repx: out of memory\n";

    if (p)
        return p;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        abort();
    abort();
}

void repx_large_apart(void)
{
#ifdef __GLIBC__
    /* said once, the bound no longer rises with what is freed */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
#endif
}

void *repx_alloc(size_t size)
{
    return there(calloc(1, size ? size : 1));
}

void *repx_array(size_t count, size_t size)
{
    return there(calloc(count ? count : 1, size ? size : 1));
}

void *repx_grow(void *old, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return there(NULL);
    size_t bytes = count * size;
    return there(realloc(old, bytes > 0 ? bytes : 1));
}

char *repx_strdup(const char *s)
{
    return s ? there(strdup(s)) : NULL;
}

char *repx_strndup(const char *s, size_t len)
{
    return there(strndup(s, len));
}

char *repx_format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);

    char *s = there(n < 0 ? NULL : malloc((size_t)n + 1));
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

void repx_free_ptr(void *pointer_to_pointer)
{
    void *p;

    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
}

void repx_close_fd(const int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    errno = saved;
}
