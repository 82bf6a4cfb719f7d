/* SPDX-License-Identifier: MIT */
#include "toml_depth.h"

#include <string.h>

struct scan {
    const char *at, *end;
    size_t line;
    size_t open, dots;
};

/* Step over a string that begins here, whichever of TOML's four kinds it is. */
static void skip_string(struct scan *s)
{
    char quote = *s->at;
    size_t left = (size_t)(s->end - s->at);
    int longer = left >= 3 && s->at[1] == quote && s->at[2] == quote;

    s->at += longer ? 3 : 1;
    for (; s->at < s->end; s->at++) {
        if (*s->at == '\n') {
            if (!longer)
                return; /* not closed: the parser will say so */
            s->line++;
        } else if (*s->at == '\\' && quote == '"' && s->at + 1 < s->end &&
                   s->at[1] != '\n') {
            s->at++;
        } else if (*s->at == quote && !longer) {
            s->at++;
            return;
        } else if (*s->at == quote && s->end - s->at >= 3 && s->at[1] == quote &&
                   s->at[2] == quote) {
            s->at += 3;
            for (int i = 0; i < 2 && s->at < s->end && *s->at == quote; i++)
                s->at++; /* quotes that belong to the text */
            return;
        }
    }
}

static void skip_comment(struct scan *s)
{
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

static void count(struct scan *s, char c)
{
    if (c == '[' || c == '{')
        s->open++;
    if ((c == ']' || c == '}') && s->open > 0)
        s->open--;
    if (c == '\n')
        s->line++;
    if (c == '.') {
        s->dots++;
    } else if (strchr("[]{}=,\n", c)) {
        s->dots = 0;
    }
}

size_t toml_too_deep(const char *text, size_t n, size_t max)
{
    struct scan s = {.at = text, .end = text + n, .line = 1};

    while (s.at < s.end) {
        if (*s.at == '"' || *s.at == '\'') {
            skip_string(&s);
        } else if (*s.at == '#') {
            skip_comment(&s);
        } else {
            if (*s.at)
                count(&s, *s.at);
            s.at++;
        }
        if (s.open > max || s.dots > max)
            return s.line;
    }
    return 0;
}
