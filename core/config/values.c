/* SPDX-License-Identifier: MIT */
/* values.c: sizes, times and globs of resources.toml. */
#include <string.h>
#include <strings.h>

#include "config.h"

#define NUMBER_MAX (INT64_MAX / 1024)

int resources_glob(const char *glob, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text) {
        if (*glob == '*') {
            star = glob++;
            resume = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star) {
            /* Let the last star take one character more. */
            glob = star + 1;
            text = ++resume;
        } else {
            return 0;
        }
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

/* Digits at *at, stepping over them; -1 when there are none or too many. */
static int64_t take_number(const char **at)
{
    int64_t n = 0;
    const char *c = *at;

    while (*c >= '0' && *c <= '9' && n <= NUMBER_MAX / 10)
        n = n * 10 + (*c++ - '0');
    if (c == *at || (*c >= '0' && *c <= '9'))
        return -1;
    *at = c;
    return n;
}

static int64_t size(const char *text, int64_t without_suffix)
{
    static const char suffixes[] = "KkMmGgTt";
    int64_t n = take_number(&text), factor = without_suffix;
    const char *suffix = *text ? strchr(suffixes, *text) : NULL;

    if (n < 0)
        return -1;
    if (suffix) {
        factor = INT64_C(1) << (10 * ((suffix - suffixes) / 2 + 1));
        text++;
        if (strcasecmp(text, "B") == 0 || strcasecmp(text, "iB") == 0)
            text += strlen(text);
    }
    return *text || n > INT64_MAX / factor ? -1 : n * factor;
}

int64_t resources_size(const char *text)
{
    return size(text, 1);
}

int64_t resources_slurm_size(const char *text)
{
    return size(text, INT64_C(1) << 20);
}

/* What the parts mean depends on how many there are and on the days in front of them. */
int64_t resources_time(const char *text)
{
    static const int64_t plain[][3] = {{60, 0, 0}, {60, 1, 0}, {3600, 60, 1}};
    static const int64_t daily[3] = {3600, 60, 1};
    int64_t parts[3] = {0}, days = 0, total = 0;
    const char *dash = strchr(text, '-');
    size_t n = 0;

    if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0)
        return -2;
    if (dash) {
        days = take_number(&text);
        if (days < 0 || text++ != dash)
            return -1;
    }
    for (;;) {
        parts[n] = take_number(&text);
        if (parts[n] < 0 || parts[n] > INT32_MAX || days > INT32_MAX)
            return -1;
        n++;
        if (*text != ':' || n == 3)
            break;
        text++;
    }
    if (*text)
        return -1;
    const int64_t *unit = dash ? daily : plain[n - 1];

    for (size_t i = 0; i < n; i++)
        total += parts[i] * unit[i];
    total += days * 86400;
    return total ? total : -2; /* zero is Slurm's word for no limit */
}
