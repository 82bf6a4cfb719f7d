/* SPDX-License-Identifier: MIT */
/* parse.h: what Slurm's commands print, read as bytes from outside. Pure functions. */
#ifndef REPX_SLURM_PARSE_H
#define REPX_SLURM_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include <kit/scheduler.h>

#define SLURM_ID_MAX 21

/* `sbatch --parsable`: "123" or "123;cluster", perhaps after lines of a site's wrapper.
 * 1 with the id, 0 when there is none. */
int slurm_parse_id(const char *out, char id[SLURM_ID_MAX]);
/* Only digits, not too many. */
int slurm_id_ok(const char *id);
/* The same, or one index of an array: "12_3". */
int slurm_unit_ok(const char *id);

/* What sbatch's failure means: REPX_SUBMIT_REFUSED, _ROOM or _PERHAPS. */
uint32_t slurm_classify(int status, const char *errors);
/* Does the message say that the controller could not be reached or did not answer? */
int slurm_unreachable(const char *errors);

/* Does sacct say that there is no accounting at all? */
int slurm_no_accounting(const char *errors);

/* One line of squeue with SLURM_SQUEUE_FORMAT. */
#define SLURM_SQUEUE_FORMAT "%F|%K|%T|%r|%N|%k|%Z"
struct slurm_row {
    char id[SLURM_ID_MAX]; /* of the job, or of the whole array */
    int64_t index;         /* -1: no array, or several indices that wait */
    const char *indices;   /* these: "3-7,9"; NULL: no such list */
    uint32_t state;        /* REPX_STATE_* */
    const char *reason, *node;
    int64_t by;              /* uid of who cancelled it, -1: not known */
    char key[REPX_KEY_SIZE]; /* "" when the job is not one of ours */
};
/* Changes the line. 1, or 0 when it is no such line. */
int slurm_parse_queue(char *line, struct slurm_row *row);

/* One line of sacct with SLURM_SACCT_FORMAT and --parsable2. Changes the line. */
#define SLURM_SACCT_FORMAT "JobID,State,ExitCode,WorkDir"
int slurm_parse_account(char *line, struct slurm_row *row);

/* The number of "NAME = N" in `scontrol show config`; absent when it is not there. */
int64_t slurm_config_number(const char *config, const char *name, int64_t absent);

#endif
