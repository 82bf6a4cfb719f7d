/* SPDX-License-Identifier: MIT */
/* meta.h: the JSON files of a Lab. */
#ifndef REPX_LABPACK_META_H
#define REPX_LABPACK_META_H

#include <kit/buf.h>

#include "expand.h"
#include "tree.h"

/* What tells our Labs apart from others: a key of the manifest. */
#define META_MADE_BY "repx lab pack"

/* `image` is the image's directory in the Lab, or NULL. */
int meta_write_run(struct tree *t, const struct expansion *x, const char *image,
                   struct repx_err *err);
int meta_write_top(struct tree *t, const struct def *d, struct repx_err *err);
/* Last, since it lists all other files; lab_id gets 32 characters over that list. */
int meta_write_manifest(struct tree *t, const struct def *d, char *lab_id,
                        struct repx_err *err);
/* The parameters that a job's scripts see, as a compact object. */
void meta_put_params(struct repx_buf *to, const struct stage_jobs *s,
                     const struct job *j);
/* The file name of a phase's script in jobs/<id>/bin/. Caller frees. */
char *meta_script_name(const struct def_stage *s, const struct def_phase *p);

#endif
