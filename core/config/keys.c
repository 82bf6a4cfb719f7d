/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "nearest.h"

#define NAME_MAX_LEN 32
#define NAMES_MAX 64 /* more keys than any table has */

int keys_is_name(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > NAME_MAX_LEN || text[0] < 'a' || text[0] > 'z')
        return 0;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

const char *keys_where(struct keep *keep, const struct toml *t)
{
    REPX_AUTO_BUF struct repx_buf where = {0};

    repx_buf_fmt(&where, "%s:%zu", t->file, t->line);
    return keep_text(keep, repx_buf_text(&where));
}

/* The closest of the names, or NULL when none is close. */
static const char *keys_suggest(const char *unknown, const struct key_set *set)
{
    const char *names[NAMES_MAX];
    size_t n = set->count < NAMES_MAX ? set->count : NAMES_MAX;

    for (size_t i = 0; i < n; i++)
        names[i] = set->rows[i].name;
    return nearest_word(unknown, names, n);
}

static int unknown_key(const struct toml *t, const struct key_set *set,
                       struct repx_err *err)
{
    const char *meant = keys_suggest(t->key, set);
    REPX_AUTO_BUF struct repx_buf known = {0};

    if (meant)
        return toml_fail(t, err, "unknown key; did you mean `%s`?", meant);
    for (size_t i = 0; i < set->count; i++)
        repx_buf_fmt(&known, "%s%s", i ? ", " : "", set->rows[i].name);
    return toml_fail(t, err, "unknown key; known here: %s", repx_buf_text(&known));
}

/* ---- values ---- */

static int want_type(const struct toml *t, int type, struct repx_err *err)
{
    if (t->type == type)
        return 0;
    const char *cure = type == TOML_STRING ? "; put it in quotes" : "";

    if (t->type == TOML_TABLE || t->type == TOML_ARRAY)
        cure = "";
    return toml_fail(t, err, "must be %s, not %s%s", toml_type_name(type),
                     toml_type_name(t->type), cure);
}

static int read_text(const struct toml *t, struct repx_err *err)
{
    if (want_type(t, TOML_STRING, err) < 0)
        return -1;
    if (!*t->text)
        return toml_fail(t, err, "is empty; give a value or remove it");
    for (const char *c = t->text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return toml_fail(t, err, "holds a line break or another control character");
    }
    return 0;
}

static int read_word(const struct toml *t, const struct key_row *row,
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf known = {0};

    if (read_text(t, err) < 0)
        return -1;
    for (size_t i = 0; row->words[i]; i++) {
        if (strcmp(row->words[i], t->text) == 0)
            return 0;
        repx_buf_fmt(&known, "%s`%s`", i ? ", " : "", row->words[i]);
    }
    return toml_fail(t, err, "`%s` is not one of %s", t->text, repx_buf_text(&known));
}

static int read_name(const struct toml *t, struct repx_err *err)
{
    if (read_text(t, err) < 0)
        return -1;
    if (keys_is_name(t->text))
        return 0;
    return toml_fail(
        t, err,
        "`%s` is no plugin's name; those are lower-case letters, digits and "
        "`-`, at most %d, a letter first",
        t->text, NAME_MAX_LEN);
}

static int read_count(const struct toml *t, const struct key_row *row, int64_t *to,
                      struct repx_err *err)
{
    if (want_type(t, TOML_INTEGER, err) < 0)
        return -1;
    long long number = strtoll(t->text, NULL, 10);

    if (number < row->min || number > UINT32_MAX) {
        return toml_fail(t, err, "%s is out of range; it must be %lld to %lu", t->text,
                         (long long)row->min, (unsigned long)UINT32_MAX);
    }
    *to = number;
    return 0;
}

int keys_texts(struct keep *keep, const struct toml *array, const char *const **texts,
               size_t *count, struct repx_err *err)
{
    if (want_type(array, TOML_ARRAY, err) < 0)
        return -1;
    const char **list = keep_array(keep, array->count, sizeof(*list));

    for (size_t i = 0; i < array->count; i++) {
        if (read_text(array->items[i], err) < 0)
            return -1;
        list[i] = keep_text(keep, array->items[i]->text);
    }
    *texts = list;
    *count = array->count;
    return 0;
}

static int read_texts(struct keep *keep, const struct toml *t,
                      const struct key_row *row, char *to, struct repx_err *err)
{
    const char *const *texts = NULL;
    size_t count = 0;

    if (keys_texts(keep, t, &texts, &count, err) < 0)
        return -1;
    for (size_t i = 0; row->type == KEY_WORDS && i < t->count; i++) {
        if (read_word(t->items[i], row, err) < 0)
            return -1;
    }
    memcpy(to, &texts, sizeof(texts));
    memcpy(to + sizeof(texts), &count, sizeof(count));
    return 0;
}

static int read_tables(const struct toml *t, struct repx_err *err)
{
    if (want_type(t, TOML_ARRAY, err) < 0)
        return -1;
    for (size_t i = 0; i < t->count; i++) {
        if (want_type(t->items[i], TOML_TABLE, err) < 0)
            return -1;
    }
    return 0;
}

static int read_bool(const struct toml *t, int64_t *to, struct repx_err *err)
{
    if (want_type(t, TOML_BOOL, err) < 0)
        return -1;
    *to = strcmp(t->text, "true") == 0;
    return 0;
}

static int read_scalar(struct keep *keep, const struct toml *t,
                       const struct key_row *row, char *to, struct repx_err *err)
{
    int rc = row->type == KEY_TEXT   ? read_text(t, err)
             : row->type == KEY_NAME ? read_name(t, err)
                                     : read_word(t, row, err);
    const char *text = rc == 0 ? keep_text(keep, t->text) : NULL;

    if (text)
        memcpy(to, &text, sizeof(text));
    return rc;
}

static int read_number(const struct toml *t, const struct key_row *row, char *to,
                       struct repx_err *err)
{
    int64_t number = 0;
    int rc = row->type == KEY_COUNT ? read_count(t, row, &number, err)
                                    : read_bool(t, &number, err);
    int flag = (int)number;

    if (rc == 0 && row->type == KEY_BOOL) {
        memcpy(to, &flag, sizeof(flag));
    } else if (rc == 0) {
        memcpy(to, &number, sizeof(number));
    }
    return rc;
}

static int read_member(struct keep *keep, const struct toml *t,
                       const struct key_row *row, char *to, struct repx_err *err)
{
    switch (row->type) {
    case KEY_TEXT:
    case KEY_NAME:
    case KEY_WORD:
        return read_scalar(keep, t, row, to, err);
    case KEY_COUNT:
    case KEY_BOOL:
    case KEY_FLAG:
        return read_number(t, row, to, err);
    case KEY_TEXTS:
    case KEY_WORDS:
        return read_texts(keep, t, row, to, err);
    case KEY_TABLE:
        return want_type(t, TOML_TABLE, err);
    case KEY_TABLES:
        return read_tables(t, err);
    default:
        return 0;
    }
}

int keys_read(struct keep *keep, const struct toml *table, const struct key_set *set,
              void *to, struct repx_err *err)
{
    if (want_type(table, TOML_TABLE, err) < 0)
        return -1;
    for (size_t i = 0; i < table->count; i++) {
        const struct toml *t = table->items[i];
        size_t k = 0;

        while (k < set->count && strcmp(set->rows[k].name, t->key) != 0)
            k++;
        if (k == set->count && set->accepts && set->accepts(t))
            continue;
        if (k == set->count)
            return unknown_key(t, set, err);
        const struct key_row *row = &set->rows[k];

        if (read_member(keep, t, row, (char *)to + row->at, err) < 0)
            return -1;
    }
    return 0;
}
