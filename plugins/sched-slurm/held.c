/* SPDX-License-Identifier: MIT */
/* held.c: units that Slurm put back and holds after their launch failed. It does so when a
 * node or munge is down for a moment, and when an id comes again (its controller lost the
 * last second) while the first owner still runs there. Nothing ever happens to them by
 * itself; their owner may let them go. */

#include "own.h"
#include "parse.h"

#define RELEASE_AT_ONCE 200

/* "launch failed requeued held", or with '_' for ' ', as versions write it. */
static int is_held(const struct slurm_row *row)
{
    static const char held[] = "launch failed requeued held";
    const char *p = row->reason;

    for (const char *h = held; *h; h++, p++) {
        if (*p != *h && !(*h == ' ' && *p == '_'))
            return 0;
    }
    return row->state == REPX_STATE_PENDING && !*p;
}

void held_note(struct held *h, const struct slurm_row *row)
{
    if (!is_held(row) || h->count == RELEASE_AT_ONCE)
        return;
    h->count++;
    repx_buf_fmt(&h->ids, "%s%s", h->ids.len ? "," : "", row->id);
    if (row->index >= 0)
        repx_buf_fmt(&h->ids, "_%lld", (long long)row->index);
}

void held_release(const struct slurm *s, struct held *h, int64_t deadline_ms)
{
    const char *const argv[] = {"scontrol", "release", repx_buf_text(&h->ids), NULL};
    struct repx_run run;

    /* one that could not be let go is still told as pending, with its reason */
    if (h->count)
        (void)slurm_run(s, argv, NULL, deadline_ms, &run, NULL);
    repx_buf_free(&h->ids);
}
