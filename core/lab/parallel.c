/* SPDX-License-Identifier: MIT */
#include "parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define BATCH 16 /* indices taken at once */
#define ALONE 64 /* fewer are not worth a thread */

struct work {
    int (*one)(void *ctx, size_t i, unsigned worker, struct repx_err *err);
    void *ctx;
    size_t count;
    atomic_size_t next;
    atomic_int failed;
};

struct worker {
    struct work *work;
    unsigned number;
    size_t failed_at; /* count: did not fail */
    struct repx_err err;
};

/* Indices are handed out in ascending order, and whoever holds a batch goes on to its end
 * or to its own failure: everything before the first failure is always looked at. */
static int batch(struct worker *me, size_t from, size_t to)
{
    struct work *w = me->work;

    for (size_t i = from; i < to; i++) {
        if (w->one(w->ctx, i, me->number, &me->err) < 0) {
            me->failed_at = i;
            atomic_store(&w->failed, 1);
            return -1;
        }
    }
    return 0;
}

static void *drudge(void *arg)
{
    struct worker *me = arg;
    struct work *w = me->work;

    while (!atomic_load(&w->failed)) {
        size_t from = atomic_fetch_add(&w->next, BATCH), to = from + BATCH;
        if (from >= w->count || batch(me, from, to < w->count ? to : w->count) < 0)
            break;
    }
    return NULL;
}

/* Signals stay with the thread that called us. */
static int start(pthread_t *thread, struct worker *worker)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, drudge, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

int lab_parallel(size_t count,
                 int (*one)(void *ctx, size_t i, unsigned worker, struct repx_err *err),
                 void *ctx, struct repx_err *err)
{
    struct work work = {.one = one, .ctx = ctx, .count = count};
    struct worker workers[LAB_WORKERS];
    pthread_t threads[LAB_WORKERS];
    size_t started = 1, first = 0;

    for (unsigned i = 0; i < LAB_WORKERS; i++)
        workers[i] = (struct worker){.work = &work, .number = i, .failed_at = count};
    /* Without a second thread the first does it all. */
    while (count >= ALONE && started < LAB_WORKERS &&
           start(&threads[started], &workers[started]))
        started++;
    (void)drudge(&workers[0]);
    for (size_t i = 1; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t i = 1; i < started; i++) {
        if (workers[i].failed_at < workers[first].failed_at)
            first = i;
    }
    if (workers[first].failed_at == count)
        return 0;
    if (err)
        *err = workers[first].err;
    return -1;
}
