/* SPDX-License-Identifier: MIT */
#include "opening.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <kit/alloc.h>

struct opening {
    struct target_request request;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int gate; /* 1: go on, 0: not yet, -1: stop */
    struct target *target;
    struct repx_err err;
};

static int gate(void *ctx, int timeout_ms)
{
    struct opening *o = ctx;
    struct timespec until = {0};

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    (void)pthread_mutex_lock(&o->lock);
    while (!o->gate) {
        if (pthread_cond_timedwait(&o->changed, &o->lock, &until) == ETIMEDOUT)
            break;
    }
    int state = o->gate;
    (void)pthread_mutex_unlock(&o->lock);
    return state;
}

static void *perform(void *arg)
{
    struct opening *o = arg;

    o->target = target_open(&o->request, &o->err);
    return NULL;
}

struct opening *opening_begin(const struct target_request *request)
{
    struct opening *o = REPX_NEW(struct opening);
    sigset_t all, before;

    o->request = *request;
    o->request.gate = gate;
    o->request.gate_ctx = o;
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_cond_init(&o->changed, NULL);
    /* Signals stay with the thread that called us. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&o->thread, NULL, perform, o);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        return o;
    free(o);
    return NULL;
}

static struct target *finish(struct opening *o, int state, struct repx_err *err)
{
    (void)pthread_mutex_lock(&o->lock);
    o->gate = state;
    (void)pthread_cond_signal(&o->changed);
    (void)pthread_mutex_unlock(&o->lock);
    (void)pthread_join(o->thread, NULL);
    (void)pthread_cond_destroy(&o->changed);
    (void)pthread_mutex_destroy(&o->lock);
    struct target *target = o->target;
    if (!target && err)
        *err = o->err;
    free(o);
    return target;
}

struct target *opening_end(struct opening *o, struct repx_err *err)
{
    return finish(o, 1, err);
}

void opening_stop(struct opening *o)
{
    if (o)
        target_close(finish(o, -1, NULL));
}
