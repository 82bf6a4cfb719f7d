/* SPDX-License-Identifier: MIT */
/* helper_queue.h: the queue at work. One thread, one poll loop:
 *
 *     requests appear in spool  ->  take them into the model    (helper_loop.c)
 *     dependencies are met      ->  list of what may start      (helper_order.c)
 *     there is room             ->  fork, record, exec          (helper_unit.c)
 *     a unit ended              ->  record, look at its users
 *
 * What was recorded survives the queue: the next one reads the files, adopts what runs and
 * goes on. Ends are taken from the kernel first, then requests are read, then the ends are
 * applied: what a unit asked for before it ended is known when its users are looked at. */
#ifndef REPX_LOCAL_QUEUE_H
#define REPX_LOCAL_QUEUE_H

#include "helper_model.h"

struct q_place {
    size_t unit, index;
};

struct q_list {
    struct q_place *at;
    size_t count, cap, head;
};

struct queue {
    int dir, journal, lock, watch, signals;
    int failed[2]; /* a child that could not become its unit says so here */
    struct q_model m;
    struct q_list ready;   /* may start, in order; some of it not any more */
    struct q_list settled; /* ended, and the users not yet looked at */
    struct q_list ended;   /* taken from the kernel, not yet applied: see ends */
    int *ends;             /* wait statuses of `ended` */
    size_t ends_cap;
    struct q_place *own; /* running children and adopted processes */
    size_t own_count, own_cap;
    size_t passed;        /* how often the first of `ready` was passed by */
    int64_t cpus, memory; /* of this machine, as far as it is ours */
    int64_t cpus_used, memory_used;
    size_t left;             /* indices not ended */
    struct repx_buf unsaved; /* journal lines that could not be written yet */
    int64_t retry_at;        /* no starts before: the disk was full */
    char *host, *boot;
};

/* ---- helper_order.c ---- */
void list_add(struct q_list *l, size_t unit, size_t index);
/* Put what may start into the list, or cancel what never can. */
void order_unit(struct queue *q, size_t unit);
/* An index ended (or never starts): record it and mark its users to be looked at. */
void order_end(struct queue *q, size_t unit, size_t index, uint8_t state, int exit,
               const char *reason);
/* Look at the users of everything that ended. */
void order_settle(struct queue *q);
/* The next that may start and fits; 0 when there is none now. */
int order_next(struct queue *q, struct q_place *next);

/* ---- helper_unit.c ---- */
/* Start it; 0 when that must be tried again later. */
int unit_start(struct queue *q, size_t unit, size_t index);
/* Take ends from the kernel, of children and of adopted processes. */
void units_reap(struct queue *q);
/* Apply what units_reap took. */
void units_apply(struct queue *q);
/* Adopt or give up what the journal says is running. */
void units_adopt(struct queue *q);
void unit_cancel(struct queue *q, size_t unit, const char *reason);
/* TERM was not enough: KILL what is due. Returns when to look next, 0: never. */
int64_t units_kill(struct queue *q, int64_t now);

/* ---- helper_journal.c ---- */
int journal_open(struct queue *q, struct repx_err *err);
/* Add a line (formats of record_line); what cannot be written now is kept for later. */
void journal_add(struct queue *q, const struct repx_buf *line);
int journal_flush(struct queue *q);
/* Drop batches that ended long ago. Only when nothing runs. */
void journal_forget(struct queue *q);

/* ---- helper_capacity.c ---- */
int64_t capacity_cpus(void);   /* affinity, cgroup */
int64_t capacity_memory(void); /* bytes: machine, cgroup, rlimit */

#endif
