/* SPDX-License-Identifier: MIT */
/* def_value.c: the right-hand sides of a definition. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/buf.h>

#include "core/json/json.h"

#include "def_internal.h"

int def_name_check(const char *name, const char *what, struct repx_err *err)
{
    size_t n = 0;

    while (isalnum((unsigned char)name[n]) || (n && (name[n] == '_' || name[n] == '-')))
        n++;
    if (n == 0 || name[n] || n > DEF_NAME_MAX) {
        return repx_fail(
            err, REPX_E_USAGE,
            "\"%s\" is no name for %s: use up to %d letters, digits, _ and "
            "-, a letter or digit first",
            name, what, DEF_NAME_MAX);
    }
    return 0;
}

static const char *skip_blank(const char *s)
{
    return s + strspn(s, " \t");
}

int def_names_parse(struct pool *pool, const char *text, struct def_names *to,
                    struct repx_err *err)
{
    static const char between[] = ", \t";

    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t n = strcspn(text, between);
        const char *name = pool_strn(pool, text, n);
        if (def_name_check(name, "anything", err) < 0)
            return -1;
        if (def_names_has(to, name))
            return repx_fail(err, REPX_E_USAGE, "%s stands twice", name);
        def_names_add(pool, to, name);
        text += n;
    }
    if (!to->count)
        return repx_fail(err, REPX_E_USAGE, "names nothing");
    return 0;
}

/* Text in double quotes with \" \\ \n \t inside; *text moves behind it. */
static int take_quoted(const char **text, struct repx_buf *to, struct repx_err *err)
{
    const char *s = *text + 1;

    for (; *s && *s != '"'; s++) {
        if (*s != '\\') {
            repx_buf_char(to, *s);
            continue;
        }
        s++;
        const char *at = *s ? strchr("\"\\nt", *s) : NULL;
        if (!at)
            return repx_fail(err, REPX_E_USAGE, "after \\ comes one of \" \\ n t");
        repx_buf_char(to, "\"\\\n\t"[at - "\"\\nt"]);
    }
    if (!*s)
        return repx_fail(err, REPX_E_USAGE, "a \" is not closed");
    *text = s + 1;
    return 0;
}

/* The next item of a list into *to; *quoted says how it stood there. */
static int take_item(const char **text, struct repx_buf *to, int *quoted,
                     struct repx_err *err)
{
    const char *s = skip_blank(*text);

    to->len = 0;
    *quoted = *s == '"';
    if (*quoted) {
        if (take_quoted(&s, to, err) < 0)
            return -1;
    } else {
        size_t n = strcspn(s, ",");
        const char *rest = s + n;
        while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
            n--;
        repx_buf_add(to, s, n);
        s = rest;
        if (n == 0)
            return repx_fail(err, REPX_E_USAGE, "an empty item in a list");
    }
    s = skip_blank(s);
    if (*s && *s != ',')
        return repx_fail(err, REPX_E_USAGE, "a comma is missing before \"%s\"", s);
    *text = *s == ',' ? s + 1 : s;
    if (*s == ',' && !*skip_blank(s + 1))
        return repx_fail(err, REPX_E_USAGE, "nothing comes after the last comma");
    return 0;
}

int def_texts_parse(struct pool *pool, const char *text, struct def_names *to,
                    struct repx_err *err)
{
    struct repx_buf item = {0};
    int rc = 0, quoted;

    do {
        rc = take_item(&text, &item, &quoted, err);
        if (rc == 0)
            def_names_add(pool, to, pool_strn(pool, repx_buf_text(&item), item.len));
    } while (rc == 0 && *text);
    repx_buf_free(&item);
    return rc;
}

/* Length of a JSON number at s; 0 when there is none. */
static size_t number_length(const char *s)
{
    size_t n = *s == '-', digits;

    digits = strspn(s + n, "0123456789");
    if (!digits || (s[n] == '0' && digits > 1))
        return 0;
    n += digits;
    if (s[n] == '.') {
        digits = strspn(s + n + 1, "0123456789");
        if (!digits)
            return 0;
        n += 1 + digits;
    }
    if (s[n] == 'e' || s[n] == 'E') {
        size_t sign = s[n + 1] == '-' || s[n + 1] == '+';
        digits = strspn(s + n + 1 + sign, "0123456789");
        if (!digits)
            return 0;
        n += 1 + sign + digits;
    }
    return n;
}

static int is_number(const char *s)
{
    size_t n = number_length(s);

    return n && !s[n];
}

static void add_value(struct pool *pool, struct def_param *to, const char *json)
{
    to->values = pool_grow(pool, to->values, to->count, sizeof(*to->values));
    to->values[to->count++] = json;
}

/* "1..20" or "0..100..10". 1 when it was a range, 0 when it is none. */
static int take_range(struct pool *pool, const char *s, struct def_param *to,
                      struct repx_err *err)
{
    long part[3] = {0, 0, 1};
    size_t count = 0;

    for (;;) {
        char *end;
        errno = 0;
        part[count] = strtol(s, &end, 10);
        if (end == s || errno)
            return 0;
        count++;
        if (!*end)
            break;
        if (count == 3 || strncmp(end, "..", 2) != 0)
            return 0;
        s = end + 2;
    }
    if (count < 2)
        return 0;
    if (part[2] < 1 || part[1] < part[0] || labs(part[0]) > 1000000000000 ||
        labs(part[1]) > 1000000000000 ||
        (part[1] - part[0]) / part[2] >= DEF_COMBINATIONS_MAX) {
        return repx_fail(err, REPX_E_USAGE,
                         "FIRST..LAST..STEP must go up and have less than %d values",
                         DEF_COMBINATIONS_MAX);
    }
    for (long v = part[0]; v <= part[1]; v += part[2])
        add_value(pool, to, pool_format(pool, "%ld", v));
    return 1;
}

static const char *string_value(struct pool *pool, const struct repx_buf *item)
{
    struct repx_buf json = {0};

    json_put_string(&json, repx_buf_text(item));
    const char *s = pool_strn(pool, repx_buf_text(&json), json.len);
    repx_buf_free(&json);
    return s;
}

static int bare_value(struct pool *pool, const struct repx_buf *item,
                      struct def_param *to, struct repx_err *err)
{
    const char *s = repx_buf_text(item);

    if (is_number(s) || strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
        add_value(pool, to, pool_str(pool, s));
        return 0;
    }
    if (strpbrk(s, " \t\"\\")) {
        return repx_fail(err, REPX_E_USAGE,
                         "a comma is missing, or the text needs double quotes: \"%s\"",
                         s);
    }
    int range = take_range(pool, s, to, err);
    if (range)
        return range < 0 ? -1 : 0;
    if (isdigit((unsigned char)*s) || strchr("+-.", *s) || strcmp(s, "null") == 0) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s is no number as JSON writes them; put it in double quotes "
                         "if it is text",
                         s);
    }
    add_value(pool, to, string_value(pool, item));
    return 0;
}

int def_values_parse(struct pool *pool, const char *text, struct def_param *to,
                     struct repx_err *err)
{
    struct repx_buf item = {0};
    int rc = 0, quoted;

    do {
        rc = take_item(&text, &item, &quoted, err);
        if (rc == 0 && quoted) {
            add_value(pool, to, string_value(pool, &item));
        } else if (rc == 0) {
            rc = bare_value(pool, &item, to, err);
        }
    } while (rc == 0 && *text && to->count <= DEF_COMBINATIONS_MAX);
    repx_buf_free(&item);
    return rc;
}
