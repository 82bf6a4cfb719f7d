/* SPDX-License-Identifier: MIT */
#include "printable.h"

#include <string.h>

#include "alloc.h"

void repx_printable(char *text, const char *keep)
{
    for (char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            *p++ = '?';
            *p = '?';
        } else if ((c < ' ' || c == 127) && !strchr(keep, c)) {
            *p = c >= '\t' && c <= '\r' ? ' ' : '?';
        }
    }
}

char *repx_printable_line(const char *text)
{
    char *line = repx_strdup(text);

    repx_printable(line, "");
    return line;
}
