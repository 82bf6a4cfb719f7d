/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/config/nearest.h"

#define HELP_COLUMN 32

/* Where a row's value lives: in the command's arguments or in struct cli. */
struct slot {
    const struct option *row;
    char *base;
};

static struct slot find_row(const struct option *rows, void *base, const char *name,
                            size_t len, char letter)
{
    for (const struct option *o = rows; o && o->name; o++) {
        int same = name ? strlen(o->name) == len && memcmp(o->name, name, len) == 0
                        : o->letter == letter;
        if (same)
            return (struct slot){o, base};
    }
    return (struct slot){NULL, NULL};
}

static int is_one_of(const char *words, const char *value)
{
    size_t len = strlen(value);

    for (const char *w = words; *w; w += strspn(w, "|")) {
        size_t n = strcspn(w, "|");
        if (n == len && memcmp(w, value, n) == 0)
            return 1;
        w += n;
    }
    return 0;
}

static int set_int(const struct option *row, struct option_int *to, const char *value,
                   struct repx_err *err)
{
    char *end;

    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end || end == value || n < 0) {
        return repx_fail(err, REPX_E_USAGE, "--%s: `%s` is not a number", row->name,
                         value);
    }
    *to = (struct option_int){1, n};
    return 0;
}

static int set_value(struct slot s, const char *value, struct repx_err *err)
{
    void *at = s.base + s.row->offset;

    switch (s.row->type) {
    case OPTION_FLAG:
        *(int *)at = 1;
        return 0;
    case OPTION_COUNT:
        ++*(int *)at;
        return 0;
    case OPTION_INT:
        return set_int(s.row, at, value, err);
    case OPTION_LIST: {
        struct option_list *list = at;
        list->items = repx_grow(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = value;
        return 0;
    }
    case OPTION_WORD:
        if (!is_one_of(s.row->arg, value)) {
            return repx_fail(err, REPX_E_USAGE, "--%s: `%s` is none of %s", s.row->name,
                             value, s.row->arg);
        }
        *(const char **)at = value;
        return 0;
    default:
        *(const char **)at = value;
        return 0;
    }
}

static int takes_value(const struct option *row)
{
    return row->type != OPTION_FLAG && row->type != OPTION_COUNT;
}

/* What one parse works on. */
struct parse {
    const char *path;
    const struct option *own;
    void *args;
    struct cli *cli;
    struct words argv;
    int next;
};

static int unknown_long(const struct parse *p, const char *text, size_t len,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *word = repx_format("%.*s", (int)len, text);
    const struct option *tables[] = {p->own, global_options};
    const char *names[64];
    size_t n = 0;

    for (int t = 0; t < 2; t++) {
        for (const struct option *o = tables[t]; o && o->name; o++) {
            if (!o->hidden && n < sizeof(names) / sizeof(names[0]))
                names[n++] = o->name;
        }
    }
    const char *near = nearest_word(word, names, n);
    return repx_fail(
        err, REPX_E_USAGE, "unknown option --%s; %s%s%s`%s --help` lists them", word,
        near ? "did you mean `--" : "", near ? near : "", near ? "`? " : "", p->path);
}

static int parse_long(struct parse *p, struct repx_err *err)
{
    const char *text = p->argv.at[p->next++] + 2;
    size_t len = strcspn(text, "=");
    struct slot s = find_row(p->own, p->args, text, len, 0);

    if (!s.row)
        s = find_row(global_options, p->cli, text, len, 0);
    if (!s.row)
        return unknown_long(p, text, len, err);
    if (!takes_value(s.row)) {
        if (text[len])
            return repx_fail(err, REPX_E_USAGE, "--%s takes no value", s.row->name);
        return set_value(s, NULL, err);
    }
    if (text[len])
        return set_value(s, text + len + 1, err);
    if (p->next >= p->argv.count)
        return repx_fail(err, REPX_E_USAGE, "--%s needs %s", s.row->name, s.row->arg);
    return set_value(s, p->argv.at[p->next++], err);
}

static int parse_short(struct parse *p, struct repx_err *err)
{
    for (const char *c = p->argv.at[p->next++] + 1; *c; c++) {
        struct slot s = find_row(p->own, p->args, NULL, 0, *c);
        if (!s.row)
            s = find_row(global_options, p->cli, NULL, 0, *c);
        if (!s.row) {
            return repx_fail(err, REPX_E_USAGE,
                             "unknown option -%c; `%s --help` lists them", *c, p->path);
        }
        if (!takes_value(s.row)) {
            if (set_value(s, NULL, err) < 0)
                return -1;
            continue;
        }
        if (c[1])
            return set_value(s, c + 1, err);
        if (p->next >= p->argv.count)
            return repx_fail(err, REPX_E_USAGE, "-%c needs %s", *c, s.row->arg);
        return set_value(s, p->argv.at[p->next++], err);
    }
    return 0;
}

static int is_option(const char *arg)
{
    return arg[0] == '-' && arg[1];
}

int options_parse(const char *path, const struct option *own, void *args,
                  struct cli *cli, struct words argv, struct repx_err *err)
{
    struct parse p = {path, own, args, cli, argv, 0};
    int words = 0, plain = 0;

    while (p.next < argv.count) {
        char *arg = argv.at[p.next];
        int rc = 0;

        if (plain || !is_option(arg)) {
            argv.at[words++] = arg;
            p.next++;
        } else if (strcmp(arg, "--") == 0) {
            plain = 1;
            p.next++;
        } else if (arg[1] == '-') {
            rc = parse_long(&p, err);
        } else {
            rc = parse_short(&p, err);
        }
        if (rc < 0)
            return -1;
    }
    return words;
}

/* Is the value of this option the next entry? */
static int value_follows(const struct option *own, const char *arg)
{
    const struct option *tables[] = {own, global_options};
    const char *c = arg + 1;

    for (; arg[1] == '-' || *c; c++) {
        struct slot s = {NULL, NULL};
        for (int t = 0; t < 2 && !s.row; t++) {
            s = arg[1] == '-' ? find_row(tables[t], NULL, arg + 2, strlen(arg + 2), 0)
                              : find_row(tables[t], NULL, NULL, 0, *c);
        }
        if (arg[1] == '-' || !s.row || takes_value(s.row))
            return s.row && takes_value(s.row) && (arg[1] == '-' || !c[1]);
    }
    return 0;
}

int options_skip(const struct option *own, struct words argv)
{
    int i = 0;

    while (i < argv.count && is_option(argv.at[i]) && strcmp(argv.at[i], "--") != 0)
        i += 1 + value_follows(own, argv.at[i]);
    return i < argv.count ? i : argv.count;
}

void options_release(const struct option *options, void *args)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->type == OPTION_LIST)
            free(((struct option_list *)(void *)((char *)args + o->offset))->items);
    }
}

void options_help(const char *heading, const struct option *options,
                  struct repx_buf *to)
{
    int shown = 0;

    for (const struct option *o = options; o && o->name; o++) {
        REPX_AUTO_BUF struct repx_buf left = {0};

        if (o->hidden)
            continue;
        if (!shown++)
            repx_buf_fmt(to, "\n%s:\n", heading);
        if (o->letter) {
            repx_buf_fmt(&left, "-%c, ", o->letter);
        } else {
            repx_buf_str(&left, "    ");
        }
        repx_buf_fmt(&left, "--%s", o->name);
        if (takes_value(o))
            repx_buf_fmt(&left, " %s", o->arg);
        if (left.len > HELP_COLUMN) /* too long to have its help beside it */
            repx_buf_fmt(&left, "\n  %*s", HELP_COLUMN, "");
        repx_buf_fmt(to, "  %-*s %s\n", HELP_COLUMN, repx_buf_text(&left), o->help);
    }
}
