/* SPDX-License-Identifier: MIT */
/* helper_daemon.h: one queue per directory: who it is, and starting it. */
#ifndef REPX_LOCAL_DAEMON_H
#define REPX_LOCAL_DAEMON_H

#include <repx/plugin.h>

#define LEASE_FRESH_S 60 /* a queue on another host counts as alive that long */

/* Start a detached queue unless one is known to be there, and see it begin; fails with
 * what keeps it from that. It shares nothing with this process: own session, no descriptor
 * (but a pipe for that word, until it has begun), directory "/". */
int queue_start(int dir, const char *path, struct repx_err *err);

/* In the queue: become the one of this directory. 1 yes, 0 another one lives, -1. The
 * lock is kept by *lock until the process ends; children hold it too up to their exec, so
 * that no queue takes over while a start is half done. */
int queue_become(int dir, int *lock, struct repx_err *err);
void lease_touch(int dir);
void lease_write(int dir, struct repx_err *err);
void lease_remove(int dir);

/* The queue's program: `sched-local queue DIRECTORY`. */
int queue_main(const char *path);

#endif
