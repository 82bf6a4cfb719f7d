/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "helper_daemon.h"
#include "helper_queue.h"
#include "helper_record.h"

#define IDLE_MS 1000   /* without work the queue ends after that */
#define SCAN_MS 1000   /* requests from other hosts make no noise here */
#define TOUCH_MS 20000 /* the lease */
#define FOREIGN_MS 100 /* adopted processes without pidfd */
#define LOG_MAX (4 << 20)

/* ---- requests ---- */

/* The lines of a cancel or amend file; ids that are not known (any more) are passed over. */
static void apply_request(struct queue *q, char *text, size_t n)
{
    const char *f[RECORD_FIELDS];
    size_t at = 0, unit;

    while (record_next(text, n, &at, f)) {
        if ((unit = model_find(&q->m, f[1])) == SIZE_MAX)
            continue;
        if (strcmp(f[0], "cancel") == 0) {
            unit_cancel(q, unit, "cancelled");
        } else if (strcmp(f[0], "amend") == 0) {
            struct repx_buf line REPX_AUTO_BUF = {0};
            repx_buf_str(&line, "amend");
            for (size_t i = 1; i < RECORD_FIELDS && *f[i]; i++)
                repx_buf_fmt(&line, "\t%s", f[i]);
            repx_buf_char(&line, '\n');
            journal_add(q, &line);
            model_apply_journal(&q->m, line.data, line.len);
            order_unit(q, unit);
        }
    }
    order_settle(q);
}

/* Is the last line of a request file its "whole"? */
static int request_whole(const struct repx_buf *text)
{
    const char *last = text->len > 1 ? memrchr(text->data, '\n', text->len - 1) : NULL;

    return last && text->data[text->len - 1] == '\n' &&
           strncmp(last, "\nwhole\t", 7) == 0;
}

static void take_batch(struct queue *q, const char *name, const char *path,
                       struct repx_buf *text)
{
    REPX_AUTO_FREE char *to = repx_format("batch/%s", name);
    size_t first = q->m.unit_count;

    if (renameat(q->dir, path, q->dir, to) < 0)
        return; /* it stays, and is tried again */
    if (model_add_batch(&q->m, name, text->data, text->len, NULL) < 0)
        return;
    for (size_t i = first; i < q->m.unit_count; i++)
        q->left += q->m.units[i].left;
    for (size_t i = first; i < q->m.unit_count; i++)
        order_unit(q, i);
    order_settle(q);
}

static void take_one(struct queue *q, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("spool/%s", name);
    struct repx_buf text REPX_AUTO_BUF = {0};

    if (repx_read_file(q->dir, path, QUEUE_FILE_MAX, &text, NULL) < 0)
        return;
    if (!request_whole(&text)) {
        /* renamed into place whole, so whoever wrote this is not us */
        REPX_AUTO_FREE char *aside = repx_format("%s.tmp", path);
        (void)renameat(q->dir, path, q->dir, aside);
    } else if (strncmp(text.data, "batch\t", 6) == 0) {
        take_batch(q, name, path, &text);
    } else {
        apply_request(q, text.data, text.len);
        (void)unlinkat(q->dir, path, 0);
    }
}

static size_t take_requests(struct queue *q)
{
    char **names;
    size_t count;

    if (names_read(q->dir, "spool", &names, &count, NULL) < 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        take_one(q, names[i]);
    names_free(names, count);
    return count;
}

/* ---- the loop ---- */

/* What can never start because its dependencies run in a circle. */
static void cancel_circle(struct queue *q)
{
    for (size_t i = 0; i < q->m.unit_count; i++)
        unit_cancel(q, i, "dependencies that can never be met");
    order_settle(q);
}

static void start_what_fits(struct queue *q)
{
    struct q_place p;

    if (q->retry_at && repx_now_ms() < q->retry_at)
        return;
    q->retry_at = 0;
    if (journal_flush(q) < 0) {
        q->retry_at = repx_now_ms() + 2000;
        return;
    }
    while (!q->retry_at && order_next(q, &p)) {
        if (!unit_start(q, p.unit, p.index))
            return;
    }
    if (q->own_count == 0 && q->left && !q->retry_at && q->ready.head == q->ready.count)
        cancel_circle(q);
}

/* Sleep until something happens. 0: asked to end. */
static int wait_for_news(struct queue *q, int64_t until)
{
    struct pollfd *p = repx_array(q->own_count + 2, sizeof(*p));
    struct signalfd_siginfo info;
    int64_t now = repx_now_ms();
    nfds_t n = 2;
    int go_on = 1;

    p[0] = (struct pollfd){.fd = q->signals, .events = POLLIN};
    p[1] = (struct pollfd){.fd = q->watch, .events = POLLIN};
    for (size_t i = 0; i < q->own_count; i++) {
        const struct q_index *x = q->m.units[q->own[i].unit].index + q->own[i].index;
        if (x->foreign && x->pidfd >= 0) {
            p[n++] = (struct pollfd){.fd = x->pidfd, .events = POLLIN};
        } else if (x->foreign && until > now + FOREIGN_MS) {
            until = now + FOREIGN_MS;
        }
    }
    (void)poll(p, n, until > now ? (int)(until - now) : 0);
    free(p);
    while (read(q->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM)
            go_on = 0;
    }
    return go_on;
}

/* Nothing to do: give up the lease, and look once more. Whoever posts after that look
 * finds no lease and starts the next queue. */
static int may_end(struct queue *q)
{
    lease_remove(q->dir);
    if (take_requests(q) == 0 && q->left == 0)
        return 1;
    lease_write(q->dir, NULL);
    return 0;
}

/* When the queue did what last. */
struct times {
    int64_t touched, scanned, busy;
};

static int64_t sooner(int64_t until, int64_t than)
{
    return than && than < until ? than : until;
}

static int64_t wake_at(struct queue *q, const struct times *t)
{
    int64_t now = repx_now_ms();
    int64_t until = sooner(now + SCAN_MS, units_kill(q, now));

    return sooner(sooner(until, q->retry_at), q->left ? 0 : t->busy + IDLE_MS);
}

/* Read the requests if there may be some. */
static void look_at_spool(struct queue *q, struct times *t, int64_t now)
{
    char events[4096];
    int news = q->watch < 0 || now - t->scanned >= SCAN_MS;

    while (q->watch >= 0 && read(q->watch, events, sizeof(events)) > 0)
        news = 1;
    if (!news)
        return;
    (void)take_requests(q);
    t->scanned = now;
}

static void queue_run(struct queue *q)
{
    struct times t = {.touched = repx_now_ms(), .busy = repx_now_ms()};

    while (wait_for_news(q, wake_at(q, &t))) {
        int64_t now = repx_now_ms();
        units_reap(q);
        look_at_spool(q, &t, now);
        units_apply(q);
        start_what_fits(q);
        if (now - t.touched >= TOUCH_MS) {
            lease_touch(q->dir);
            t.touched = now;
        }
        if (q->left)
            t.busy = now;
        if (!q->left && now - t.busy >= IDLE_MS && may_end(q))
            return;
    }
}

/* ---- beginning and end ---- */

static int open_log(int dir, struct repx_err *err)
{
    struct stat st;
    int fd = openat(dir, "log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    0600);

    if (fd < 0)
        return repx_fail_errno(err, "log");
    if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX)
        (void)!ftruncate(fd, 0);
    int rc = 0;
    if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        rc = repx_fail_errno(err, "log");
    (void)close(fd);
    return rc;
}

static int open_events(struct queue *q, struct repx_err *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    q->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (q->signals < 0 || pipe2(q->failed, O_CLOEXEC | O_NONBLOCK) < 0)
        return repx_fail_errno(err, "queue");
    q->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return 0;
}

static int queue_open(struct queue *q, const char *path, struct repx_err *err)
{
    *q = (struct queue){.journal = -1, .watch = -1};
    q->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (q->dir < 0)
        return repx_fail_errno(err, "%s", path);
    int rc = queue_become(q->dir, &q->lock, err);
    if (rc <= 0)
        return rc;
    q->host = host_name();
    q->boot = boot_id();
    q->cpus = capacity_cpus();
    q->memory = capacity_memory();
    if (open_log(q->dir, err) < 0 || open_events(q, err) < 0)
        return -1;
    REPX_AUTO_FREE char *spool = repx_format("%s/spool", path);
    if (q->watch >= 0 && inotify_add_watch(q->watch, spool, IN_MOVED_TO) < 0) {
        (void)close(q->watch);
        q->watch = -1;
    }
    return 1;
}

/* Take up what an earlier queue left. */
static int resume(struct queue *q, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    char **names;
    size_t count;

    /* only batches that were taken: what waits in spool is read in order by the loop */
    if (names_read(q->dir, "batch", &names, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        REPX_AUTO_FREE char *path = repx_format("batch/%s", names[i]);
        text.len = 0;
        if (repx_read_file(q->dir, path, QUEUE_FILE_MAX, &text, NULL) == 0)
            (void)model_add_batch(&q->m, names[i], text.data, text.len, NULL);
    }
    names_free(names, count);
    text.len = 0;
    if (repx_read_file(q->dir, "journal", QUEUE_FILE_MAX, &text, NULL) == 0)
        model_apply_journal(&q->m, text.data, text.len);
    for (size_t i = 0; i < q->m.unit_count; i++)
        q->left += q->m.units[i].left;
    if (journal_open(q, err) < 0)
        return -1;
    (void)take_requests(q); /* before ends are judged: see helper_queue.h */
    units_adopt(q);
    for (size_t i = 0; i < q->m.unit_count; i++)
        order_unit(q, i);
    order_settle(q);
    return 0;
}

int queue_main(const char *path)
{
    struct queue q;
    struct repx_err err = {0};
    int report = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int rc = queue_open(&q, path, &err);

    if (rc > 0 && resume(&q, &err) == 0) {
        (void)close(report);
        start_what_fits(&q);
        queue_run(&q);
        if (q.left == 0)
            journal_forget(&q);
        lease_remove(q.dir);
        return 0;
    }
    if (rc == 0)
        return 0;
    if (rc > 0)
        lease_remove(q.dir);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)repx_write_all(report, err.text, strlen(err.text));
    return 1;
}
