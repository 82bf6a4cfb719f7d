/* SPDX-License-Identifier: MIT */
/* store_desk.h: the store of a session, for verbs of other files (store_verbs.c has it). */
#ifndef REPX_AGENT_STORE_DESK_H
#define REPX_AGENT_STORE_DESK_H

#include "core/agent/agent.h"
#include "core/agent/store.h"

struct store *store_desk_store(struct call *c, struct repx_err *err);
/* Between these two lacking, verify and remember wait. */
void store_desk_enter(struct call *c);
void store_desk_leave(struct call *c);

#endif
