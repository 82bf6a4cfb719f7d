/* SPDX-License-Identifier: MIT */
/* labpack.h: make a Lab from a definition (lab.ini), scripts and, perhaps, an image.
 *
 * The definition is described in docs/lab-definition.md. The Lab is a directory in the
 * form that RepX 0.5 runs. It is built beside its place and renamed whole, so `out_dir`
 * holds a complete Lab at any time, the old one or the new one. */
#ifndef REPX_LABPACK_H
#define REPX_LABPACK_H

#include <stddef.h>
#include <stdint.h>

#include <kit/err.h>

#define LAB_PACK_ID 33 /* 32 characters and a NUL */

struct lab_pack_report {
    char lab_id[LAB_PACK_ID];
    size_t runs, jobs, files;
    uint64_t bytes;
    int replaced; /* an older Lab stood at out_dir */
};

/* Pack definition_dir/lab.ini into out_dir. What stands at out_dir is replaced when it is
 * a Lab that lab_pack made, and refused (REPX_E_USAGE) when it is anything else. Mistakes
 * in the definition are REPX_E_USAGE, "FILE:LINE: what"; a damaged image archive is
 * REPX_E_CORRUPT. On failure nothing is left behind and out_dir is as it was. *report is
 * filled on success and may be NULL. */
int lab_pack(const char *definition_dir, const char *out_dir,
             struct lab_pack_report *report, struct repx_err *err);

#endif
