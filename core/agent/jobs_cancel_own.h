/* SPDX-License-Identifier: MIT */
/* jobs_cancel_own.h: what the parts of cancelling share (jobs_cancel*.c only). */
#ifndef REPX_AGENT_JOBS_CANCEL_OWN_H
#define REPX_AGENT_JOBS_CANCEL_OWN_H

#include "core/agent/scheduler_call.h"
#include "core/agent/state.h"

/* Its unit serves jobs that are to go on. */
#define CHOSEN_SHARED 2

/* Ending work of one run. */
struct ending {
    struct site *site;
    struct run *run;
    struct run_state state;
    struct event_reader *reader;
    unsigned char
        *chosen;      /* per job: 1 it is to end, CHOSEN_SHARED it cannot by itself */
    char (*keys)[27]; /* of the unit that stands for a job */
    int64_t *index;   /* within an array of jobs, else -1 */
    json_t *units;    /* [{"id", "key", "i"}], as they were submitted */
    size_t asked;
    char *error;
};

int ending_poll(struct ending *e, struct repx_err *err);
/* Write that a job was cancelled. */
int ending_tell(struct ending *e, size_t i, struct repx_err *err);
/* Until every chosen job has ended, or it is clear that one will not soon. */
int ending_wait(struct ending *e, struct repx_err *err);

#endif
