/* SPDX-License-Identifier: MIT */
/* store_session.h: names that tell whether the process they name still lives:
 * HOST.BOOT.PID.START.COUNT */
#ifndef REPX_AGENT_STORE_SESSION_H
#define REPX_AGENT_STORE_SESSION_H

/* Of this process; caller frees. */
char *session_name(const char *host, const char *boot);
/* 1 it lives, 0 it is gone, -1 not knowable on this node (or no such name). */
int session_alive(const char *name, const char *host, const char *boot);

#endif
