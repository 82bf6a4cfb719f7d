/* SPDX-License-Identifier: MIT */
/* Tables: columns, quoting, and which files are one line. */
#include "tap.h"

#include <string.h>

#include <kit/alloc.h>

#include "core/pipeline/table.h"

static const struct {
    const char *text, *line, *name;
} lines[] = {
    {"42\n", "42", "a line"},
    {"42", "42", "a line without its end"},
    {"42\r\n", "42", "a line of DOS"},
    {"a b, c\n", "a b, c", "any text"},
    {"", NULL, "nothing"},
    {"\n", NULL, "an empty line"},
    {"1\n2\n", NULL, "two lines"},
    {"\n1", NULL, "an empty line before"},
};

static void one_line(void)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        REPX_AUTO_FREE char *got = table_line(lines[i].text, strlen(lines[i].text));
        is(got, lines[i].line, lines[i].name);
    }
    REPX_AUTO_FREE char *nul = table_line("a\0b", 3);
    is(nul, NULL, "a NUL");
}

static void whole(void)
{
    static const char *const rows[] = {"j-1", "j,2"};
    struct table t = {.rows = rows, .row_count = 2};
    REPX_AUTO_BUF struct repx_buf csv = {0};

    table_set(&t, 0, TABLE_OUTPUT, "sum", "1");
    table_set(&t, 0, TABLE_OUTPUT, "sum", "3");
    table_set(&t, 0, TABLE_OUTPUT, "n", "5");
    table_set(&t, 1, TABLE_PARAM, "n", "say \"x\"");
    table_set(&t, 0, TABLE_PARAM, "m", " blank");
    table_set(&t, 1, TABLE_PARAM, "job", "two\nlines");
    table_set(&t, 9, TABLE_PARAM, "zz", "no such row");
    table_csv(&t, &csv);
    is(repx_buf_text(&csv),
       "job,param.job,m,n,zz,output.n,sum\n"
       "j-1,,\" blank\",,,5,3\n"
       "\"j,2\",\"two\nlines\",,\"say \"\"x\"\"\",,,\n",
       "columns are sorted, taken names told apart, odd texts quoted");
    table_free(&t);
}

static void empty(void)
{
    struct table t = {0};
    REPX_AUTO_BUF struct repx_buf csv = {0};

    table_csv(&t, &csv);
    is(repx_buf_text(&csv), "job\n", "a table of nothing is its header");
    table_free(&t);
}

int main(void)
{
    one_line();
    whole();
    empty();
    return tap_end();
}
