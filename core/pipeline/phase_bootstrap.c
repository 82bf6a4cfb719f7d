/* SPDX-License-Identifier: MIT */
/* bootstrap: the agent came with the connection (target_open); here the scheduler's helper
 * follows, so that every later call to the scheduler is made on the target. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "expect.h"
#include "pipeline.h"

struct helper_source {
    int fd;
    const char *path;
    uint64_t length;
    struct digest digest;
};

static uint64_t helper_count(void *ctx)
{
    (void)ctx;
    return 1;
}

static int32_t helper_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct helper_source *h = ctx;

    (void)i;
    (void)err;
    *entry = (struct repx_entry){.size = sizeof(*entry),
                                 .path = h->path,
                                 .kind = REPX_ENTRY_FILE,
                                 .executable = 1,
                                 .length = h->length};
    memcpy(entry->digest, h->digest.bytes, sizeof(entry->digest));
    return 0;
}

static int64_t helper_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    const struct helper_source *h = ctx;
    ssize_t n = pread(h->fd, to, len, (off_t)offset);

    (void)i;
    return n < 0 ? repx_fail_errno(err, "%s", h->path) : n;
}

static int bootstrap_perform(struct pipeline *p, struct repx_err *err)
{
    REPX_AUTO_FREE char *file = NULL;
    REPX_AUTO_FREE char *remote = NULL;
    struct helper_source h = {.fd = -1};
    struct stat st;

    if (pipeline_helper(p->target, p->plan->scheduler, &file, &remote, &h.digest, err) <
        0)
        return -1;
    h.path = remote;
    h.fd = open(file, O_RDONLY | O_CLOEXEC);
    if (h.fd < 0 || fstat(h.fd, &st) < 0)
        return repx_fail_errno(err, "%s", file);
    h.length = (uint64_t)st.st_size;
    struct sync_sent sent = {0};
    struct sync_source source = {&h, helper_count, helper_entry, helper_read};
    int rc = target_sync(p->target, target_config(p->target)->bootstrap,
                         REPX_PHASE_BOOTSTRAP, &source, &sent, err);
    p->placed += sent.placed;
    if (sent.placed) /* the helper may have been missing */
        expect_drop(p);
    (void)close(h.fd);
    return rc;
}

const struct phase phase_bootstrap = {
    .name = "bootstrap",
    .summary = "the agent and the scheduler's helper",
    .perform = bootstrap_perform,
};
