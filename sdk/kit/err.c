/* SPDX-License-Identifier: MIT */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int repx_fail(struct repx_err *err, int32_t code, const char *fmt, ...)
{
    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    err->code = code;
    return -1;
}

int repx_fail_errno(struct repx_err *err, const char *fmt, ...)
{
    int saved = errno;

    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(err->text)) {
        (void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
                       strerror(saved));
    }
    err->code = saved == ENOENT ? REPX_E_NOENT : REPX_E_FAILED;
    errno = saved;
    return -1;
}

int repx_wrap(struct repx_err *err, const char *fmt, ...)
{
    char text[REPX_ERR_TEXT];

    if (!err)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(text))
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->text);
    memcpy(err->text, text, sizeof(text));
    return -1;
}
