/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/file.h>

#include "fake.h"

#define FAULTS_MAX 4096

static const char *const verbs[] = {"",       "submit", "query", "history",
                                    "cancel", "amend",  "limits"};

/* "submit late 2": take one of the two. Returns 1 when it is for this verb. */
static int take_line(char *line, const char *verb, struct fake_fault *fault,
                     struct repx_buf *rest)
{
    char name[16] = "", kind[16] = "";
    int times = 1;

    /* NOLINTNEXTLINE(cert-err34-c): the kit writes it */
    if (sscanf(line, "%15s %15s %d", name, kind, &times) < 2 || times < 1)
        return 0;
    int is_ours =
        !fault->kind[0] && (strcmp(name, verb) == 0 || strcmp(name, "any") == 0);
    if (is_ours)
        (void)snprintf(fault->kind, sizeof(fault->kind), "%s", kind);
    times -= is_ours;
    if (times > 0)
        repx_buf_fmt(rest, "%s %s %d\n", name, kind, times);
    return is_ours;
}

void fake_fault_take(struct fake_call *call, int verb, struct fake_fault *fault)
{
    struct repx_buf b REPX_AUTO_BUF = {0}, rest REPX_AUTO_BUF = {0};

    *fault = (struct fake_fault){0};
    if (faccessat(call->dir, "fault", R_OK, 0) < 0)
        return;
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, NULL);
    if (repx_read_file(call->dir, "fault", FAULTS_MAX, &b, NULL) < 0 || !b.len)
        return;
    int taken = 0;
    char *at = b.data, *line;
    while ((line = strtok_r(at, "\n", &at)) != NULL)
        taken |= take_line(line, verbs[verb], fault, &rest);
    if (taken) {
        (void)repx_write_file(call->dir, "fault", repx_buf_text(&rest), rest.len, 0644,
                              NULL);
    }
}

/* Until somebody ends us; our pid is told, so that it can be seen that somebody did. */
__attribute__((noreturn)) static void hang(const struct fake_call *call)
{
    REPX_AUTO_FREE char *pid = repx_format("%ld\n", (long)getpid());

    (void)repx_write_file(call->dir, "hanging", pid, strlen(pid), 0644, NULL);
    for (;;)
        (void)poll(NULL, 0, 1000);
}

static int is(const struct fake_fault *fault, const char *kind)
{
    return strcmp(fault->kind, kind) == 0;
}

int fake_fault_before(struct fake_call *call, const struct fake_fault *fault, int verb,
                      int *status)
{
    const struct fake_product *p = call->product;

    call->keep_out = fault->kind[0] != 0;
    if (is(fault, "hang"))
        hang(call);
    if (is(fault, "slow"))
        (void)poll(NULL, 0, 100);
    if (is(fault, "down")) {
        *status = fake_refuse(call, p->down_status, "%s", p->down);
        return 1;
    }
    if (verb == FAKE_VERB_SUBMIT && is(fault, "room")) {
        *status = fake_refuse(call, p->room_status, "%s", p->room);
        return 1;
    }
    if (verb == FAKE_VERB_SUBMIT && is(fault, "refused")) {
        *status = fake_refuse(call, p->refused_status, "%s", p->refused);
        return 1;
    }
    return 0;
}

void fake_fault_after(struct fake_call *call, const struct fake_fault *fault,
                      int *status)
{
    const struct fake_product *p = call->product;

    if (is(fault, "late"))
        hang(call);
    if (is(fault, "lost")) {
        call->out.len = call->err.len = 0;
        *status = fake_refuse(call, p->lost_status, "%s", p->lost);
    } else if (is(fault, "garbage")) {
        call->out.len = call->err.len = 0;
        fake_say(call, "%s", p->garbage);
        *status = 0;
    } else if (is(fault, "cut")) {
        call->out.len /= 2;
    } else if (is(fault, "twice")) {
        size_t n = call->out.len;
        char *copy = repx_strndup(repx_buf_text(&call->out), n);
        repx_buf_add(&call->out, copy, n);
        free(copy);
    }
}
