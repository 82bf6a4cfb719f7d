/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/json/json.h"
#include "core/json/reader.h"

#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    const char *text;
    const char *problem; /* NULL: good */
} texts[] = {
    {"{}", NULL},
    {" [ 1 , -0.5e+3 , \"a\\u00e9\\n\" , true , false , null , {} ] ", NULL},
    {"\"\\ud83d\\ude00\"", NULL},
    {"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"", NULL},
    {"0", NULL},
    {"{\"a\":{\"a\":[[]]}}", NULL},
    {"", "ends too early"},
    {"   ", "ends too early"},
    {"{", "ends too early"},
    {"[1,", "ends too early"},
    {"\"abc", "ends inside a string"},
    {"\"abc\\", "ends too early"},
    {"[1,]", "a value is expected"},
    {"{\"a\":1,}", "a string is expected"},
    {"{\"a\" 1}", "a colon is expected"},
    {"{a:1}", "a string is expected"},
    {"[1 2]", "a comma"},
    {"[1}", "a comma"},
    {"01", "malformed number"},
    {"1.", "malformed number"},
    {"-", "malformed number"},
    {"1e", "malformed number"},
    {".5", "a value is expected"},
    {"+1", "a value is expected"},
    {"nul", "unknown word"},
    {"truth", "unknown word"},
    {"NaN", "a value is expected"},
    {"1 1", "something follows"},
    {"\"a\tb\"", "control character"},
    {"\"\\x41\"", "unknown escape"},
    {"\"\\u12g4\"", "four hexadecimal"},
    {"\"\\ud800\"", "surrogate"},
    {"\"\\ude00\"", "surrogate"},
    {"\"\\ud800\\u0041\"", "surrogate"},
    {"\"\\u0000\"", "NUL"},
    {"\"\xff\"", "UTF-8"},
    {"\"\xc0\xaf\"", "UTF-8"},
    {"\"\xed\xa0\x80\"", "UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "UTF-8"},
    {"\"\xe2\x82\"", "UTF-8"},
    {"\xef\xbb\xbf{}", "a value is expected"},
    {"// x\n1", "a value is expected"},
    {"'a'", "a value is expected"},
};

static void only_json_is_read(void)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct repx_err err = {0};
        struct json *v = json_parse(texts[i].text, strlen(texts[i].text), &err);
        if (texts[i].problem) {
            ok(!v && err.code == REPX_E_CORRUPT && strstr(err.text, texts[i].problem),
               "refused: %s (%s)", texts[i].problem, v ? "read" : err.text);
        } else {
            ok(v != NULL, "read: case %zu %s", i, err.text);
        }
        json_free(v);
    }
}

static void depth_is_bounded(void)
{
    static const int depths[] = {1, JSON_DEPTH, JSON_DEPTH + 1, 100000};

    for (size_t i = 0; i < COUNT(depths); i++) {
        struct repx_buf b = {0};
        struct repx_err err = {0};
        for (int k = 0; k < depths[i]; k++)
            repx_buf_char(&b, '[');
        for (int k = 0; k < depths[i]; k++)
            repx_buf_char(&b, ']');
        struct json *v = json_parse(b.data, b.len, &err);
        ok((v != NULL) == (depths[i] <= JSON_DEPTH), "%d levels: %s", depths[i],
           v ? "read" : err.text);
        json_free(v);
        repx_buf_free(&b);
    }
}

static const struct {
    const char *text, *compact, *pretty;
} written[] = {
    {"{}", "{}", "{}"},
    {"[ ]", "[]", "[]"},
    {"{\"b\":1,\"a\":[true,null]}", "{\"b\":1,\"a\":[true,null]}",
     "{\n  \"a\": [\n    true,\n    null\n  ],\n  \"b\": 1\n}"},
    {"{\"x\":{},\"e\":[]}", "{\"x\":{},\"e\":[]}", "{\n  \"e\": [],\n  \"x\": {}\n}"},
    {"[0,-7,123456789012345,12345678901234567890,-0]",
     "[0,-7,123456789012345,12345678901234567890,-0]",
     "[\n  0,\n  -7,\n  123456789012345,\n  12345678901234567890,\n  -0\n]"},
    {"[0.1,1.0,1e-7,1E5,100.50]", "[0.1,1.0,1e-7,1E5,100.50]",
     "[\n  0.1,\n  1.0,\n  1e-7,\n  1E5,\n  100.50\n]"},
    {"{\"k\":1,\"a\":2,\"k\":3}", "{\"k\":1,\"a\":2,\"k\":3}",
     "{\n  \"a\": 2,\n  \"k\": 3\n}"},
    {"\"\\u0001\\\"\\\\\\/\\n\\u00e9\\u007f\"", "\"\\u0001\\\"\\\\/\\n\xc3\xa9\x7f\"",
     "\"\\u0001\\\"\\\\/\\n\xc3\xa9\x7f\""},
};

static void what_is_read_is_written(void)
{
    for (size_t i = 0; i < COUNT(written); i++) {
        struct json *v = json_parse(written[i].text, strlen(written[i].text), NULL);
        struct repx_buf b = {0};
        json_put_value(&b, v, 0);
        is(repx_buf_text(&b), written[i].compact, "compact");
        b.len = 0;
        json_put_value(&b, v, 2);
        is(repx_buf_text(&b), written[i].pretty, "pretty");
        json_free(v);
        repx_buf_free(&b);
    }
}

static void strings_become_valid(void)
{
    struct repx_buf b = {0};

    json_put_string(&b, "a\xff\xc3\xa9\xe2\x82z\x1f");
    is(repx_buf_text(&b), "\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\\u001f\"",
       "what is no UTF-8 shows as U+FFFD");
    repx_buf_free(&b);
}

static void white_space_goes(void)
{
    struct repx_buf b = {0};
    const char *text = " { \"a b\" : [ 1 ,\n\t\"\\\" \\\\\" , 1.50 ] } ";

    json_compact(&b, text, strlen(text));
    is(repx_buf_text(&b), "{\"a b\":[1,\"\\\" \\\\\",1.50]}",
       "between tokens, and nowhere else");
    repx_buf_free(&b);
}

static void a_tree_is_walked(void)
{
    static const char text[] =
        "{\"s\":\"x\",\"n\":2.5,\"large\":1e300,\"small\":-1e300,\"t\":true,\"l\":[1,2],\"o\":{},\"z\":null,\"s\":\"y\"}";
    struct json *v = json_parse(text, sizeof(text) - 1, NULL);
    const struct json *l = json_get(v, "l");

    is(json_string(json_get(v, "s")), "y", "of equal keys the last counts");
    is(json_get_string(v, "s", "none"), "y",
       "and so they do for a text that may be absent");
    is(json_get_string(v, "n", "none"), "none", "a number is no string");
    ok(json_get_int(v, "n", 0) == 2, "a number");
    ok(json_get_int(v, "s", -1) == -1, "a string is no number");
    ok(json_get_int(v, "large", -1) == -1 && json_get_int(v, "small", -1) == -1,
       "a number that is too large is none");
    ok(json_is_true(json_get(v, "t")) && !json_is_true(json_get(v, "n")), "true");
    ok(json_type(json_get(v, "none")) == JSON_NULL, "what is not there is null");
    ok(json_type(json_get(l, "s")) == JSON_NULL, "an array has no keys");
    ok(json_type(json_get(v, "o")) == JSON_OBJECT && !json_first(json_get(v, "o")),
       "an empty object");
    ok(json_int(json_next(json_first(l)), 0) == 2, "the second element");
    ok(!json_next(json_next(json_first(l))), "and no third");
    is(json_key(json_first(v)), "s", "the first key");
    ok(!json_string(json_get(v, "n")) && !json_first(NULL) && !json_next(NULL),
       "nothing of nothing");
    json_free(v);
    json_free(NULL);
}

static int collect(void *ctx, const char *key, const char *value, size_t len,
                   struct repx_err *err)
{
    struct repx_buf *b = ctx;

    repx_buf_fmt(b, "%s=%.*s;", key, (int)len, value);
    if (strcmp(key, "stop") == 0)
        return 7;
    if (strcmp(key, "fail") == 0)
        return repx_fail(err, REPX_E_FAILED, "told to");
    return 0;
}

static const struct {
    const char *text, *seen;
    int rc;
} members[] = {
    {"{}", "", 0},
    {"{\"a\" : [1, {\"b\":2}] , \"\\u0062\":\"x\"}", "a=[1, {\"b\":2}];b=\"x\";", 0},
    {"{\"a\":1,\"stop\":2,\"c\":3}", "a=1;stop=2;", 7},
    {"{\"a\":1,\"fail\":2,\"c\":3}", "a=1;fail=2;", -1},
    {"{\"a\":1,\"b\":}", "a=1;", -1},
    {"{\"a\":1} x", "a=1;", -1},
    {"[1]", "", -1},
    {"{\"a\":1", "a=1;", -1},
    {"", "", -1},
};

static void members_are_handed_out(void)
{
    for (size_t i = 0; i < COUNT(members); i++) {
        struct repx_buf b = {0};
        struct repx_err err = {0};
        int rc = json_each_member(members[i].text, strlen(members[i].text), collect, &b,
                                  &err);
        ok(rc == members[i].rc, "%s: %d %s", members[i].text, rc, err.text);
        ok(rc >= 0 || err.code != REPX_E_NONE, "a failure says why");
        is(repx_buf_text(&b), members[i].seen, "members");
        repx_buf_free(&b);
    }
}

int main(void)
{
    only_json_is_read();
    depth_is_bounded();
    what_is_read_is_written();
    strings_become_valid();
    white_space_goes();
    a_tree_is_walked();
    members_are_handed_out();
    return tap_end();
}
