/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/pipeline/table.h"

void table_set(struct table *t, size_t row, int kind, const char *name,
               const char *text)
{
    if ((t->count & (t->count - 1)) == 0)
        t->cells = repx_grow(t->cells, t->count ? t->count * 2 : 1, sizeof(*t->cells));
    t->cells[t->count++] =
        (struct table_cell){row, kind, repx_strdup(name), repx_strdup(text)};
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->cells[i].name);
        free(t->cells[i].text);
    }
    free(t->cells);
    t->cells = NULL;
    t->count = 0;
}

char *table_line(const char *text, size_t n)
{
    if (n && text[n - 1] == '\n')
        n--;
    if (n && text[n - 1] == '\r')
        n--;
    if (!n || memchr(text, '\n', n) || memchr(text, 0, n))
        return NULL;
    return repx_strndup(text, n);
}

static void put_field(struct repx_buf *to, const char *s)
{
    size_t n = strlen(s);

    if (!n || (!strpbrk(s, ",\"\r\n") && s[0] != ' ' && s[n - 1] != ' ' &&
               s[0] != '\t' && s[n - 1] != '\t')) {
        repx_buf_str(to, s);
        return;
    }
    repx_buf_char(to, '"');
    for (; *s; s++) {
        if (*s == '"')
            repx_buf_char(to, '"');
        repx_buf_char(to, *s);
    }
    repx_buf_char(to, '"');
}

struct column {
    int kind;
    const char *name;
};

static int by_column(const void *a, const void *b)
{
    const struct column *x = a, *y = b;

    return x->kind != y->kind ? x->kind - y->kind : strcmp(x->name, y->name);
}

/* All columns, sorted, each once. */
static struct column *columns_of(const struct table *t, size_t *count)
{
    struct column *all = repx_array(t->count + 1, sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; i < t->count; i++)
        all[i] = (struct column){t->cells[i].kind, t->cells[i].name};
    if (t->count)
        qsort(all, t->count, sizeof(*all), by_column);
    for (size_t i = 0; i < t->count; i++) {
        if (!n || by_column(&all[n - 1], &all[i]) != 0)
            all[n++] = all[i];
    }
    *count = n;
    return all;
}

static int is_taken(const struct column *columns, size_t count, const struct column *c)
{
    const struct column param = {TABLE_PARAM, c->name};

    if (strcmp(c->name, "job") == 0)
        return 1;
    return c->kind == TABLE_OUTPUT && count &&
           bsearch(&param, columns, count, sizeof(*columns), by_column) != NULL;
}

static void put_header(struct repx_buf *to, const struct column *columns, size_t count)
{
    repx_buf_str(to, "job");
    for (size_t i = 0; i < count; i++) {
        const struct column *c = &columns[i];
        REPX_AUTO_FREE char *name = repx_format("%s%s",
                                                !is_taken(columns, count, c) ? ""
                                                : c->kind == TABLE_PARAM     ? "param."
                                                                         : "output.",
                                                c->name);
        repx_buf_char(to, ',');
        put_field(to, name);
    }
    repx_buf_char(to, '\n');
}

void table_csv(struct table *t, struct repx_buf *to)
{
    size_t count;
    REPX_AUTO_FREE struct column *columns = columns_of(t, &count);
    REPX_AUTO_FREE const char **grid =
        repx_array(t->row_count * count + 1, sizeof(*grid));

    for (size_t i = 0; i < t->count; i++) {
        const struct table_cell *cell = &t->cells[i];
        const struct column key = {cell->kind, cell->name};
        const struct column *c =
            bsearch(&key, columns, count, sizeof(*columns), by_column);
        if (c && cell->row < t->row_count)
            grid[cell->row * count + (size_t)(c - columns)] = cell->text;
    }
    put_header(to, columns, count);
    for (size_t r = 0; r < t->row_count; r++) {
        put_field(to, t->rows[r]);
        for (size_t c = 0; c < count; c++) {
            repx_buf_char(to, ',');
            if (grid[r * count + c])
                put_field(to, grid[r * count + c]);
        }
        repx_buf_char(to, '\n');
    }
}
