/* SPDX-License-Identifier: MIT */
/* state_cancel.c: S/sub/KEY/cancel, the jobs of a unit that a user of repx cancelled: their
 * indices in the plan, one a line. So a supervisor that is asked to end knows by whom. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define MARKS_MAX (16u << 20)

static void read_marks(struct site *site, const char *key, struct repx_buf *to)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/cancel", key);

    if (!state_key_ok(key) ||
        repx_read_file(site->state_fd, path, MARKS_MAX, to, NULL) < 0)
        to->len = 0;
}

int cancel_mark(struct site *site, const char *key, const size_t *jobs, size_t count,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/cancel", key);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (!state_key_ok(key))
        return repx_fail(err, REPX_E_USAGE, "%s: not a submission key", key);
    read_marks(site, key, &b);
    for (size_t i = 0; i < count; i++)
        repx_buf_fmt(&b, "%zu\n", jobs[i]);
    return repx_write_file(site->state_fd, path, repx_buf_text(&b), b.len, 0666, err);
}

int cancel_marked(struct site *site, const char *key, size_t job)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    read_marks(site, key, &b);
    for (const char *at = repx_buf_text(&b); *at;) {
        char *end;
        unsigned long long n = strtoull(at, &end, 10);
        if (end > at && *end == '\n' && n == job)
            return 1;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    return 0;
}
