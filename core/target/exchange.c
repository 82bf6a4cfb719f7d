/* SPDX-License-Identifier: MIT */
#include "exchange.h"

int session_upload(struct session *s, uint16_t verb, const struct repx_buf *msg,
                   const struct repx_buf *upload, struct repx_buf *data,
                   struct repx_err *err)
{
    struct session_call *c =
        session_call(s, verb, msg->data, msg->len, session_collect, data);

    /* A refusal that comes while we still send is told by finish: it knows the text. */
    if (session_send(c, upload->data, upload->len, err) < 0 &&
        (err->code == REPX_E_LINK || err->code == REPX_E_CANCELED)) {
        session_cancel(c);
        return -1;
    }
    return session_finish(c, NULL, err);
}
