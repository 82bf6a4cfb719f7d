/* SPDX-License-Identifier: MIT */
#include "core/wire/results.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define HEAD "repx-results 1"

struct result *results_add(struct results *r, char *path, uint32_t kind)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->items = repx_grow(r->items, r->cap, sizeof(*r->items));
    }
    struct result *i = &r->items[r->count++];
    *i = (struct result){.path = path, .kind = kind};
    return i;
}

static int by_path(const void *a, const void *b)
{
    const struct result *x = a, *y = b;

    return strcmp(x->path, y->path);
}

void results_sort(struct results *r)
{
    if (r->count)
        qsort(r->items, r->count, sizeof(*r->items), by_path);
}

struct result *results_find(const struct results *r, const char *path)
{
    size_t from = 0, to = r->count;

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = strcmp(path, r->items[mid].path);
        if (order == 0)
            return &r->items[mid];
        if (order < 0) {
            to = mid;
        } else {
            from = mid + 1;
        }
    }
    return NULL;
}

void results_free(struct results *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->items[i].path);
        free(r->items[i].link);
        free(r->items[i].witness);
    }
    free(r->items);
    *r = (struct results){0};
}

/* ---- writing ---- */

static void put_escaped(struct repx_buf *to, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= ' ' || c >= 127 || c == '%') {
            repx_buf_fmt(to, "%%%02X", c);
        } else {
            repx_buf_char(to, (char)c);
        }
    }
}

static int put_one(const struct result *i, struct repx_buf *to)
{
    char hex[DIGEST_HEX];

    if (i->kind == REPX_ENTRY_FILE) {
        if (!i->hashed)
            return 0;
        digest_hex(&i->digest, hex);
        repx_buf_fmt(to, "%c %s %llu ", i->executable ? 'x' : 'f', hex,
                     (unsigned long long)i->length);
    } else if (i->kind == REPX_ENTRY_LINK) {
        repx_buf_str(to, "l ");
        put_escaped(to, i->link);
        repx_buf_char(to, ' ');
    } else {
        repx_buf_str(to, "d ");
    }
    put_escaped(to, i->path);
    if (i->witness && i->kind == REPX_ENTRY_FILE) {
        repx_buf_char(to, ' ');
        repx_buf_str(to, i->witness);
    }
    repx_buf_char(to, '\n');
    return 1;
}

void results_write(const struct results *r, struct repx_buf *to)
{
    size_t count = 0;

    repx_buf_str(to, HEAD "\n");
    for (size_t i = 0; i < r->count; i++)
        count += (size_t)put_one(&r->items[i], to);
    repx_buf_fmt(to, "end %zu\n", count);
}

/* ---- reading ---- */

#define FIELDS_MOST 5

struct line {
    const char *at[FIELDS_MOST];
    size_t len[FIELDS_MOST];
    size_t fields;
};

/* 0 when there are too many fields or an empty one. */
static int split(const char *text, size_t n, struct line *l)
{
    l->fields = 0;
    for (;;) {
        const char *blank = memchr(text, ' ', n);
        size_t len = blank ? (size_t)(blank - text) : n;
        if (!len || l->fields == FIELDS_MOST)
            return 0;
        l->at[l->fields] = text;
        l->len[l->fields++] = len;
        if (!blank)
            return 1;
        text += len + 1;
        n -= len + 1;
    }
}

static int nibble(char c)
{
    const char *digits = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Only what put_escaped writes is read, so every path has one form. NULL otherwise. */
static char *unescape(const char *s, size_t n)
{
    char *out = repx_alloc(n + 1);
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '%' && n - i > 2) {
            int high = nibble(s[i + 1]), low = nibble(s[i + 2]);
            c = (unsigned char)(high < 0 || low < 0 ? 0 : high << 4 | low);
            if (c > ' ' && c < 127 && c != '%')
                c = 0;
            i += 2;
        } else if (c <= ' ' || c >= 127 || c == '%') {
            c = 0;
        }
        if (!c) {
            free(out);
            return NULL;
        }
        out[len++] = (char)c;
    }
    return out;
}

static int number(const char *s, size_t n, uint64_t *value)
{
    *value = 0;
    if (!n || n > 19 || (n > 1 && *s == '0'))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return 0;
        *value = *value * 10 + (uint64_t)(s[i] - '0');
    }
    return *value <= INT64_MAX;
}

static int file_line(struct results *r, const struct line *l)
{
    REPX_AUTO_FREE char *hex = repx_strndup(l->at[1], l->len[1]);
    struct digest digest;
    uint64_t length;

    if (!digest_parse(hex, &digest) || !number(l->at[2], l->len[2], &length))
        return 0;
    char *path = unescape(l->at[3], l->len[3]);
    if (!path)
        return 0;
    struct result *i = results_add(r, path, REPX_ENTRY_FILE);
    i->executable = l->at[0][0] == 'x';
    i->hashed = 1;
    i->digest = digest;
    i->length = length;
    if (l->fields == 5)
        i->witness = unescape(l->at[4], l->len[4]);
    return l->fields < 5 || i->witness;
}

static int link_line(struct results *r, const struct line *l)
{
    char *link = unescape(l->at[1], l->len[1]);
    char *path = link ? unescape(l->at[2], l->len[2]) : NULL;

    if (!path) {
        free(link);
        return 0;
    }
    results_add(r, path, REPX_ENTRY_LINK)->link = link;
    return 1;
}

static int dir_line(struct results *r, const struct line *l)
{
    char *path = unescape(l->at[1], l->len[1]);

    if (path)
        (void)results_add(r, path, REPX_ENTRY_DIR);
    return path != NULL;
}

static int one_line(struct results *r, const char *text, size_t n)
{
    struct line l;

    if (!split(text, n, &l) || l.len[0] != 1)
        return 0;
    switch (l.at[0][0]) {
    case 'f':
    case 'x':
        return l.fields >= 4 && file_line(r, &l);
    case 'l':
        return l.fields == 3 && link_line(r, &l);
    case 'd':
        return l.fields == 2 && dir_line(r, &l);
    default:
        return 0;
    }
}

static int in_order(const struct results *r, size_t first)
{
    const struct result *last = &r->items[r->count - 1];

    return repx_path_is_inside(last->path) &&
           (r->count - first < 2 || strcmp(last[-1].path, last->path) < 0);
}

/* The last line: all of it there, and true. */
static int end_line(const char *line, size_t len, size_t have, struct repx_err *err)
{
    uint64_t count;

    if (number(line + 4, len - 4, &count) && count == have)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT, "has %zu entries, says otherwise", have);
}

int results_read(struct results *r, const char *text, size_t n, struct repx_err *err)
{
    size_t first = r->count, lines = 0;

    for (size_t at = 0; at < n; lines++) {
        const char *nl = memchr(text + at, '\n', n - at);
        size_t len = nl ? (size_t)(nl - text) - at : 0;
        if (!nl)
            break;
        const char *line = text + at;
        at += len + 1;
        if (lines == 0 && (len != strlen(HEAD) || memcmp(line, HEAD, len) != 0))
            return repx_fail(err, REPX_E_CORRUPT, "is no list of results");
        if (lines == 0)
            continue;
        if (at == n && len > 4 && memcmp(line, "end ", 4) == 0)
            return end_line(line, len, r->count - first, err);
        if (!one_line(r, line, len) || !in_order(r, first))
            return repx_fail(err, REPX_E_CORRUPT, "line %zu cannot be read", lines + 1);
    }
    return repx_fail(err, REPX_E_CORRUPT, "is cut off");
}
