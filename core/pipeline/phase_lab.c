/* SPDX-License-Identifier: MIT */
/* lab: the target gets what it lacks of the Lab's files, and a root that keeps them. */
#define _DEFAULT_SOURCE /* realpath */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>
#include <kit/clock.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "jobs.h"
#include "lab_source.h"
#include "pipeline.h"

/* What the manifest consists of, when the Lab was read (and not when all of it is known). */
static void tell_manifest(struct lab *lab, struct repx_buf *msg)
{
    const struct repx_entry *entries;
    size_t count = 0;

    if (lab_entries(lab, &entries, &count, NULL) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct repx_entry *e = &entries[i];
        REPX_AUTO_BUF struct repx_buf entry = {0};
        if (e->kind != REPX_ENTRY_FILE || (strncmp(e->path, "revision/", 9) != 0 &&
                                           strcmp(e->path, lab->manifest) != 0))
            continue;
        msg_put_text(&entry, F_NAME, e->path);
        msg_put(&entry, F_DIGEST, e->digest, sizeof(e->digest));
        msg_put(msg, F_ENTRY, entry.data, (uint32_t)entry.len);
    }
}

/* gcroots/auto/<project>/<time>_<lab id>: the project is the Lab's path as it was given,
 * so that a link that is rebuilt stays one project. */
void pipeline_keep_root(struct pipeline *p, const struct digest *sets, size_t count)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_FREE char *real = realpath(p->lab->path, NULL);
    const char *path = real ? real : p->lab->path;
    char stamp[32], hex[DIGEST_HEX];
    struct digest digest;
    time_t now = time(NULL);
    struct tm tm;

    digest_of(path, strlen(path), &digest);
    digest_hex(&digest, hex);
    (void)localtime_r(&now, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%d_%H-%M-%S", &tm);
    REPX_AUTO_FREE char *name =
        repx_format("auto/no_git_%s/%s_%s", hex, stamp, p->lab->id);
    REPX_AUTO_FREE char *link = repx_format("%s-lab-metadata.json", p->lab->id);
    msg_put_text(&msg, F_NAME, name);
    msg_put_text(&msg, F_LINK, link);
    for (size_t i = 0; i < count; i++)
        msg_put(&msg, F_DIGEST, sets[i].bytes, sizeof(sets[i].bytes));
    if (!count)
        tell_manifest(p->lab, &msg);
    p->root_early = count > 0;
    /* Nothing waits for it: submit takes the answer with its own first one. */
    p->root = session_call(target_session(p->target), V_GCROOT, msg.data, msg.len, NULL,
                           NULL);
    session_end(p->root); /* said now, so that it is part of what is asked together */
}

void pipeline_ask_status(struct pipeline *p)
{
    REPX_AUTO_FREE char *file = NULL;
    REPX_AUTO_FREE char *helper = NULL;
    struct digest digest;

    if (pipeline_helper(p->target, p->plan->scheduler, &file, &helper, &digest, NULL) <
        0)
        return;
    p->asked_ms = repx_now_ms();
    p->asked = plan_status_begin(p->target, p->plan, helper);
}

static int lab_perform(struct pipeline *p, struct repx_err *err)
{
    struct lab_source files;
    struct sync_sent sent = {0};
    int rc = lab_source_all(&files, p->lab, err);

    if (rc == 0) {
        if (!p->asked) /* where nothing is to be sent its answer comes with the next */
            pipeline_ask_status(p);
        struct sync_source source = lab_source_sync(&files);
        rc = target_sync(p->target, target_config(p->target)->lab, REPX_PHASE_LAB,
                         &source, &sent, err);
    }
    lab_source_free(&files);
    if (rc == 0)
        p->listener->synced(p->listener->ctx, "lab", &sent);
    p->placed += sent.placed;
    if (rc < 0)
        return -1;
    if (sent.placed) { /* a root of before that says nothing */
        session_cancel(p->root);
        p->root = NULL;
    }
    if (!p->root)
        pipeline_keep_root(p, NULL, 0);
    return 0;
}

const struct phase phase_lab = {
    .name = "lab",
    .summary = "the Lab's files that the target lacks",
    .perform = lab_perform,
};
