/* SPDX-License-Identifier: MIT */
#include "toml_tree.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "toml_depth.h"

#define MESSAGE_MAX 1024

static void add_item(struct toml *parent, struct toml *item)
{
    /* Grown at powers of two. */
    if ((parent->count & (parent->count - 1)) == 0) {
        parent->items = repx_grow(parent->items, parent->count ? parent->count * 2 : 1,
                                  sizeof(struct toml *));
    }
    parent->items[parent->count++] = item;
    item->parent = parent;
}

struct builder {
    const char *file;
    struct toml *root, *open; /* open: the table or array that is being filled */
    size_t depth;
    struct repx_err *err;
};

static int build(void *ctx, const struct toml_event *event)
{
    struct builder *b = ctx;

    if (event->type == TOML_END) {
        b->open = b->open->parent;
        b->depth--;
        return 0;
    }
    if (memchr(event->text, 0, event->text_len) ||
        (event->key && memchr(event->key, 0, event->key_len))) {
        return repx_fail(b->err, REPX_E_USAGE, "%s:%zu: holds a zero byte; remove it",
                         b->file, event->line);
    }
    int nests = event->type == TOML_TABLE || event->type == TOML_ARRAY;

    if (nests && b->depth == TOML_DEPTH) {
        return repx_fail(b->err, REPX_E_USAGE,
                         "%s:%zu: nested more than %d levels deep", b->file,
                         event->line, TOML_DEPTH);
    }
    struct toml *t = REPX_NEW(struct toml);

    t->type = event->type;
    t->file = b->file;
    t->line = event->line;
    t->key = event->key ? repx_strndup(event->key, event->key_len) : NULL;
    t->text = repx_strndup(event->text, event->text_len);
    if (b->open) {
        add_item(b->open, t);
    } else {
        b->root = t;
    }
    if (nests) {
        b->open = t;
        b->depth++;
    }
    return 0;
}

struct toml *toml_parse(const char *file, const char *text, size_t n,
                        struct repx_err *err)
{
    struct toml_fault fault = {0};
    struct builder b = {.file = file, .err = err};
    size_t line = toml_too_deep(text, n, TOML_DEPTH);

    if (line) {
        (void)repx_fail(err, REPX_E_USAGE, "%s:%zu: nested more than %d levels deep",
                        file, line, TOML_DEPTH);
        return NULL;
    }
    if (toml_walk(text, n, build, &b, &fault) == 0)
        return b.root;
    if (fault.line) {
        (void)repx_fail(err, REPX_E_USAGE, "%s:%zu: is not TOML: %s", file, fault.line,
                        fault.why);
    }
    toml_free(b.root);
    return NULL;
}

struct toml *toml_read(const char *file, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (repx_read_file(AT_FDCWD, file, TOML_FILE_MAX, &text, err) < 0)
        return NULL;
    return toml_parse(file, repx_buf_text(&text), text.len, err);
}

void toml_free(struct toml *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        toml_free(t->items[i]);
    free(t->items);
    free(t->key);
    free(t->text);
    free(t);
}

static size_t find(const struct toml *table, const char *key)
{
    size_t i = 0;

    while (i < table->count && strcmp(table->items[i]->key, key) != 0)
        i++;
    return i;
}

void toml_merge(struct toml *into, struct toml *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct toml *item = from->items[i];
        size_t at = find(into, item->key);

        if (at == into->count) {
            add_item(into, item);
        } else if (into->items[at]->type == TOML_TABLE && item->type == TOML_TABLE) {
            toml_merge(into->items[at], item);
        } else {
            toml_free(into->items[at]);
            into->items[at] = item;
            item->parent = into;
        }
    }
    from->count = 0; /* all of it has moved */
    toml_free(from);
}

const struct toml *toml_get(const struct toml *table, const char *key)
{
    size_t i = table->type == TOML_TABLE ? find(table, key) : table->count;

    return i < table->count ? table->items[i] : NULL;
}

const char *toml_type_name(int type)
{
    static const char *const names[] = {"nothing",    "a table",       "an array",
                                        "a text",     "an integer",    "a fraction",
                                        "true/false", "a date or time"};

    return type >= 0 && type <= TOML_TIME ? names[type] : names[0];
}

/* Whatever is in a key, a message stays one printable line. */
static void add_key(struct repx_buf *to, const char *key)
{
    if (to->len)
        repx_buf_char(to, '.');
    if (!*key)
        repx_buf_str(to, "\"\"");
    for (const char *c = key; *c; c++)
        repx_buf_add(to, (unsigned char)*c < ' ' || *c == 0x7f ? "?" : c, 1);
}

/* "targets.hpc.mount_paths[2]", made printable. */
static void toml_path(const struct toml *t, struct repx_buf *to)
{
    const struct toml *chain[TOML_DEPTH + 2];
    size_t n = 0;

    for (; t && n < sizeof(chain) / sizeof(chain[0]); t = t->parent)
        chain[n++] = t;
    while (n-- > 0) {
        if (chain[n]->key) {
            add_key(to, chain[n]->key);
        } else if (chain[n]->parent) {
            size_t i = 0;

            while (chain[n]->parent->items[i] != chain[n])
                i++;
            repx_buf_fmt(to, "[%zu]", i);
        }
    }
}

int toml_fail(const struct toml *t, struct repx_err *err, const char *fmt, ...)
{
    char what[MESSAGE_MAX];
    REPX_AUTO_BUF struct repx_buf path = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    toml_path(t, &path);
    return repx_fail(err, REPX_E_USAGE, "%s:%zu: %s%s%s", t->file, t->line,
                     repx_buf_text(&path), path.len ? ": " : "", what);
}
