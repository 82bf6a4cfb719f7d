/* SPDX-License-Identifier: MIT */
/* exchange.h: one request with an upload and a small answer, as a single call. */
#ifndef REPX_TARGET_EXCHANGE_H
#define REPX_TARGET_EXCHANGE_H

#include "core/target/session.h"

/* Send msg and all of upload; data (may be NULL) gets the answer's. */
int session_upload(struct session *s, uint16_t verb, const struct repx_buf *msg,
                   const struct repx_buf *upload, struct repx_buf *data,
                   struct repx_err *err);

#endif
