/* SPDX-License-Identifier: MIT */
/* connect.h: the two halves of the plugin; each is a member of struct repx_sync_ops. */
#ifndef REPX_BOOTSTRAP_CONNECT_H
#define REPX_BOOTSTRAP_CONNECT_H

#include <repx/sync.h>

int32_t bootstrap_connect(const struct repx_sync_host *sync, struct repx_err *err);
int32_t bootstrap_perform(const struct repx_sync_host *sync, struct repx_err *err);

#endif
