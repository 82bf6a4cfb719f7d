/* SPDX-License-Identifier: MIT */
#include "state_check.h"

#include <string.h>

#include <kit/file.h>

#include "core/agent/state.h"

/* Deeper nesting than any record has, far below what recursion could not bear. */
#define DEPTH_MAX 200

static int depth_ok(const char *line, size_t n)
{
    int depth = 0, quoted = 0;

    for (size_t i = 0; i < n; i++) {
        char c = line[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '{' || c == '[')) {
            depth++;
        } else if (!quoted && (c == '}' || c == ']')) {
            depth--;
        }
        if (depth > DEPTH_MAX)
            return 0;
    }
    return 1;
}

json_t *state_parse(const char *line, size_t n, const char *what, struct repx_err *err)
{
    json_error_t why;

    if (n > STATE_LINE_MAX || !depth_ok(line, n)) {
        (void)repx_fail(err, REPX_E_CORRUPT, "%s: too long or nested too deeply", what);
        return NULL;
    }
    json_t *j = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
    if (!j) {
        (void)repx_fail(err, REPX_E_CORRUPT, "%s: column %d: %s", what, why.column,
                        why.text);
        return NULL;
    }
    if (!json_is_object(j)) {
        json_decref(j);
        (void)repx_fail(err, REPX_E_CORRUPT, "%s: not an object", what);
        return NULL;
    }
    return j;
}

int state_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > 240 || name[0] == '.')
        return 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return 0;
    }
    return 1;
}

static int all_of(const char *s, const char *set, size_t min, size_t max)
{
    size_t n = strlen(s);

    return n >= min && n <= max && strspn(s, set) == n;
}

int state_key_ok(const char *key)
{
    return key[0] == 'k' && all_of(key + 1, "abcdefghijklmnopqrstuvwxyz234567", 25, 25);
}

static int tag_ok(const char *s)
{
    return s[0] != '.' && all_of(s,
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._:-",
                                 1, 240);
}

static int text_type_ok(const char *s, int type)
{
    switch (type) {
    case STATE_ID:
        return state_name_ok(s);
    case STATE_RUN:
        return run_id_ok(s);
    case STATE_KEY:
        return state_key_ok(s);
    case STATE_SUBKEY:
        return all_of(s, "abcdefghijklmnopqrstuvwxyz0123456789", 13, 32);
    case STATE_HEX:
        return all_of(s, "0123456789abcdef", 64, 64);
    case STATE_INSIDE:
        return repx_path_is_inside(s);
    case STATE_TAG:
        return tag_ok(s);
    default:
        return type == STATE_TEXT;
    }
}

static int texts_ok(const json_t *array)
{
    size_t i;
    json_t *one;

    if (!json_is_array(array))
        return 0;
    json_array_foreach(array, i, one)
    {
        if (!json_is_string(one))
            return 0;
    }
    return 1;
}

static int value_ok(const json_t *v, int type)
{
    switch (type) {
    case STATE_INT:
        return json_is_integer(v);
    case STATE_COUNT:
        return json_is_integer(v) && json_integer_value(v) >= 0 &&
               json_integer_value(v) <= INT32_MAX;
    case STATE_BOOL:
        return json_is_boolean(v);
    case STATE_OBJECT:
        return json_is_object(v);
    case STATE_ARRAY:
        return json_is_array(v);
    case STATE_TEXTS:
        return texts_ok(v);
    default:
        return json_is_string(v) && text_type_ok(json_string_value(v), type);
    }
}

int state_check(const json_t *object, const struct state_field *fields,
                const char *what, struct repx_err *err)
{
    for (const struct state_field *f = fields; f->key; f++) {
        const json_t *v = json_object_get(object, f->key);
        if (!v || ((f->flags & STATE_NULL) && json_is_null(v))) {
            if (f->flags & STATE_REQUIRED && !v)
                return repx_fail(err, REPX_E_CORRUPT, "%s: no \"%s\"", what, f->key);
            continue;
        }
        if (!value_ok(v, f->type)) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: \"%s\" has a value it cannot have", what, f->key);
        }
    }
    return 0;
}

json_t *state_read(const char *line, size_t n, const struct state_field *fields,
                   const char *what, struct repx_err *err)
{
    json_t *j = state_parse(line, n, what, err);

    if (j && state_check(j, fields, what, err) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

int64_t state_int(const json_t *object, const char *key, int64_t absent)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : absent;
}

const char *state_text(const json_t *object, const char *key, const char *absent)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? json_string_value(v) : absent;
}

int state_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
