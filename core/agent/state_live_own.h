/* SPDX-License-Identifier: MIT */
/* state_live_own.h: what state_live.c and state_next.c share. */
#ifndef REPX_AGENT_STATE_LIVE_OWN_H
#define REPX_AGENT_STATE_LIVE_OWN_H

#include "core/agent/state.h"

/* What a link says: "<run> <index> <KEY>". */
struct live_text {
    char text[128], run[32];
    size_t index;
    char key[27];
};

/* The link at a path below S: 1, 0 there is none, -1. */
int live_link_read(struct site *site, const char *path, struct live_text *t,
                   struct repx_err *err);
/* From its text: 1, or 0 when it is of no known form. */
int live_text_parse(const char *text, struct live_text *t);
/* Is it that run's, and of that key (NULL: any)? */
int live_is(const struct live_text *t, const char *run, const char *key);
/* Out of the way goes the link with that text, and no other. 1 when the place is free. */
int live_link_displace(struct site *site, const char *path, const char *text);

#endif
