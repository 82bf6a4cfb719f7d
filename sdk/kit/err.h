/* SPDX-License-Identifier: MIT */
/* err.h: filling struct repx_err. All return -1 so that `return repx_fail(...)` reads well. */
#ifndef REPX_KIT_ERR_H
#define REPX_KIT_ERR_H

#include <repx/plugin.h>

/* Set code and text. err may be NULL. */
int repx_fail(struct repx_err *err, int32_t code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "<text>: <strerror(errno)>", code REPX_E_NOENT for ENOENT, else REPX_E_FAILED. Keeps errno. */
int repx_fail_errno(struct repx_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Put "<text>: " in front of what is there; the code stays. */
int repx_wrap(struct repx_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
