/* SPDX-License-Identifier: MIT */
#include "def_internal.h"

#include <ctype.h>
#include <string.h>

#include "core/ini/ini.h"

/* inih keeps this much of a section name, and of a name on continuation lines. */
#define INI_NAME 48
#define ENTRIES_MAX 20000

struct reading {
    struct pool *pool;
    struct def_entry *entries;
    size_t count;
    const char *text, *end;
    int line; /* number of the line at `text` */
};

static int is_indented(struct reading *r, int line)
{
    while (r->line < line && r->text < r->end) {
        const char *nl = memchr(r->text, '\n', (size_t)(r->end - r->text));
        r->text = nl ? nl + 1 : r->end;
        r->line++;
    }
    return r->text < r->end && (*r->text == ' ' || *r->text == '\t');
}

/* "word =": a key that was indented by mistake would silently become part of a value. */
static int looks_like_key(const char *value)
{
    size_t n = 0;

    if (!isalpha((unsigned char)*value))
        return 0;
    while (isalnum((unsigned char)value[n]) || (value[n] && strchr("._-", value[n])))
        n++;
    n += strspn(value + n, " \t");
    return value[n] == '=';
}

static int go_on(struct reading *r, struct def_entry *last, const char *value,
                 struct repx_err *err)
{
    if (looks_like_key(value)) {
        return repx_fail(err, REPX_E_USAGE,
                         "\"%s\" continues %s because it is indented; a key must start "
                         "in the first column",
                         value, last->key);
    }
    last->value = *last->value ? pool_format(r->pool, "%s %s", last->value, value)
                               : pool_str(r->pool, value);
    return 0;
}

/* Where the key stands already; 0: nowhere. */
static int line_of(const struct reading *r, const char *section, const char *key)
{
    for (size_t i = 0; r->entries && i < r->count; i++) {
        const struct def_entry *e = &r->entries[i];
        if (strcmp(e->key, key) == 0 && strcmp(e->section, section) == 0)
            return e->line;
    }
    return 0;
}

static int one_line(void *ctx, const char *section, const char *name, const char *value,
                    int line, struct repx_err *err)
{
    struct reading *r = ctx;
    struct def_entry *last = r->count ? &r->entries[r->count - 1] : NULL;

    if (strlen(section) >= INI_NAME || strlen(name) >= INI_NAME)
        return repx_fail(err, REPX_E_USAGE, "name longer than %d bytes", INI_NAME - 1);
    if (last && is_indented(r, line) && strcmp(last->section, section) == 0 &&
        strcmp(last->key, name) == 0)
        return go_on(r, last, value, err);
    if (r->count == ENTRIES_MAX)
        return repx_fail(err, REPX_E_USAGE, "more than %d entries", ENTRIES_MAX);
    int first = line_of(r, section, name);
    if (first) {
        return repx_fail(err, REPX_E_USAGE, "%s is set twice, first in line %d", name,
                         first);
    }
    r->entries = pool_grow(r->pool, r->entries, r->count, sizeof(*r->entries));
    r->entries[r->count++] =
        (struct def_entry){pool_str(r->pool, section), pool_str(r->pool, name),
                           pool_str(r->pool, value), line};
    return 0;
}

int def_entries(struct pool *pool, const char *path, const char *text, size_t n,
                struct def_entries *to, struct repx_err *err)
{
    struct reading r = {pool, NULL, 0, text, text + n, 1};

    if (ini_each_text(path, text, n, one_line, &r, err) < 0)
        return -1;
    *to = (struct def_entries){r.entries, r.count};
    return 0;
}
