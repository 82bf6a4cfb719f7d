/* SPDX-License-Identifier: MIT */
/* helper.h: calls of a scheduler's helper as the agent makes them. */
#ifndef REPX_CONFORM_HELPER_H
#define REPX_CONFORM_HELPER_H

#include <kit/buf.h>

#include "conform.h"
#include "core/json/json.h"

struct helper {
    struct conform *c;
    char *program, *workdir;
    struct repx_buf config; /* JSON of the plugin's own keys */
    /* of the last call */
    int status; /* exit status, or -1: killed at its deadline */
    int64_t ms;
    struct json **lines;
    size_t count;
    int is_clean; /* each line an object with "v":1, an error only in the last */
};

int helper_open(struct helper *h, struct conform *c, struct repx_err *err);
void helper_close(struct helper *h);

/* One call: members is what follows v, config and timeout_ms, or "". Returns the exit
 * status. helper_raw: the input as it is. */
int helper_call(struct helper *h, const char *verb, const char *members, int seconds);
int helper_raw(struct helper *h, const char *verb, const char *input, size_t n,
               int seconds);
/* Of line i of the answer: text "" and number `absent` when it is not there. */
const char *helper_text(const struct helper *h, size_t i, const char *key);
int64_t helper_number(const struct helper *h, size_t i, const char *key,
                      int64_t absent);
/* The code of the error that the last line tells; 0 when there is none. */
int64_t helper_error(const struct helper *h);

#endif
