/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/pipeline/pull.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LIST_MAX ((size_t)1 << 30) /* some five million files */

void pull_jobs_free(struct pull_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        free(jobs->items[i].id);
        results_free(&jobs->items[i].files);
    }
    free(jobs->items);
    *jobs = (struct pull_jobs){0};
}

static int path_ok(const char *path)
{
    return path && repx_path_is_inside(path) &&
           (strncmp(path, "out/", 4) == 0 || strncmp(path, "repx/", 5) == 0);
}

static int take_entry(struct pull_job *job, const struct msg_field *f)
{
    char *path = msg_text(f->bytes, f->length, F_NAME);
    int64_t kind = msg_number(f->bytes, f->length, F_KIND, -1);
    int64_t length = msg_number(f->bytes, f->length, F_LENGTH, 0);
    char *link = msg_text(f->bytes, f->length, F_LINK);
    struct msg_field digest;

    if (!path_ok(path) || length < 0 ||
        (kind != REPX_ENTRY_FILE && kind != REPX_ENTRY_DIR &&
         (kind != REPX_ENTRY_LINK || !link || !*link))) {
        free(path);
        free(link);
        return -1;
    }
    struct result *r = results_add(&job->files, path, (uint32_t)kind);
    r->link = link;
    r->length = (uint64_t)length;
    r->executable = msg_number(f->bytes, f->length, F_EXEC, 0) != 0;
    if (msg_find(f->bytes, f->length, F_DIGEST, &digest) &&
        digest.length == sizeof(r->digest.bytes)) {
        memcpy(r->digest.bytes, digest.bytes, sizeof(r->digest.bytes));
        r->hashed = 1;
    }
    return 0;
}

static int take_job(struct pull_jobs *jobs, const struct msg_field *f, const char *want)
{
    REPX_AUTO_FREE char *id = msg_text(f->bytes, f->length, F_NAME);

    if (!id || strcmp(id, want) != 0)
        return -1;
    struct pull_job *job = &jobs->items[jobs->count++];
    job->id = repx_strdup(id);
    job->status = (int)msg_number(f->bytes, f->length, F_STATUS, JOB_UNKNOWN);
    return 0;
}

static int take_all(struct pull_jobs *jobs, const char *const *ids, size_t count,
                    const struct repx_buf *data)
{
    struct msg_field f;
    size_t at = 0;
    int rc;

    while ((rc = msg_next(repx_buf_text(data), data->len, &at, &f)) > 0) {
        if (!msg_valid(f.bytes, f.length))
            return -1;
        if (f.tag == F_JOB &&
            (jobs->count == count || take_job(jobs, &f, ids[jobs->count]) < 0))
            return -1;
        if (f.tag == F_ENTRY &&
            (!jobs->count || take_entry(&jobs->items[jobs->count - 1], &f) < 0))
            return -1;
    }
    return rc == 0 && jobs->count == count ? 0 : -1;
}

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct repx_buf *data = ctx;

    if (n > LIST_MAX - data->len) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the list of results is longer than 1 GiB; pull fewer jobs");
    }
    repx_buf_add(data, bytes, n);
    return 0;
}

static int ask(struct session *session, const struct repx_buf *lines,
               struct repx_buf *data, struct repx_err *err)
{
    struct session_call *c = session_call(session, V_PULL_LIST, NULL, 0, collect, data);

    /* a refusal that comes while we still send is told by finish: it knows the text */
    if (session_send(c, lines->data, lines->len, err) < 0 &&
        (err->code == REPX_E_LINK || err->code == REPX_E_CANCELED)) {
        session_cancel(c);
        return -1;
    }
    return session_finish(c, NULL, err);
}

int pull_list(struct target *target, const char *const *ids, size_t count,
              struct pull_jobs *jobs, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf lines = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};

    *jobs = (struct pull_jobs){.items = repx_array(count, sizeof(*jobs->items))};
    for (size_t i = 0; i < count; i++)
        repx_buf_fmt(&lines, "%s\n", ids[i]);
    int rc = ask(target_session(target), &lines, &data, err);
    if (rc == 0 && take_all(jobs, ids, count, &data) < 0) {
        rc = repx_fail(err, REPX_E_CORRUPT,
                       "the agent on '%s' gave a list of results that cannot be used",
                       target_config(target)->name);
    }
    if (rc < 0)
        pull_jobs_free(jobs);
    return rc;
}
