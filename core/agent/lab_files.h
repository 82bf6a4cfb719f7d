/* SPDX-License-Identifier: MIT */
/* lab_files.h: what a Lab has on the target without naming it in its list of files. RepX's
 * collection keeps what lists name, so the list in a Lab's own manifest gets these, too:
 * run files under their common names, images that were archives in the Lab, and layers. */
#ifndef REPX_AGENT_LAB_FILES_H
#define REPX_AGENT_LAB_FILES_H

#include <kit/buf.h>

#include "core/agent/agent.h"
#include "core/agent/index.h"

struct lab_files {
    const struct site *site;
    int artifacts;
    const char *listed;      /* text of the Lab's own list */
    struct repx_buf more;    /* elements of an array, each after a comma */
    struct object_index *ix; /* opened when it is needed */
};

/* A file below artifacts; one that is listed or not there is left out. */
void lab_files_add(struct lab_files *f, const char *path);
/* An image, by the path that a run names: what is at images/NAME, its tag, its layers. One
 * that runs look for in image/ gets a link there. */
void lab_files_image(struct lab_files *f, const char *path);
void lab_files_free(struct lab_files *f);

/* The path of the image that a run file names: 1 with a fresh string; 0: none. */
int lab_files_image_of(int artifacts, const char *run, char **image);
/* images/NAME of such a path, a fresh string. */
char *lab_files_place(const char *image);

#endif
