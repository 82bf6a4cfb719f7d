/* SPDX-License-Identifier: MIT */
/* trial.h: units for the checks of a scheduler, and what becomes of them. */
#ifndef REPX_CONFORM_TRIAL_H
#define REPX_CONFORM_TRIAL_H

#include "helper.h"

#define CALL_S 60 /* for one call of the helper */
#define KEY_LEN 26

struct trial {
    struct helper h;
    struct conform *c;
    unsigned serial;
};

/* A key that no submission had. */
void trial_key(struct trial *t, char key[KEY_LEN + 1]);
/* A unit as JSON: `script` is shell text. more: further members, each with its comma. Its
 * working directory is SCRATCH/sub/KEY. */
void trial_put(struct trial *t, struct repx_buf *to, const char *key,
               const char *script, const char *more);
/* Submit what was put, which is emptied: 0 when the call itself went well, or -1. */
int trial_submit(struct trial *t, struct repx_buf *units);
/* Submit one; its id (to be freed), or NULL. */
char *trial_submit_one(struct trial *t, const char *key, const char *script,
                       const char *more);

int trial_has(const struct trial *t, const char *key, const char *name);
/* Wait for a file in its working directory: 1, or 0 after the time that there is. */
int trial_wait(const struct trial *t, const char *key, const char *name);
/* The state of an index in a status answer, -1 for no array; "" when there is no row, "?"
 * when the call failed. The exit status goes to *exit (may be NULL). */
const char *trial_state(struct trial *t, const char *id, int64_t index, int64_t *exit);
int trial_is_open(const char *state);
/* Wait for its end; the last state is valid to the next call. */
const char *trial_end(struct trial *t, const char *id, int64_t index, int64_t *exit);
/* Does find know the key, once, with this id? */
int trial_found_as(struct trial *t, const char *key, const char *id);
/* The id that find tells for the key (to be freed); NULL: none, or the call failed. */
char *trial_find(struct trial *t, const char *key);

void scheduler_arrays(struct trial *t); /* scheduler_array.c */
void scheduler_limits(struct trial *t); /* scheduler_limits.c */
void scheduler_odd(struct trial *t);    /* scheduler_odd.c */
void scheduler_many(struct trial *t);   /* scheduler_many.c, with --fake */

#endif
