/* SPDX-License-Identifier: MIT */
/* First byte: side (lowest bit), step of the input (the rest). Callbacks answer, so that
 * output is exercised, too. */
#include <stdlib.h>

#include "core/wire/mux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_request(void *ctx, uint32_t stream, uint16_t verb, const void *msg,
                      size_t n, struct repx_err *err)
{
    struct mux **m = ctx;

    (void)err;
    (void)mux_send(*m, stream, msg, n);
    if (verb & 1)
        mux_result(*m, stream, 0, NULL, NULL, 0);
    return 0;
}

static int on_data(void *ctx, uint32_t stream, const void *bytes, size_t n,
                   struct repx_err *err)
{
    struct mux **m = ctx;

    (void)err;
    (void)mux_send(*m, stream, bytes, n);
    mux_consumed(*m, stream, n);
    return 0;
}

static int on_end(void *ctx, uint32_t stream, struct repx_err *err)
{
    struct mux **m = ctx;

    (void)err;
    mux_end(*m, stream);
    mux_result(*m, stream, 1, "ended", NULL, 0);
    return 0;
}

static void on_room(void *ctx, uint32_t stream)
{
    struct mux **m = ctx;

    (void)mux_send(*m, stream, "more", 4);
}

static void drain(struct mux *m, size_t step)
{
    const void *bytes;
    size_t n = mux_output(m, &bytes);

    mux_sent(m, n < step ? n : step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mux_events events = {
        .request = on_request, .data = on_data, .end = on_end, .room = on_room};
    struct mux *m = NULL;
    struct repx_err err = {0};
    int rc = 0;

    if (size < 1)
        return 0;
    size_t step = (size_t)(data[0] >> 1) * 16 + 1;
    m = mux_create(data[0] & 1, &events, &m);
    mux_hello(m, NULL, 0);
    for (int i = 0; i < 4 && !(data[0] & 1); i++)
        (void)mux_send(m, mux_request(m, 1, NULL, 0), data, size);
    for (size_t at = 1; rc == 0 && at < size; at += step) {
        rc = mux_input(m, data + at, size - at < step ? size - at : step, &err);
        drain(m, step);
    }
    if (rc < 0 && err.code == REPX_E_NONE)
        abort(); /* every failure says why */
    mux_destroy(m);
    return 0;
}
