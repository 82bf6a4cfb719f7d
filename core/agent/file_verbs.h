/* SPDX-License-Identifier: MIT */
/* file_verbs.h: files of jobs: what file_verbs.c starts in children. Each takes B/outputs as
 * a directory and a path below it; links are followed as long as they stay below it. */
#ifndef REPX_AGENT_FILE_VERBS_H
#define REPX_AGENT_FILE_VERBS_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/agent/agent.h"
#include "core/wire/digest.h"

/* B/outputs; REPX_E_NOENT when there is none yet. */
int outputs_open(const struct site *site, struct repx_err *err);
/* The path with every link in it replaced, "" for outputs itself; or NULL: REPX_E_NOENT,
 * or a link leaves B/outputs. Caller frees. */
char *outputs_resolve(const struct site *site, int outputs, const char *path,
                      struct repx_err *err);
/* A regular file, for reading. */
int outputs_file(const struct site *site, int outputs, const char *path,
                 struct repx_err *err);

/* V_LIST: F_ENTRY fields of everything below a directory, sorted, to `out`. */
int list_below(const struct site *site, const char *path, int out,
               struct repx_err *err);

struct tail_args {
    const char *path;
    int64_t lines; /* -1: all */
    int follow;
};
int tail_file(const struct site *site, const struct tail_args *args, int out,
              struct repx_err *err);

/* Files of a Lab that its manifest consists of, by their paths in it. */
struct lab_told {
    struct lab_told_file {
        char *path;
        struct digest digest;
    } * items;
    size_t count;
};

/* V_GCROOT (gcroot.c). told: may be NULL. */
int gcroot_add(const struct site *site, const char *name, const char *manifest,
               const struct lab_told *told, struct repx_err *err);
/* Make B/artifacts/lab/<manifest> (a Lab's id and "-lab-metadata.json") a manifest of that
 * Lab alone, which other Labs with the same fixed names do not replace (lab_manifest.c). Of
 * files that are told nothing but what they hold is taken. */
int lab_manifest_keep(const struct site *site, const char *manifest,
                      const struct lab_told *told, struct repx_err *err);

#endif
