/* SPDX-License-Identifier: MIT */
#include "ini.h"

#include <ini.h>
#include <string.h>

/* inih's handler gets no line number in Debian's build, so the reader counts lines: the
 * handler runs right after its line was read. */
struct walk {
    const char *text;
    size_t left;
    int line;
    int (*each)(void *ctx, const char *section, const char *name, const char *value,
                int line, struct repx_err *err);
    void *ctx;
    struct repx_err *err;
    int failed;
};

static char *next_line(char *to, int max, void *stream)
{
    struct walk *w = stream;
    size_t n = 0;

    if (!w->left || w->failed)
        return NULL;
    while (n < w->left && w->text[n] != '\n')
        n++;
    if (n < w->left)
        n++;
    if (n >= (size_t)max)
        return NULL; /* cannot be: lines were measured before */
    memcpy(to, w->text, n);
    to[n] = 0;
    w->text += n;
    w->left -= n;
    w->line++;
    return to;
}

static int one(void *ctx, const char *section, const char *name, const char *value)
{
    struct walk *w = ctx;

    if (w->failed)
        return 1;
    if (w->each(w->ctx, section, name, value ? value : "", w->line, w->err) < 0)
        w->failed = w->line;
    return 1;
}

static int check_lines(const char *path, const char *text, size_t n,
                       struct repx_err *err)
{
    int line = 1;
    size_t start = 0;

    if (memchr(text, 0, n))
        return repx_fail(err, REPX_E_CORRUPT, "%s: holds a NUL byte", path);
    for (size_t i = 0; i <= n; i++) {
        if (i < n && text[i] != '\n')
            continue;
        if (i - start > INI_LINE) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s:%d: line longer than %d bytes; continue the value on "
                             "an indented line",
                             path, line, INI_LINE);
        }
        start = i + 1;
        line++;
    }
    return 0;
}

int ini_each_text(const char *path, const char *text, size_t n,
                  int (*each)(void *ctx, const char *section, const char *name,
                              const char *value, int line, struct repx_err *err),
                  void *ctx, struct repx_err *err)
{
    struct walk w = {text, n, 0, each, ctx, err, 0};

    if (check_lines(path, text, n, err) < 0)
        return -1;
    int bad = ini_parse_stream(next_line, &w, one, &w);
    if (w.failed)
        return repx_wrap(err, "%s:%d", path, w.failed);
    if (bad) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s:%d: neither a [section] nor name = value", path, bad);
    }
    return 0;
}
