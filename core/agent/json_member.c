/* SPDX-License-Identifier: MIT */
#include "core/agent/json_member.h"

#include <string.h>

/* Behind the text that begins with the quote at `at`. */
static size_t text_end(const char *text, size_t n, size_t at)
{
    for (at++; at < n && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < n ? at + 1 : n;
}

/* Behind the value that begins at `at`: up to what ends it on its level. */
static size_t value_end(const char *text, size_t n, size_t at)
{
    size_t depth = 0;

    while (at < n) {
        char c = text[at];
        if (c == '"') {
            at = text_end(text, n, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return at;
}

static size_t skip_blanks(const char *text, size_t n, size_t at)
{
    while (at < n && text[at] && strchr(" \t\r\n", text[at]))
        at++;
    return at;
}

int json_member_find(const char *text, size_t n, const char *name, size_t *from,
                     size_t *end)
{
    size_t at = skip_blanks(text, n, 0), length = strlen(name);
    int found = 0;

    if (at == n || text[at] != '{')
        return 0;
    for (at = skip_blanks(text, n, at + 1); at < n && text[at] == '"';) {
        size_t key = at + 1, key_end = text_end(text, n, at);
        at = skip_blanks(text, n, key_end);
        if (at == n || text[at] != ':')
            break;
        size_t value = skip_blanks(text, n, at + 1);
        at = value_end(text, n, value);
        if (key_end - key == length + 1 && memcmp(text + key, name, length) == 0) {
            found = 1;
            *from = value;
            *end = at;
        }
        if (at == n || text[at] != ',')
            break;
        at = skip_blanks(text, n, at + 1);
    }
    return found;
}
