/* SPDX-License-Identifier: MIT */
/* lab.h: a Lab, read and checked once.
 *
 * A Lab is a directory, or a plain tar with any one prefix. Everything in it is hostile
 * until checked here: after lab_open every id, name and path is safe to join to a
 * directory, every job exists, the graph has no cycle, step graphs have one sink, and
 * each output that a mapping names is declared by its producer. What is wrong is told as
 * "LAB: FILE: FIELD: what; what to do" in one line, code REPX_E_CORRUPT (REPX_E_NOENT: no
 * Lab there).
 *
 * Everything reachable from struct lab belongs to it, is read-only and lives until
 * lab_close. Optional texts are NULL when absent. */
#ifndef REPX_LAB_H
#define REPX_LAB_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

#include "core/wire/digest.h"

/* resource_hints; numbers are -1 and texts NULL when unset. */
struct lab_hints {
    int64_t cpus;
    const char *mem, *time, *partition;
    const char *const *sbatch_opts;
    size_t sbatch_opt_count;
};

struct lab_mapping {
    const char *target_input; /* never NULL */
    const char *job_id;       /* may be "self" in gather */
    const char *source_output;
    const char *type; /* "intra-pipeline", "inter-run", "global" or NULL */
    const char *source_run;
    const char *source; /* "scatter:work_item", "step:NAME", "runner:worker_outputs" */
};

struct lab_output {
    const char *name;
    const char *value; /* template with $out; NULL when it is not a string */
};

struct lab_exe {
    const char *name; /* "main", "scatter", "step-NAME", "gather" */
    const char *path; /* inside the Lab */
    const struct lab_mapping *inputs;
    size_t input_count;
    const struct lab_output *outputs;
    size_t output_count;
    const char *const *deps; /* of a step: names without "step-" */
    size_t dep_count;
    const struct lab_hints *hints; /* or NULL */
};

#define LAB_SIMPLE 0
#define LAB_SCATTER_GATHER 1
#define LAB_WORKER 2
#define LAB_GATHER 3

struct lab_job {
    const char *id;
    const char *name;   /* or NULL */
    int type;           /* LAB_* */
    const char *params; /* JSON text as in the Lab, compact; "null" when absent */
    const struct lab_exe *exes;
    size_t exe_count;
    const struct lab_hints *hints; /* or NULL */
    const size_t
        *deps; /* producers over all executables: indices into lab->jobs, sorted */
    size_t dep_count;
    const char *sink; /* scatter-gather: the sink step's name without "step-" */
};

struct lab_run {
    const char *name;
    const char *image;  /* path inside the Lab, or NULL */
    const char *file;   /* run metadata, inside the Lab */
    const size_t *jobs; /* indices into lab->jobs, ascending */
    size_t job_count;
};

struct lab_group {
    const char *name;
    const char *const *runs; /* names, sorted; some may not exist */
    size_t run_count;
};

struct lab {
    const char *path;         /* as given */
    const char *id;           /* labId */
    const char *version;      /* lab_version or "" */
    const char *repx_version; /* or schema_version, or "" */
    const char *git_hash;     /* or "" */
    const char
        *manifest; /* path of the manifest lab/...lab-metadata.json inside the Lab */
    const char *host_tools; /* name below host-tools/, or NULL when there is none */
    const char *warning;    /* for the user, or NULL */
    int is_tar;
    const struct lab_job *jobs; /* sorted by id */
    size_t job_count;
    const struct lab_run *runs; /* sorted by name */
    size_t run_count;
    const struct lab_group *groups; /* sorted by name */
    size_t group_count;
};

#define LAB_NO_CACHE 1u /* read every file again */

struct lab *lab_open(const char *path, unsigned flags, struct repx_err *err);
void lab_close(struct lab *lab); /* NULL is fine */

/* The job with that id, or NULL. */
const struct lab_job *lab_job_find(const struct lab *lab, const char *id);
const struct lab_run *lab_run_find(const struct lab *lab, const char *name);
const struct lab_exe *lab_exe_find(const struct lab_job *job, const char *name);

/* Every file, directory and link of the Lab, sorted by path as bytes, with digests.
 * Read on the first call; the array belongs to the Lab. */
int lab_entries(struct lab *lab, const struct repx_entry **entries, size_t *count,
                struct repx_err *err);
/* Up to len bytes of entry i (a file) from an offset; 0 at its end. */
int64_t lab_read(struct lab *lab, size_t i, uint64_t offset, void *to, size_t len,
                 struct repx_err *err);
/* Digest of all entries (digest_tree), for "is the target up to date?". */
int lab_digest(struct lab *lab, struct digest *out, struct repx_err *err);
/* Digest of the subtree below jobs/<id>, with paths relative to it. */
int lab_package_digest(struct lab *lab, const char *job_id, struct digest *out,
                       struct repx_err *err);

#endif
