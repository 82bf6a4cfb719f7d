/* SPDX-License-Identifier: MIT */
/* toml.h: TOML 1.0 as a row of events: the C face of the one C++ file (toml.cc).
 *
 * A document is told in order of nesting: TABLE (the root, without key), for each member
 * its event, END. Members of a table have a key; elements of an array have none. What
 * the values mean is decided elsewhere. */
#ifndef REPX_CONFIG_TOML_H
#define REPX_CONFIG_TOML_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TOML_END 0
#define TOML_TABLE 1
#define TOML_ARRAY 2
#define TOML_STRING 3
#define TOML_INTEGER 4
#define TOML_FLOAT 5
#define TOML_BOOL 6
#define TOML_TIME 7 /* a date, a time, or both */

/* Texts are not zero-terminated, may hold any byte, and live during the call only. */
struct toml_event {
    int type;
    const char *key; /* NULL: the root, an element, an end */
    size_t key_len;
    const char *text; /* of scalars: the value as text: x, 42, 0.5, true, 10:30:00 */
    size_t text_len;
    size_t line; /* of the key, or of the element; from 1 */
};

#define TOML_WHY 256
struct toml_fault {
    size_t line;
    char why[TOML_WHY];
};

/* Calls `each` for every event; a value other than 0 from it stops the walk and is
 * returned. -1 with *fault when the text is no TOML. Dotted keys and values nested more
 * deeply than TOML_DEPTH must have been refused before (toml_tree.c does). */
int toml_walk(const char *text, size_t n,
              int (*each)(void *ctx, const struct toml_event *event), void *ctx,
              struct toml_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
