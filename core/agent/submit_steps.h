/* SPDX-License-Identifier: MIT */
/* submit_steps.h: the branches of one scatter-gather job on their way to the scheduler
 * (submit*.c only).
 *
 * Of each step the branches are handed over from the first to the last, as arrays that are as
 * large as there is room for. S/sub tells how far that went: a part that begins with branch
 * N has its key from `step-NAME+N`, its claim says that it was taken, its table how many
 * branches it has. */
#ifndef REPX_AGENT_SUBMIT_STEPS_H
#define REPX_AGENT_SUBMIT_STEPS_H

#include "core/agent/submit_own.h"

/* What the scheduler took of a step as one unit. */
struct part {
    size_t first, count;
    char key[27];
    char *id;
    int gone; /* the scheduler has done with it, or has forgotten it */
};

struct step {
    const char *phase;   /* "step-NAME" */
    const json_t *after; /* names of the steps before it */
    struct part *parts;  /* without a gap, from branch 0 on */
    size_t count;
    size_t given; /* so many branches are in them */
};

struct steps {
    struct submission *s;
    size_t job, branches;
    size_t most;        /* in one array */
    struct step *items; /* those first that others wait for */
    size_t count;
};

/* All steps of a job, and what was taken of them before. resumed: what the scheduler has
 * done with counts; else, when nothing of it is left there, all begins anew. */
int steps_open(struct steps *t, int resumed, struct repx_err *err);
/* Hand over the others, until there is no room (s->full) or one is refused. */
int steps_give(struct steps *t, struct repx_err *err);
int steps_all_given(const struct steps *t);
/* Is a unit of them in the scheduler? */
int steps_alive(const struct steps *t);
/* Those that the scheduler has, as units_end takes them. */
json_t *steps_units(const struct steps *t);
/* What the gather waits for: the end of all parts of the sink that the scheduler has. */
json_t *steps_sink(const struct steps *t);
void steps_close(struct steps *t);

/* That run works on the job no more: its branches are for nobody, so those that the scheduler
 * has are to end, and the others never run. -1 when it cannot be asked. */
int steps_end(struct submission *s, const char *run, size_t job, struct repx_err *err);

#endif
