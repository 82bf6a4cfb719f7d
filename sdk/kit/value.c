/* SPDX-License-Identifier: MIT */
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digits at *at, stepping over them; -1 when there are none or too many. */
static int64_t take_number(const char **at)
{
    char *end;

    if (**at < '0' || **at > '9')
        return -1;
    errno = 0;
    long long n = strtoll(*at, &end, 10);
    *at = end;
    return errno ? -1 : n;
}

static int64_t times(int64_t n, int64_t factor)
{
    return n > INT64_MAX / factor ? -1 : n * factor;
}

int64_t repx_value_duration(const char *text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t n = take_number(&text);

    if (n <= 0 && !*text)
        return n;
    for (size_t i = 0; n >= 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].unit) == 0)
            return times(n, units[i].ms);
    }
    return -1;
}

int64_t repx_value_size(const char *text)
{
    static const char suffixes[] = "KkMmGgTt";
    int64_t n = take_number(&text);
    const char *suffix = n >= 0 && *text ? strchr(suffixes, *text) : NULL;

    if (!suffix)
        return n >= 0 && !*text ? n : -1;
    text++;
    if (*text && strcasecmp(text, "B") != 0 && strcasecmp(text, "iB") != 0)
        return -1;
    return times(n, INT64_C(1) << (10 * ((suffix - suffixes) / 2 + 1)));
}

void repx_value_size_text(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"B", "KB", "MB", "GB"};
    double v = (double)bytes;
    int u = 0;

    for (; v >= 1024 && u < 3; u++)
        v /= 1024;
    (void)snprintf(text, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}

static int whole(const char *text, int64_t *number)
{
    char *end = NULL;

    errno = 0;
    *number = strtoll(text, &end, 10);
    return end != text && !*end && !errno;
}

int repx_value_number(uint32_t type, const char *text, int64_t *number)
{
    switch (type) {
    case REPX_FIELD_INT:
        return whole(text, number);
    case REPX_FIELD_BOOL:
        *number = strcmp(text, "true") == 0;
        return *number || strcmp(text, "false") == 0;
    case REPX_FIELD_DURATION:
        *number = repx_value_duration(text);
        return *number >= 0;
    case REPX_FIELD_SIZE:
        *number = repx_value_size(text);
        return *number >= 0;
    default:
        return 0;
    }
}
