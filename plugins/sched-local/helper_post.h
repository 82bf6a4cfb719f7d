/* SPDX-License-Identifier: MIT */
/* helper_post.h: the calls of the scheduler's vtable, on the directory of the queue. */
#ifndef REPX_LOCAL_POST_H
#define REPX_LOCAL_POST_H

#include <repx/scheduler.h>

struct post {
    char *path; /* of the queue's directory */
    int dir;
    const struct repx_host *host;
};

/* Make the directory unless it exists. */
int post_open(struct post *p, const char *path, const struct repx_host *host,
              struct repx_err *err);
void post_close(struct post *p);

int post_submit(struct post *p, const struct repx_unit *units, uint64_t count,
                uint64_t stride, const struct repx_submit_sink *sink,
                struct repx_err *err);
int post_status(struct post *p, const struct repx_status_sink *sink,
                struct repx_err *err);
int post_find(struct post *p, const char *const *keys, uint64_t count,
              const struct repx_found_sink *sink, struct repx_err *err);
int post_cancel(struct post *p, const char *const *ids, uint64_t count,
                struct repx_err *err);
int post_amend(struct post *p, const char *id, const struct repx_dep *deps,
               uint64_t count, uint64_t stride, struct repx_err *err);

#endif
