/* SPDX-License-Identifier: MIT */
/* def.h: a Lab definition, read and checked.
 *
 * After def_read every name is one of a safe alphabet, every reference names something
 * that exists, the stages have no cycle and step graphs have one sink. Everything belongs
 * to the definition's pool. */
#ifndef REPX_LABPACK_DEF_H
#define REPX_LABPACK_DEF_H

#include <stddef.h>

#include <kit/err.h>

#include "pool.h"

#define DEF_NAME_MAX 40
#define DEF_COMBINATIONS_MAX 1000000 /* instances of one stage */

struct def_names {
    const char **at;
    size_t count;
};

/* Values are JSON scalars as text, in the one spelling that enters job ids. */
struct def_param {
    const char *name;
    const char **values;
    size_t count;
    int line;
};

struct def_hints {
    int set; /* any of them */
    const char *mem, *time, *partition;
    long cpus; /* 0: unset */
    struct def_names sbatch_opts;
};

/* Where an input comes from. */
#define DEF_FROM_STAGE 0 /* the output of a stage */
#define DEF_FROM_RUN 1   /* the metadata file of a run */
#define DEF_FROM_BASE 2  /* the target's base path */
#define DEF_FROM_STEP 3  /* step phases: the output of a step */
#define DEF_FROM_ITEM 4  /* step phases: the work item */
#define DEF_FROM_JOB 5   /* step phases: the job's input of the same name */

struct def_input {
    const char *name;
    int from;           /* DEF_FROM_* */
    const char *source; /* stage, run or step */
    const char *output; /* of a stage or step */
    int reduce;         /* over `over`, or over everything when that is empty */
    struct def_names over;
    int line;
};

struct def_output {
    const char *name, *value;
};

/* An executable: "main", or "scatter", "gather" and "step-NAME". */
struct def_phase {
    const char *name;
    const char *script; /* relative to the definition's directory */
    /* Of steps only; those of scatter, gather and main stand in the stage. */
    struct def_input *inputs;
    size_t input_count;
    struct def_output *outputs;
    size_t output_count;
    struct def_names after; /* with the steps that the inputs name */
    struct def_hints hints;
    int line;
};

struct def_stage {
    const char *name, *version;
    int scatter_gather;
    struct def_phase *phases;
    size_t phase_count;
    struct def_input *inputs;
    size_t input_count;
    struct def_output *outputs;
    size_t output_count;
    struct def_param *params;
    size_t param_count;
    struct def_names *zips; /* parameters that advance together */
    size_t zip_count;
    struct def_names inherit, files;
    struct def_hints hints;
    int line;
    int mark; /* while looking for cycles */
};

/* In place of a stage's parameter, in one run. */
struct def_override {
    const char *stage;
    struct def_param param;
};

struct def_run {
    const char *name, *image; /* image may be NULL */
    struct def_names stages;
    struct def_override *overrides;
    size_t override_count;
    int line;
};

struct def_group {
    const char *name;
    struct def_names runs;
    int line;
};

struct def_tool {
    const char *name, *path;
    int line;
};

struct def {
    struct pool pool;
    const char *name, *version;
    struct def_stage *stages;
    size_t stage_count;
    struct def_run *runs;
    size_t run_count;
    struct def_group *groups;
    size_t group_count;
    struct def_tool *tools;
    size_t tool_count;
};

/* `path` is for messages. On failure nothing is left to release. */
int def_read(struct def *d, const char *path, const char *text, size_t n,
             struct repx_err *err);
void def_free(struct def *d);

struct def_stage *def_stage_find(const struct def *d, const char *name);
struct def_run *def_run_find(const struct def *d, const char *name);
struct def_phase *def_phase_find(const struct def_stage *s, const char *name);
struct def_param *def_param_find(const struct def_stage *s, const char *name);
/* "step-NAME" for steps, as in the Lab. */
int def_is_step(const struct def_phase *p);
int def_names_has(const struct def_names *names, const char *name);
void def_names_add(struct pool *p, struct def_names *names, const char *name);
/* The step that no other step waits for; NULL when there is not exactly one. */
const struct def_phase *def_sink(const struct def_stage *s);

#endif
