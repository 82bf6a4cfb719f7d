/* SPDX-License-Identifier: MIT */
#include "job_json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

/* indent < 0: compact */
static void value_put(const json_t *v, struct repx_buf *to, int indent);

static int take(const char *bytes, size_t n, void *to)
{
    repx_buf_add(to, bytes, n);
    return 0;
}

static void real_put(double d, struct repx_buf *to)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    repx_buf_str(to, text);
    if (!strpbrk(text, ".en")) /* stays a real number for whoever reads it */
        repx_buf_str(to, ".0");
}

static void line_break(struct repx_buf *to, int indent)
{
    if (indent < 0)
        return;
    repx_buf_char(to, '\n');
    for (int i = 0; i < indent; i++)
        repx_buf_str(to, "  ");
}

static void array_put(const json_t *v, struct repx_buf *to, int indent)
{
    int in = indent < 0 ? -1 : indent + 1;
    size_t i;
    json_t *one;

    repx_buf_char(to, '[');
    json_array_foreach(v, i, one)
    {
        if (i)
            repx_buf_char(to, ',');
        line_break(to, in);
        value_put(one, to, in);
    }
    if (json_array_size(v))
        line_break(to, indent);
    repx_buf_char(to, ']');
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **keys_sorted(json_t *v)
{
    const char **keys = repx_array(json_object_size(v) + 1, sizeof *keys);
    size_t n = 0;

    for (void *at = json_object_iter(v); at; at = json_object_iter_next(v, at))
        keys[n++] = json_object_iter_key(at);
    qsort(keys, n, sizeof *keys, by_name);
    return keys;
}

static void text_put(const char *text, struct repx_buf *to)
{
    json_t *s = json_string(text);

    (void)json_dump_callback(s, take, to, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(s);
}

static void object_put(json_t *v, struct repx_buf *to, int indent)
{
    const char **keys = keys_sorted(v);
    int in = indent < 0 ? -1 : indent + 1;

    repx_buf_char(to, '{');
    for (size_t i = 0; keys[i]; i++) {
        if (i)
            repx_buf_char(to, ',');
        line_break(to, in);
        text_put(keys[i], to);
        repx_buf_str(to, indent < 0 ? ":" : ": ");
        value_put(json_object_get(v, keys[i]), to, in);
    }
    if (keys[0])
        line_break(to, indent);
    repx_buf_char(to, '}');
    free(keys);
}

static void value_put(const json_t *v, struct repx_buf *to, int indent)
{
    if (json_is_object(v)) {
        object_put((json_t *)(uintptr_t)v, to, indent);
    } else if (json_is_array(v)) {
        array_put(v, to, indent);
    } else if (json_is_real(v)) {
        real_put(json_real_value(v), to);
    } else {
        (void)json_dump_callback(v, take, to, JSON_ENCODE_ANY | JSON_COMPACT);
    }
}

void json_pretty(const json_t *value, struct repx_buf *to)
{
    value_put(value, to, 0);
}

void json_compact(const json_t *value, struct repx_buf *to)
{
    value_put(value, to, -1);
}
