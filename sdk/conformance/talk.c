/* SPDX-License-Identifier: MIT */
#include "talk.h"

#include <kit/err.h>

static int give(struct talk *t, struct turn *turn, struct repx_err *err)
{
    if (turn->sent < t->len) {
        int64_t n = t->ops->write(turn->stream, t->input + turn->sent,
                                  t->len - turn->sent, err);
        if (n == -1)
            return -1;
        if (n == 0 || n > (int64_t)(t->len - turn->sent))
            return repx_fail(err, REPX_E_FAILED, "write answered %lld", (long long)n);
        if (n > 0)
            turn->sent += (size_t)n;
    }
    if (turn->sent == t->len && !t->keep_open && !turn->half_closed) {
        turn->half_closed = 1;
        return t->ops->half_close(turn->stream, err);
    }
    return 0;
}

static int take(struct talk *t, struct turn *turn, uint32_t channel,
                struct repx_err *err)
{
    struct repx_buf *to = channel == REPX_STREAM_ERR ? &t->errors : &t->out;
    const uint64_t room = 40000;
    char *at = repx_buf_room(to, room);
    int64_t n = t->ops->read(turn->stream, channel, at, room, err);

    if (n == -1)
        return -1;
    if (n > (int64_t)room || n < REPX_AGAIN)
        return repx_fail(err, REPX_E_FAILED, "read answered %lld", (long long)n);
    if (n > 0) {
        to->len += (size_t)n;
        to->data[to->len] = 0; /* it is read as text, too */
    }
    if (n == 0)
        turn->ended[channel] = 1;
    return 0;
}

int talk_turn(struct talk *t, struct turn *turn, int64_t deadline_ms,
              struct repx_err *err)
{
    struct repx_wait w = {.stream = turn->stream};

    w.want = (turn->ended[0] ? 0 : REPX_READY_READ) |
             (turn->ended[1] ? 0 : REPX_READY_ERRORS) |
             (turn->sent < t->len ? REPX_READY_WRITE : 0);
    int64_t n = t->ops->wait(t->self, &w, 1, sizeof(w), deadline_ms, err);
    if (n < 0)
        return -1;
    if (n == 0 && t->host->now_ms(t->host->ctx) >= deadline_ms)
        return repx_fail(err, REPX_E_TIMEOUT, "nothing came in time");
    if ((w.ready & REPX_READY_WRITE || turn->sent == t->len) && give(t, turn, err) < 0)
        return -1;
    if (w.ready & REPX_READY_READ && take(t, turn, REPX_STREAM_OUT, err) < 0)
        return -1;
    if (w.ready & REPX_READY_ERRORS && take(t, turn, REPX_STREAM_ERR, err) < 0)
        return -1;
    return !turn->ended[0] || !turn->ended[1];
}

int talk(struct talk *t, const char *command, int seconds, struct repx_err *err)
{
    int64_t deadline = t->host->now_ms(t->host->ctx) + (int64_t)seconds * 1000;
    struct turn turn = {0};
    char byte;
    int rc = 1;

    t->out.len = t->errors.len = 0;
    t->status = -1;
    if (t->ops->start(t->self, command, deadline, &turn.stream, err) < 0)
        return -1;
    if (!t->len && !t->keep_open)
        rc = give(t, &turn, err) < 0 ? -1 : 1;
    while (rc > 0)
        rc = talk_turn(t, &turn, deadline, err);
    if (rc == 0) {
        t->again_at_end =
            t->ops->read(turn.stream, REPX_STREAM_OUT, &byte, 1, err) == 0;
        rc = t->ops->exit_status(turn.stream, deadline, &t->status, err);
    }
    t->ops->end(turn.stream);
    return rc;
}

void talk_free(struct talk *t)
{
    repx_buf_free(&t->out);
    repx_buf_free(&t->errors);
}
