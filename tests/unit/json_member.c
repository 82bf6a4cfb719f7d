/* SPDX-License-Identifier: MIT */
/* A member of an object is found as text, whatever stands around it. */
#include "tap.h"

#include <kit/alloc.h>

#include "core/agent/json_member.h"

static const struct {
    const char *text, *value; /* NULL: not there */
} cases[] = {
    {"{\"files\":[1,2]}", "[1,2]"},
    {" { \"a\" : 1 ,\n\t\"files\" : [ {\"x\":\"]\"} , 2 ] , \"b\":{}}",
     "[ {\"x\":\"]\"} , 2 ] "},
    {"{\"files\":0}", "0"},
    {"{\"files\":\"a\\\"b,}\",\"z\":1}", "\"a\\\"b,}\""},
    {"{\"files\":[],\"files\":[7]}", "[7]"},
    {"{\"in\":{\"files\":[1]},\"files\":{\"files\":[2]}}", "{\"files\":[2]}"},
    {"{\"in\":{\"files\":[1]}}", NULL},
    {"{\"value\":\"files\",\"other\":[\"files\",1]}", NULL},
    {"{\"filesx\":1,\"file\":2,\"xfiles\":3}", NULL},
    {"{}", NULL},
    {"", NULL},
    {"[\"files\",1]", NULL},
    {"{\"files\"", NULL},
    {"{\"files", NULL},
    {"{\"files\\", NULL},
    {"{\"a\" 1,\"files\":2}", NULL},
};

int main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].text), from = 0, end = 0;
        int found = json_member_find(cases[i].text, n, "files", &from, &end);
        REPX_AUTO_FREE char *got = repx_strndup(cases[i].text + from, end - from);
        ok(found == (cases[i].value != NULL) && from <= end && end <= n,
           "found or not: %s", cases[i].text);
        if (found && cases[i].value)
            is(got, cases[i].value, "and its value");
    }
    return tap_end();
}
