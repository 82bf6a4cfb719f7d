/* SPDX-License-Identifier: MIT */
/* tap.h: tests as sentences, in the Test Anything Protocol. End main with return tap_end(). */
#ifndef REPX_TAP_H
#define REPX_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 3, 4), unused)) static int
tap_ok(int good, const char *where, const char *fmt, ...)
{
    va_list ap;

    tap_count++;
    if (!good)
        tap_failed++;
    printf("%sok %d - ", good ? "" : "not ", tap_count);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("%s%s\n", good ? "" : "   # at ", good ? "" : where);
    return good;
}

__attribute__((unused)) static int tap_is(const char *got, const char *want,
                                          const char *where, const char *name)
{
    int same = got && want ? strcmp(got, want) == 0 : got == want;

    tap_ok(same, where, "%s", name);
    if (!same) {
        printf("#      got: %s\n# expected: %s\n", got ? got : "(null)",
               want ? want : "(null)");
    }
    return same;
}

#define TAP_STRING(x) #x
#define TAP_LINE(x) TAP_STRING(x)
#define ok(cond, ...) tap_ok(!!(cond), __FILE__ ":" TAP_LINE(__LINE__), __VA_ARGS__)
#define is(got, want, name) tap_is(got, want, __FILE__ ":" TAP_LINE(__LINE__), name)

__attribute__((unused)) static int tap_end(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif
