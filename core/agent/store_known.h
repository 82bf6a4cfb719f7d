/* SPDX-License-Identifier: MIT */
/* store_known.h: records of known sets, for store_known.c and store_stand.c. */
#ifndef REPX_AGENT_STORE_KNOWN_H
#define REPX_AGENT_STORE_KNOWN_H

#include <kit/buf.h>

#include "store_own.h"

struct walker {
    struct store *s;
    char *parent;
    int parent_fd; /* -1 at first */
};
void walker_close(struct walker *w);

/* A record that may be believed: 1 with *lines in text, else 0. */
int known_read(const struct store *s, const char *path, struct repx_buf *text,
               char **lines);
/* The next of its lines, or NULL. */
char *known_line(char **at);
/* The name when the line begins a tree, else NULL. */
const char *known_tree(const char *line, struct digest *d);
/* Is it still as the line says? */
int known_line_agrees(struct walker *w, const char *line);
/* Only so many of the newest records stay. */
void known_prune(struct store *s, size_t keep);

#endif
