/* SPDX-License-Identifier: MIT */
/* What an agent answers to the client's questions, in pieces: lists of results, bytes of them,
 * what it lacks, statuses, lines. The first byte chooses, the second is a piece's length. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/pipeline/follow.h"
#include "core/pipeline/jobs.h"
#include "core/pipeline/pull.h"
#include "core/target/sync_delta.h"
#include "core/target/sync_own.h"
#include "core/wire/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a session that answers with the input ---- */

struct session_call {
    int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err);
    void *ctx;
};

static struct {
    const uint8_t *bytes;
    size_t left, piece;
} answer;

struct session_call *
session_call(struct session *s, uint16_t verb, const void *msg, size_t n,
             int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err),
             void *ctx)
{
    struct session_call *c = REPX_NEW(struct session_call);

    (void)s, (void)verb, (void)msg, (void)n;
    *c = (struct session_call){data, ctx};
    return c;
}

int session_send(struct session_call *c, const void *bytes, size_t n,
                 struct repx_err *err)
{
    (void)c, (void)bytes, (void)n, (void)err;
    return 0;
}

void session_end(struct session_call *c)
{
    (void)c;
}

void session_cancel(struct session_call *c)
{
    free(c);
}

int session_finish(struct session_call *c, struct repx_buf *fields,
                   struct repx_err *err)
{
    int rc = 0;

    (void)fields;
    while (rc == 0 && answer.left && c->data) {
        size_t n = answer.piece < answer.left ? answer.piece : answer.left;
        rc = c->data(c->ctx, answer.bytes, n, err);
        answer.bytes += n;
        answer.left -= n;
    }
    free(c);
    return rc;
}

int session_collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    if (ctx)
        repx_buf_add(ctx, bytes, n);
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): as in session.h */
int session_ask(struct session *s, uint16_t verb, const void *msg, size_t n,
                struct repx_buf *data, struct repx_buf *fields, struct repx_err *err)
{
    (void)s, (void)verb, (void)msg, (void)n, (void)fields, (void)err;
    repx_buf_add(data, answer.bytes, answer.left);
    return 0;
}

struct session *target_session(struct target *t)
{
    (void)t;
    return NULL;
}

const struct config_target *target_config(const struct target *t)
{
    static const struct config_target config = {.name = "t"};

    (void)t;
    return &config;
}

void sync_delta_near(struct sync_delta *d, const uint8_t *digest, uint32_t executable)
{
    (void)d, (void)digest, (void)executable;
}

int sync_delta_collect(struct sync_delta *d, struct repx_err *err)
{
    (void)d, (void)err;
    return 0;
}

int sync_send_places(struct sync_host *h, struct repx_err *err)
{
    (void)h, (void)err;
    return 0;
}

int sync_collect_places(struct sync_host *h, struct repx_err *err)
{
    (void)h, (void)err;
    return 0;
}

/* ---- the questions ---- */

static void must(int holds)
{
    if (!holds)
        __builtin_trap();
}

/* Every path stays below its job. */
static void results(void)
{
    static const char *const ids[] = {"a", "b"};
    struct repx_err err = {0};
    struct pull_jobs jobs;

    if (pull_list(NULL, ids, 2, &jobs, &err) < 0)
        return;
    must(jobs.count == 2);
    for (size_t i = 0; i < jobs.count; i++) {
        for (size_t k = 0; k < jobs.items[i].files.count; k++) {
            const struct result *r = &jobs.items[i].files.items[k];
            must(repx_path_is_inside(r->path) && strchr(r->path, '/') != NULL);
            must(r->kind != REPX_ENTRY_LINK || (r->link && *r->link));
        }
    }
    pull_jobs_free(&jobs);
}

static struct pull_part parts[] = {
    {(char[]){"p"}, 0, 5}, {(char[]){"q"}, 0, 0}, {(char[]){"r"}, 3, 300}};
static uint64_t part_got;
static size_t part_next;

static int on_bytes(void *ctx, size_t part, const void *bytes, size_t n,
                    struct repx_err *err)
{
    (void)ctx, (void)bytes, (void)err;
    part_got += n;
    must(part == part_next && part_got <= parts[part].length);
    return 0;
}

static int on_end(void *ctx, size_t part, const char *broken, struct repx_err *err)
{
    (void)ctx, (void)err;
    must(part == part_next++ && (!broken || strlen(broken) <= 4096));
    part_got = 0;
    return 0;
}

/* In order, and of none more than was asked for. */
static void bytes_of(void)
{
    const struct pull_sink sink = {NULL, on_bytes, on_end};
    struct repx_err err = {0};

    part_got = part_next = 0;
    must(pull_read(NULL, parts, 3, &sink, &err) < 0 || part_next == 3);
}

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    const struct here *here = sync_here(ctx, digest, executable);

    (void)here, (void)length; /* not sorted yet */
}

/* Of no object more is there than there is of it, and the digests of all that are told. */
static void lacking(void)
{
    struct sync_host h = {0};
    struct repx_err err = {0};

    (void)sync_lacking(&h, want, &h, &err);
    for (size_t i = 0; i < h.here_count; i++) {
        const struct here *here =
            sync_here(&h, h.heres[i].digest, h.heres[i].executable);
        uint64_t pieces = (h.heres[i].bytes + PACK_CHUNK - 1) / PACK_CHUNK;
        must(here != NULL);
        for (uint64_t k = 0; k < pieces; k++)
            must(h.heres[i].pieces[k * REPX_DIGEST_LEN] + 1 > 0); /* is read */
    }
    sync_here_forget(&h);
}

static void statuses(void)
{
    struct lab_job jobs[3] = {{.id = "a"}, {.id = "b"}, {.id = "c"}};
    const struct lab lab = {.jobs = jobs, .job_count = 3};
    struct repx_err err = {0};
    struct job_status *status = jobs_status(NULL, &lab, NULL, &err);

    for (size_t i = 0; status && i < 3; i++)
        must(*job_status_word(&status[i]) != 0);
    jobs_status_free(status, &lab);
}

static void listing(void)
{
    struct job_files files = {0};
    struct repx_err err = {0};

    (void)job_files_list(NULL, "a", &files, &err);
    job_files_free(&files);
}

static int on_line(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    (void)ctx, (void)err;
    must(!memchr(line, '\n', n));
    return 0;
}

static void lines(void)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct repx_err err = {0};

    (void)follow_ask(NULL, 1, &msg, on_line, NULL, NULL, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ask[])(void) = {results,  bytes_of, lacking,
                                        statuses, listing,  lines};

    if (size < 2)
        return 0;
    answer.bytes = data + 2;
    answer.left = size - 2;
    answer.piece = data[1] ? data[1] : SIZE_MAX;
    ask[data[0] % (sizeof(ask) / sizeof(ask[0]))]();
    return 0;
}
