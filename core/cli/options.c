/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

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
    const struct cmd *cmd;
    void *args;
    struct cli *cli;
    int argc, next;
    char **argv;
};

static int parse_long(struct parse *p, struct repx_err *err)
{
    const char *text = p->argv[p->next++] + 2;
    size_t len = strcspn(text, "=");
    struct slot s = find_row(p->cmd->options, p->args, text, len, 0);

    if (!s.row)
        s = find_row(global_options, p->cli, text, len, 0);
    if (!s.row) {
        return repx_fail(err, REPX_E_USAGE,
                         "unknown option --%.*s; `repx %s%s--help` lists them",
                         (int)len, text, p->cmd->name, *p->cmd->name ? " " : "");
    }
    if (!takes_value(s.row)) {
        if (text[len])
            return repx_fail(err, REPX_E_USAGE, "--%s takes no value", s.row->name);
        return set_value(s, NULL, err);
    }
    if (text[len])
        return set_value(s, text + len + 1, err);
    if (p->next >= p->argc)
        return repx_fail(err, REPX_E_USAGE, "--%s needs %s", s.row->name, s.row->arg);
    return set_value(s, p->argv[p->next++], err);
}

static int parse_short(struct parse *p, struct repx_err *err)
{
    for (const char *c = p->argv[p->next++] + 1; *c; c++) {
        struct slot s = find_row(p->cmd->options, p->args, NULL, 0, *c);
        if (!s.row)
            s = find_row(global_options, p->cli, NULL, 0, *c);
        if (!s.row) {
            return repx_fail(err, REPX_E_USAGE,
                             "unknown option -%c; `repx %s%s--help` lists them", *c,
                             p->cmd->name, *p->cmd->name ? " " : "");
        }
        if (!takes_value(s.row)) {
            if (set_value(s, NULL, err) < 0)
                return -1;
            continue;
        }
        if (c[1])
            return set_value(s, c + 1, err);
        if (p->next >= p->argc)
            return repx_fail(err, REPX_E_USAGE, "-%c needs %s", *c, s.row->arg);
        return set_value(s, p->argv[p->next++], err);
    }
    return 0;
}

int options_parse(const struct cmd *cmd, void *args, struct cli *cli, int argc,
                  char **argv, struct repx_err *err)
{
    struct parse p = {cmd, args, cli, argc, 0, argv};
    int words = 0, plain = 0;

    while (p.next < p.argc) {
        char *arg = p.argv[p.next];
        int rc = 0;

        if (plain || arg[0] != '-' || !arg[1]) {
            argv[words++] = arg;
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

void options_release(const struct option *options, void *args)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->type == OPTION_LIST)
            free(((struct option_list *)(void *)((char *)args + o->offset))->items);
    }
}

void options_help(const struct option *options, struct repx_buf *to)
{
    for (const struct option *o = options; o && o->name; o++) {
        REPX_AUTO_BUF struct repx_buf left = {0};

        if (o->hidden)
            continue;
        if (o->letter) {
            repx_buf_fmt(&left, "-%c, ", o->letter);
        } else {
            repx_buf_str(&left, "    ");
        }
        repx_buf_fmt(&left, "--%s", o->name);
        if (takes_value(o))
            repx_buf_fmt(&left, " %s", o->arg);
        repx_buf_fmt(to, "  %-32s %s\n", repx_buf_text(&left), o->help);
    }
}
