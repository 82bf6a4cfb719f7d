/* SPDX-License-Identifier: MIT */
/* scheduler.h: what most plugins for schedulers need around the commands they call:
 * arguments, messages, the ids of a batch, the keys of a find. */
#ifndef REPX_KIT_SCHEDULER_H
#define REPX_KIT_SCHEDULER_H

#include <repx/scheduler.h>

#include "buf.h"
#include "err.h"

#define REPX_KEY_SIZE 33 /* of a key, with its zero byte */

/* ---- commands ---- */

/* A command's arguments, each its own string; ends with NULL. */
struct repx_args {
    char **list;
    size_t count, cap;
};
void repx_args_add(struct repx_args *a, const char *text);
void repx_args_fmt(struct repx_args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drop the last ones until `count` are left. */
void repx_args_cut(struct repx_args *a, size_t count);
void repx_args_free(struct repx_args *a);
#define REPX_AUTO_ARGS __attribute__((cleanup(repx_args_free)))
/* The command with its input, as a person would type it. Caller frees. */
char *repx_args_text(const struct repx_args *a, const char *input);

/* Options that the user gave for this scheduler alone: each begins with '-' and holds no
 * control character; "-q name" is an option and its value. `reserved` (ends with NULL) are
 * those that would take a unit out of our hands, as the user would write them ("-N"; "-N*"
 * for all that begin so).
 * REPX_E_USAGE names what is wrong, and `program`. */
int repx_args_native(struct repx_args *a, const struct repx_resources *r,
                     const char *program, const char *const *reserved,
                     struct repx_err *err);

/* No control characters (REPX_E_USAGE names `what`): what goes into a line of a
 * scheduler's own file or protocol. */
int repx_text_plain(const char *what, const char *text, struct repx_err *err);
/* Only letters, digits and the characters of `more`; not empty, and no '-' first. */
int repx_text_word(const char *what, const char *text, const char *more,
                   struct repx_err *err);
/* The number is unset or at least `least`. */
int repx_number_least(const char *what, int64_t n, int64_t least, struct repx_err *err);

/* Bytes of memory on each node: as asked, or of memory per CPU. REPX_UNSET: not asked. */
int64_t repx_memory_per_node(const struct repx_resources *r);

/* What a command wrote to its standard error, as one line of at most 1000 bytes; `lead`
 * (may be NULL) is left out where a line begins with it. Caller frees. */
char *repx_said(const char *errors, const char *lead);
/* Is one of the phrases (the list ends with NULL) in the text? */
int repx_says(const char *text, const char *const *phrases);

/* Lines of an answer that comes in pieces: repx_lines_take is a struct repx_run's output.
 * A line is handed on without its newline, may be changed, and is gone afterwards. What is
 * left without a newline at the end was cut off, and a line of more than a megabyte is left
 * out, being none of any scheduler: repx_lines_end says so (-1). */
struct repx_lines {
    void (*line)(void *ctx, char *line);
    void *ctx;
    uint64_t count;
    struct repx_buf rest;
    int skipping, skipped; /* one that is too long; and one was */
};
void repx_lines_take(void *lines, const char *bytes, uint64_t n);
int repx_lines_end(struct repx_lines *lines);

/* ---- units ---- */

const struct repx_unit *repx_unit_at(const struct repx_unit *units, uint64_t i,
                                     uint64_t stride);
const struct repx_dep *repx_dep_at(const struct repx_dep *deps, uint64_t i,
                                   uint64_t stride);
/* The unit's program as shell text that ends with a newline: its body, or its argv. */
void repx_unit_program(const struct repx_unit *u, struct repx_buf *to);

/* Copy n characters when they are a key; 1 or 0. */
int repx_key_take(const char *from, size_t n, char key[REPX_KEY_SIZE]);

/* The units of one submit and the ids that they got: for dependencies that name a key. */
struct repx_batch {
    const char **keys;
    char **ids;
    size_t count;
};
void repx_batch_open(struct repx_batch *b, uint64_t units);
void repx_batch_add(struct repx_batch *b, const char *key, const char *id);
/* Id of what a dependency names: its own, or that of an accepted unit. NULL: none. */
const char *repx_batch_id(const struct repx_batch *b, const struct repx_dep *dep);
void repx_batch_close(struct repx_batch *b);

/* The keys of one find. A scheduler's rows are noted as they come; of several rows with
 * one key one that goes on counts. Each key is told once. */
struct repx_search {
    struct repx_wanted *list;
    uint64_t count, found;
};
void repx_search_open(struct repx_search *s, const char *const *keys, uint64_t count);
void repx_search_note(struct repx_search *s, const char *key, const char *id,
                      uint32_t state);
/* Call `look` for every key that was not found yet. */
void repx_search_rest(struct repx_search *s, void (*look)(void *ctx, const char *key),
                      void *ctx);
void repx_search_tell(const struct repx_search *s, const struct repx_found_sink *sink);
void repx_search_close(struct repx_search *s);

#endif
