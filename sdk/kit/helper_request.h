/* SPDX-License-Identifier: MIT */
/* helper_request.h: what comes to a scheduler's helper on its standard input
 * (docs/scheduler-helper.md), checked and in the structs of repx/scheduler.h. */
#ifndef REPX_KIT_HELPER_REQUEST_H
#define REPX_KIT_HELPER_REQUEST_H

#include <jansson.h>

#include <repx/scheduler.h>

#define REPX_HELPER_INPUT_MAX (64u << 20)
#define REPX_HELPER_LIST_MAX 200000u

struct repx_helper_request {
    json_t *root; /* all strings below belong to it */
    json_t *config;
    int64_t timeout_ms; /* 0: none */
    struct repx_unit *units;
    size_t unit_count;
    const char **list; /* find: keys; cancel: ids */
    size_t list_count;
    int64_t since; /* find, ended */
    uint32_t scope;
    const char *id; /* amend */
    struct repx_dep *deps;
    size_t dep_count;
};

/* Read the document for `verb`. On failure (REPX_E_CORRUPT) there is nothing to free. */
int repx_helper_parse(struct repx_helper_request *r, const char *verb, const char *text,
                      size_t n, struct repx_err *err);
void repx_helper_request_free(struct repx_helper_request *r);

/* Names of the numbers in scheduler.h, as the protocol spells them; "?" for others. */
const char *repx_helper_result_name(uint32_t result);
const char *repx_helper_state_name(uint32_t state);

#endif
