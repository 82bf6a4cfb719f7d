/* SPDX-License-Identifier: MIT */
/* Lists of results: what is written is read again, and what is not well-formed is not. */
#include "tap.h"

#include <string.h>

#include <kit/alloc.h>

#include "core/wire/results.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD "repx-results 1\n"

static void round_trip(void)
{
    struct results a = {0}, b = {0};
    REPX_AUTO_BUF struct repx_buf text = {0};
    REPX_AUTO_BUF struct repx_buf again = {0};

    struct result *r =
        results_add(&a, repx_strdup("z dir/100%\n\xff"), REPX_ENTRY_FILE);
    r->hashed = r->executable = 1;
    r->length = 1ull << 40;
    digest_of("x", 1, &r->digest);
    r->witness = repx_strdup("1.2.3");
    results_add(&a, repx_strdup("link"), REPX_ENTRY_LINK)->link =
        repx_strdup("a b/../c");
    (void)results_add(&a, repx_strdup("empty"), REPX_ENTRY_DIR);
    (void)results_add(&a, repx_strdup("unread"), REPX_ENTRY_FILE);
    results_sort(&a);
    results_write(&a, &text);
    ok(results_read(&b, text.data, text.len, NULL) == 0 && b.count == 3,
       "what was written is read, less what has no digest");
    r = results_find(&b, "z dir/100%\n\xff");
    ok(r && r->executable && r->length == 1ull << 40, "an odd name is found");
    is(r ? r->witness : NULL, "1.2.3", "with its witness");
    r = results_find(&b, "link");
    is(r ? r->link : NULL, "a b/../c", "a link with its target");
    ok(!results_find(&b, "other"), "what is not there is not found");
    results_write(&b, &again);
    ok(again.len == text.len && memcmp(again.data, text.data, text.len) == 0,
       "written again it is the same");
    results_free(&a);
    results_free(&b);
}

static const struct {
    const char *text;
    int good;
    const char *name;
} texts[] = {
    {HEAD "end 0\n", 1, "an empty list"},
    {HEAD "d a\nend 1\n", 1, "one directory"},
    {HEAD "f " HEX " 0 a\nend 1\n", 1, "one file"},
    {HEAD "x " HEX " 9223372036854775807 a w\nend 1\n", 1, "the longest file"},
    {"", 0, "nothing"},
    {"repx-results 2\nend 0\n", 0, "another version"},
    {HEAD, 0, "a list without an end"},
    {HEAD "d a\nend 1", 0, "an end that is cut off"},
    {HEAD "d a\nend 2\n", 0, "a wrong count"},
    {HEAD "end 0\nd a\n", 0, "more after the end"},
    {HEAD "d ../a\nend 1\n", 0, "a path that climbs"},
    {HEAD "d /a\nend 1\n", 0, "an absolute path"},
    {HEAD "d a//b\nend 1\n", 0, "an empty component"},
    {HEAD "d a%2Eb\nend 1\n", 0, "an escape that was not needed"},
    {HEAD "d a%00\nend 1\n", 0, "a NUL"},
    {HEAD "d a%2\nend 1\n", 0, "half an escape"},
    {HEAD "d a%0a\nend 1\n", 0, "a lower-case escape"},
    {HEAD "d b\nd a\nend 2\n", 0, "wrong order"},
    {HEAD "d a\nd a\nend 2\n", 0, "the same twice"},
    {HEAD "f " HEX " 01 a\nend 1\n", 0, "a number with a zero before it"},
    {HEAD "f " HEX " 9223372036854775808 a\nend 1\n", 0, "a file that is too long"},
    {HEAD "f " HEX " 1\nend 1\n", 0, "a file without a path"},
    {HEAD "f 00 1 a\nend 1\n", 0, "a short digest"},
    {HEAD "l a\nend 1\n", 0, "a link without a target"},
    {HEAD "q a\nend 1\n", 0, "an unknown kind"},
};

int main(void)
{
    round_trip();
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct results r = {0};
        struct repx_err err = {0};
        int rc = results_read(&r, texts[i].text, strlen(texts[i].text), &err);
        ok((rc == 0) == texts[i].good, "%s is %s", texts[i].name,
           texts[i].good ? "read" : "refused");
        results_free(&r);
    }
    return tap_end();
}
