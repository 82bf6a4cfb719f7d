/* SPDX-License-Identifier: MIT */
/* verbs.c: an agent whose verbs do what the tests of sessions need. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/store_fs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "verbs.h"

static int nothing(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)c, (void)msg, (void)n, (void)err;
    return 0;
}

static int echo_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    call_send(c, bytes, n);
    return 0;
}

static int echo_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_reply(c, NULL, 0);
    return 0;
}

static int refuse(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)c, (void)msg, (void)n;
    return repx_fail(err, REPX_E_BUSY, "no room\x1b[31m today");
}

static int refuse_data(struct call *c, const void *bytes, size_t n,
                       struct repx_err *err)
{
    (void)c, (void)bytes, (void)n;
    return repx_fail(err, REPX_E_CORRUPT, "these bytes are wrong");
}

static int die(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)c, (void)msg, (void)n, (void)err;
    return raise(SIGKILL);
}

static int hash(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = msg_text(msg, n, F_NAME);
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct digest digest;
    uint64_t length;

    if (!path || !store_hash(AT_FDCWD, path, &digest, &length))
        return repx_fail(err, REPX_E_NOENT, "nothing to hash");
    msg_put_number(&fields, F_LENGTH, (int64_t)length);
    call_reply(c, fields.data, fields.len);
    return 0;
}

/* ---- workers ---- */

static int write_bulk(struct site *site, void *arg, int out, struct repx_buf *fields,
                      struct repx_err *err)
{
    const int64_t *total = arg;
    char block[50000];

    (void)site;
    for (int64_t at = 0; at < *total; at += (int64_t)sizeof(block)) {
        int64_t left = *total - at;
        size_t n = left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block);
        for (size_t i = 0; i < n; i++)
            block[i] = (char)((at + (int64_t)i) * 7 >> 3);
        if (repx_write_all(out, block, n) < 0)
            return repx_fail_errno(err, "write");
    }
    msg_put_number(fields, F_COUNT, *total);
    return 0;
}

static int bulk(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    int64_t total = msg_number(msg, n, F_LENGTH, 0);

    (void)err;
    call_fork(c, write_bulk, &total);
    return 0;
}

static int fail_late(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    (void)site, (void)arg, (void)fields;
    if (repx_write_all(out, "half", 4) < 0)
        return -1;
    return repx_fail(err, REPX_E_NOENT, "the other half is not there");
}

static int late(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)msg, (void)n, (void)err;
    call_fork(c, fail_late, NULL);
    return 0;
}

static int sleep_on(struct site *site, void *arg, int out, struct repx_buf *fields,
                    struct repx_err *err)
{
    pid_t pid = getpid();

    (void)site, (void)arg, (void)fields, (void)err;
    if (repx_write_all(out, &pid, sizeof(pid)) < 0)
        return -1;
    for (;;)
        (void)pause();
}

static int sleeper(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)msg, (void)n, (void)err;
    call_fork(c, sleep_on, NULL);
    return 0;
}

static int crash(struct site *site, void *arg, int out, struct repx_buf *fields,
                 struct repx_err *err)
{
    (void)site, (void)arg, (void)out, (void)fields, (void)err;
    return raise(SIGKILL);
}

static int crasher(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)msg, (void)n, (void)err;
    call_fork(c, crash, NULL);
    return 0;
}

/* Leaves a process behind that keeps the worker's descriptors open. */
static int leave_behind(struct site *site, void *arg, int out, struct repx_buf *fields,
                        struct repx_err *err)
{
    (void)site, (void)arg, (void)fields;
    pid_t pid = fork();
    if (pid < 0)
        return repx_fail_errno(err, "fork");
    if (pid == 0) {
        (void)sleep(20);
        _exit(0);
    }
    return repx_write_all(out, "started", 7);
}

static int starter(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)msg, (void)n, (void)err;
    call_fork(c, leave_behind, NULL);
    return 0;
}

const struct verb store_verbs[] = {
    {.number = TEST_ECHO, .begin = nothing, .data = echo_data, .end = echo_end},
    {.number = TEST_REFUSE, .begin = refuse},
    {.number = TEST_REFUSE_DATA, .begin = nothing, .data = refuse_data},
    {.number = TEST_DIE, .begin = die},
    {.number = TEST_HASH, .begin = hash},
    {0},
};
const struct verb run_verbs[] = {
    {.number = TEST_BULK, .begin = bulk},
    {.number = TEST_LATE, .begin = late},
    {.number = TEST_SLEEPER, .begin = sleeper},
    {.number = TEST_CRASHER, .begin = crasher},
    {.number = TEST_STARTER, .begin = starter},
    {0},
};
