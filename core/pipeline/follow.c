/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include <string.h>

#define LINE_MAX_BYTES (16u << 20)

int follow_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct follow_lines *l = ctx;
    size_t start = 0;

    repx_buf_add(&l->rest, bytes, n);
    while (start < l->rest.len) {
        const char *from = l->rest.data + start;
        const char *end = memchr(from, '\n', l->rest.len - start);
        if (!end)
            break;
        if (l->each(l->ctx, from, (size_t)(end - from), err) < 0)
            return -1;
        start += (size_t)(end - from) + 1;
    }
    repx_buf_drop(&l->rest, start);
    if (l->rest.len > LINE_MAX_BYTES)
        return repx_fail(err, REPX_E_CORRUPT, "a line of the answer has no end");
    return 0;
}

void follow_lines_free(struct follow_lines *l)
{
    repx_buf_free(&l->rest);
}

/* NOLINTNEXTLINE(readability-function-size): a question has seven sides */
int follow_ask(struct target *target, uint16_t verb, const struct repx_buf *msg,
               follow_fn *each, void *ctx, struct repx_buf *fields,
               struct repx_err *err)
{
    struct follow_lines lines = {.each = each, .ctx = ctx};
    struct session_call *c = session_call(target_session(target), verb, msg->data,
                                          msg->len, follow_data, &lines);
    int rc = session_finish(c, fields, err);

    follow_lines_free(&lines);
    return rc;
}
