/* SPDX-License-Identifier: MIT */
/* The tree is cJSON's. It is only built of text that our own reader has found strict, since
 * cJSON lets through what others refuse. Numbers whose text a double does not give back
 * keep that text in valuestring, which cJSON leaves unused for numbers, and frees. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <kit/alloc.h>

#include "reader.h"

static int bad_json(const struct json_reader *r, struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT, "not valid JSON at byte %zu: %s", r->pos,
                     r->problem ? r->problem : "unknown");
}

static const cJSON *node(const struct json *v)
{
    return (const void *)v;
}

static const struct json *value(const cJSON *item)
{
    return (const void *)item;
}

/* Short plain integers look the same again without help. */
static int needs_text(const struct json_text *raw)
{
    if (raw->len > 15 || (raw->len > 1 && raw->at[0] == '-' && raw->at[1] == '0'))
        return 1;
    for (size_t i = 0; i < raw->len; i++) {
        if (raw->at[i] == '.' || raw->at[i] == 'e' || raw->at[i] == 'E')
            return 1;
    }
    return 0;
}

/* Walk the tree beside its text. malloc, because cJSON frees it. */
static void keep_numbers(struct json_reader *r, cJSON *item)
{
    struct json_text text;

    if (cJSON_IsNumber(item)) {
        if (json_read_number(r, &text) == 0 && needs_text(&text))
            item->valuestring = repx_strndup(text.at, text.len);
    } else if (cJSON_IsObject(item)) {
        (void)json_enter_object(r);
        for (cJSON *c = item->child; json_next_member(r, &text) == 1 && c; c = c->next)
            keep_numbers(r, c);
    } else if (cJSON_IsArray(item)) {
        (void)json_enter_array(r);
        for (cJSON *c = item->child; json_next_element(r) == 1 && c; c = c->next)
            keep_numbers(r, c);
    } else {
        (void)json_skip(r);
    }
}

struct json *json_parse(const char *text, size_t n, struct repx_err *err)
{
    struct json_reader r;
    cJSON *root = NULL;

    json_reader_init(&r, text, n);
    if (json_skip(&r) < 0 || json_end(&r) < 0) {
        (void)bad_json(&r, err);
    } else {
        root = cJSON_ParseWithLengthOpts(text, n, NULL, 0);
        if (!root) {
            (void)repx_fail(err, REPX_E_CORRUPT,
                            "not usable JSON: a number has more than 62 characters");
        }
    }
    json_reader_finish(&r);
    if (root) {
        json_reader_init(&r, text, n);
        keep_numbers(&r, root);
        json_reader_finish(&r);
    }
    return (void *)root;
}

void json_free(struct json *root)
{
    cJSON_Delete((void *)root);
}

int json_type(const struct json *v)
{
    const cJSON *item = node(v);

    if (cJSON_IsBool(item))
        return JSON_BOOL;
    if (cJSON_IsNumber(item))
        return JSON_NUMBER;
    if (cJSON_IsString(item))
        return JSON_STRING;
    if (cJSON_IsArray(item))
        return JSON_ARRAY;
    return cJSON_IsObject(item) ? JSON_OBJECT : JSON_NULL;
}

/* Of a key that occurs twice the last one counts, as everywhere in this format. */
const struct json *json_get(const struct json *object, const char *key)
{
    const cJSON *found = NULL;

    if (json_type(object) != JSON_OBJECT)
        return NULL;
    for (const cJSON *c = node(object)->child; c; c = c->next) {
        if (strcmp(c->string, key) == 0)
            found = c;
    }
    return value(found);
}

const struct json *json_first(const struct json *container)
{
    int type = json_type(container);

    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return NULL;
    return value(node(container)->child);
}

const struct json *json_next(const struct json *element)
{
    return element ? value(node(element)->next) : NULL;
}

const char *json_key(const struct json *member)
{
    return member ? node(member)->string : NULL;
}

const char *json_string(const struct json *v)
{
    return json_type(v) == JSON_STRING ? node(v)->valuestring : NULL;
}

int64_t json_int(const struct json *v, int64_t absent)
{
    const double most = 9223372036854774784.0; /* the last double below 2^63 */
    double n = json_type(v) == JSON_NUMBER ? node(v)->valuedouble : 0;

    return json_type(v) == JSON_NUMBER && n >= -most && n <= most ? (int64_t)n : absent;
}

int json_is_true(const struct json *v)
{
    return v && cJSON_IsTrue(node(v));
}

const char *json_get_string(const struct json *object, const char *key,
                            const char *absent)
{
    const char *s = json_string(json_get(object, key));

    return s ? s : absent;
}

int64_t json_get_int(const struct json *object, const char *key, int64_t absent)
{
    return json_int(json_get(object, key), absent);
}

int json_each_member(const char *text, size_t n,
                     int (*each)(void *ctx, const char *key, const char *value,
                                 size_t value_len, struct repx_err *err),
                     void *ctx, struct repx_err *err)
{
    struct json_reader r;
    struct json_text key;
    struct repx_buf name = {0};
    int more = -1, rc = 0;

    json_reader_init(&r, text, n);
    if (json_enter_object(&r) == 0)
        more = json_next_member(&r, &key);
    while (more == 1 && rc == 0) {
        name.len = 0;
        repx_buf_add(&name, key.at, key.len);
        (void)json_peek(&r); /* to the value's first byte */
        size_t start = r.pos;
        more = json_skip(&r);
        if (more == 0) {
            rc = each(ctx, repx_buf_text(&name), text + start, r.pos - start, err);
            more = rc ? 0 : json_next_member(&r, &key);
        }
    }
    if (rc == 0 && (more < 0 || json_end(&r) < 0))
        rc = bad_json(&r, err);
    repx_buf_free(&name);
    json_reader_finish(&r);
    return rc;
}

static void put_number(struct repx_buf *to, const cJSON *item)
{
    if (item->valuestring) {
        repx_buf_str(to, item->valuestring);
    } else {
        repx_buf_fmt(to, "%.0f", item->valuedouble);
    }
}

static void new_line(struct repx_buf *to, int indent, int level)
{
    if (indent <= 0)
        return;
    repx_buf_char(to, '\n');
    for (int i = 0; i < indent * level; i++)
        repx_buf_char(to, ' ');
}

/* A member and its place in the text. */
struct member {
    const cJSON *item;
    size_t was;
};

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = strcmp(x->item->string, y->item->string);

    return c ? c : (x->was > y->was) - (x->was < y->was);
}

static void put(struct repx_buf *to, const cJSON *item, int indent, int level);

/* Members sorted by key; of equal keys only the last. */
static void put_sorted(struct repx_buf *to, const cJSON *object, int indent, int level)
{
    size_t n = (size_t)cJSON_GetArraySize(object), at = 0;
    struct member *sorted = repx_array(n + 1, sizeof(*sorted));
    int comma = 0;

    for (const cJSON *c = object->child; c; c = c->next, at++)
        sorted[at] = (struct member){c, at};
    qsort(sorted, n, sizeof(*sorted), by_key);
    for (size_t i = 0; i < n; i++) {
        const cJSON *item = sorted[i].item;
        if (i + 1 < n && strcmp(item->string, sorted[i + 1].item->string) == 0)
            continue;
        if (comma)
            repx_buf_char(to, ',');
        comma = 1;
        new_line(to, indent, level + 1);
        json_put_string(to, item->string);
        repx_buf_str(to, ": ");
        put(to, item, indent, level + 1);
    }
    free(sorted);
}

static void put_in_order(struct repx_buf *to, const cJSON *container, int indent,
                         int level)
{
    for (const cJSON *c = container->child; c; c = c->next) {
        if (c != container->child)
            repx_buf_char(to, ',');
        new_line(to, indent, level + 1);
        if (cJSON_IsObject(container)) {
            json_put_string(to, c->string);
            repx_buf_char(to, ':');
        }
        put(to, c, indent, level + 1);
    }
}

static void put_container(struct repx_buf *to, const cJSON *item, int indent, int level)
{
    int object = cJSON_IsObject(item);

    repx_buf_char(to, object ? '{' : '[');
    if (object && indent > 0) {
        put_sorted(to, item, indent, level);
    } else {
        put_in_order(to, item, indent, level);
    }
    if (item->child)
        new_line(to, indent, level);
    repx_buf_char(to, object ? '}' : ']');
}

static void put(struct repx_buf *to, const cJSON *item, int indent, int level)
{
    switch (json_type(value(item))) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        put_container(to, item, indent, level);
        break;
    case JSON_STRING:
        json_put_string(to, item->valuestring);
        break;
    case JSON_NUMBER:
        put_number(to, item);
        break;
    case JSON_BOOL:
        repx_buf_str(to, cJSON_IsTrue(item) ? "true" : "false");
        break;
    default:
        repx_buf_str(to, "null");
    }
}

void json_put_value(struct repx_buf *to, const struct json *v, int indent)
{
    put(to, node(v), indent, 0);
}
