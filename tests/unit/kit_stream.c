/* SPDX-License-Identifier: MIT */
/* JSON read as it comes. */
#include "tap.h"

#include <kit/alloc.h>
#include <kit/stream.h>

static void tell(void *ctx, const char *const *keys, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        repx_buf_fmt(ctx, "/%s", keys[i]);
}

static void on_value(void *ctx, const char *const *keys, unsigned depth,
                     const char *text)
{
    tell(ctx, keys, depth);
    repx_buf_fmt(ctx, "=%s ", text);
}

static void on_end(void *ctx, const char *const *keys, unsigned depth)
{
    tell(ctx, keys, depth);
    repx_buf_str(ctx, "; ");
}

/* What is told of a text that comes in pieces of that size; *rc: was it JSON? */
static char *told(const char *text, size_t n, size_t step, int *rc)
{
    struct repx_buf got = {0};
    struct repx_stream s = {.value = on_value, .end = on_end, .ctx = &got};

    for (size_t at = 0; at < n; at += step)
        repx_stream_take(&s, text + at, n - at < step ? n - at : step);
    *rc = repx_stream_end(&s);
    return repx_buf_detach(&got);
}

static const struct {
    const char *text, *told; /* NULL: no JSON */
} rows[] = {
    {"{}", "; "},
    {"[]", "; "},
    {" \"text\"\n", "=text "},
    {"{\"a\":1,\"b\":[true,null,-1.5e+3]}",
     "/a=1 /b/=true /b/=null /b/=-1.5e+3 /b; ; "},
    {"{\"a\":{\"b\":{\"c\":\"d\"}},\"e\":2}", "/a/b/c=d /a/b; /a; /e=2 ; "},
    {"[[1],[2,[3]]]", "//=1 /; //=2 ///=3 //; /; ; "},
    {"{\"\":\"\"}", "/= ; "},
    {"[\"\\\"\\\\\\/\\n\\t\"]", "/=\"\\/\n\t ; "},
    {"[\"\\u0041\\u00e9\\u20ac\"]", "/=A\xc3\xa9\xe2\x82\xac ; "},
    {"[\"\\u0000\\ud83d\\ude00\"]", "/=??? ; "},
    {"{\"k\\u0065y\" : \"a,b}\"}", "/key=a,b} ; "},
    {"", NULL},
    {"   ", NULL},
    {"{", NULL},
    {"[1", NULL},
    {"[1}", NULL},
    {"]", NULL},
    {"{}{}", NULL},
    {"{} x", NULL},
    {"\"open", NULL},
    {"[\"\\u00g0\"]", NULL},
    {"[\"\\u00", NULL},
    {"garbage", NULL},
    {"[1] trailing", NULL},
    {"[;]", NULL},
    {":", NULL},
    {",", NULL},
    {"[1:2]", NULL},
    {"\x01\xff", NULL},
};

static void texts(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = strlen(rows[i].text);
        int rc, same = 1;
        REPX_AUTO_FREE char *whole = told(rows[i].text, n, n + 1, &rc);
        if (!ok((rc == 0) == (rows[i].told != NULL) &&
                    (!rows[i].told || strcmp(whole, rows[i].told) == 0),
                "text %zu is %s", i, rows[i].told ? "read" : "none"))
            printf("# %s\n", whole);
        for (size_t step = 1; step < n; step++) {
            int again;
            REPX_AUTO_FREE char *part = told(rows[i].text, n, step, &again);
            same &= again == rc && strcmp(part, whole) == 0;
        }
        ok(same, "the same in pieces");
    }
}

static void bounds(void)
{
    struct repx_buf b REPX_AUTO_BUF = {0};
    int rc;

    for (unsigned i = 0; i < REPX_STREAM_DEPTH; i++)
        repx_buf_char(&b, '[');
    for (unsigned i = 0; i < REPX_STREAM_DEPTH; i++)
        repx_buf_char(&b, ']');
    REPX_AUTO_FREE char *deep = told(b.data, b.len, 7, &rc);
    ok(rc == 0 && strlen(deep) > REPX_STREAM_DEPTH, "%d levels are read",
       REPX_STREAM_DEPTH);
    repx_buf_free(&b);
    for (int i = 0; i < 100000; i++)
        repx_buf_char(&b, '[');
    REPX_AUTO_FREE char *deeper = told(b.data, b.len, 1000, &rc);
    ok(rc < 0 && !*deeper, "more are not");
    repx_buf_free(&b);
    repx_buf_str(&b, "[\"");
    for (int i = 0; i < 200000; i++)
        repx_buf_char(&b, 'x');
    repx_buf_str(&b, "\"]");
    REPX_AUTO_FREE char *text = told(b.data, b.len, 4096, &rc);
    ok(rc == 0 && strlen(text) == REPX_STREAM_TEXT + 5,
       "of a long text the rest is left out: %zu", strlen(text));
    repx_buf_free(&b);
    repx_buf_str(&b, "{\"");
    for (int i = 0; i < 5000; i++)
        repx_buf_char(&b, 'k');
    repx_buf_str(&b, "\":1}");
    REPX_AUTO_FREE char *key = told(b.data, b.len, 100, &rc);
    ok(rc == 0 && strlen(key) == 1 + 256 + 3 + 2, "and of a long name: %zu",
       strlen(key));
    REPX_AUTO_FREE char *zero = told("[\"a\0b\"]", 7, 7, &rc);
    ok(rc == 0 && strcmp(zero, "/=a?b ; ") == 0, "a zero byte is survived");
}

int main(void)
{
    texts();
    bounds();
    return tap_end();
}
