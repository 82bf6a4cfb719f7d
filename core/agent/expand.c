/* SPDX-License-Identifier: MIT */
#include "core/agent/expand.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

static int add_variable(struct repx_buf *to, const char *name, struct repx_err *err)
{
    const char *value = getenv(name);

    if (!value || !*value) {
        return repx_fail(err, REPX_E_USAGE,
                         "$%s is not set on the target (login shells may set it, this "
                         "one did not): write the path out",
                         name);
    }
    repx_buf_str(to, value);
    return 0;
}

/* *p stands behind a "$". */
static int add_dollar(struct repx_buf *to, const char **p, struct repx_err *err)
{
    int braces = **p == '{';
    const char *from = *p + braces;
    size_t n = strspn(from, NAME_CHARS);

    if (n == 0 || (*from >= '0' && *from <= '9') || (braces && from[n] != '}')) {
        repx_buf_char(to, '$');
        return 0;
    }
    REPX_AUTO_FREE char *name = repx_strndup(from, n);
    *p = from + n + braces;
    return add_variable(to, name, err);
}

static char *tidy(char *path)
{
    char *to = path;

    for (const char *from = path; *from; from++) {
        if (*from != '/' || to == path || to[-1] != '/')
            *to++ = *from;
    }
    if (to > path + 1 && to[-1] == '/')
        to--;
    *to = 0;
    return path;
}

char *path_expand(const char *text, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    const char *p = text;

    if (p[0] == '~' && (p[1] == '/' || !p[1])) {
        p++;
        if (add_variable(&b, "HOME", err) < 0)
            return NULL;
    }
    while (*p) {
        char c = *p++;
        if (c != '$') {
            repx_buf_char(&b, c);
        } else if (add_dollar(&b, &p, err) < 0) {
            return NULL;
        }
    }
    if (*repx_buf_text(&b) != '/') {
        (void)repx_fail(err, REPX_E_USAGE,
                        "the path \"%s\" is not absolute on the target: begin it with "
                        "/, ~/ or a variable",
                        text);
        return NULL;
    }
    return tidy(repx_buf_detach(&b));
}
