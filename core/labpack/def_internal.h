/* SPDX-License-Identifier: MIT */
/* def_internal.h: the steps of reading a definition. */
#ifndef REPX_LABPACK_DEF_INTERNAL_H
#define REPX_LABPACK_DEF_INTERNAL_H

#include "def.h"

/* One "key = value" with its continuation lines joined by a space. */
struct def_entry {
    const char *section, *key, *value;
    int line;
};

struct def_entries {
    struct def_entry *at;
    size_t count;
};

/* All entries in the order of the file; a key that stands twice is an error. */
int def_entries(struct pool *pool, const char *path, const char *text, size_t n,
                struct def_entries *to, struct repx_err *err);

/* Letters, digits, '_' and '-', beginning with a letter or digit, DEF_NAME_MAX at most. */
int def_name_check(const char *name, const char *what, struct repx_err *err);
/* Names separated by commas or blanks. */
int def_names_parse(struct pool *pool, const char *text, struct def_names *to,
                    struct repx_err *err);
/* "a, b" as texts: bare or in double quotes. */
int def_texts_parse(struct pool *pool, const char *text, struct def_names *to,
                    struct repx_err *err);
/* Values of a parameter: numbers, true, false, strings, FIRST..LAST[..STEP]. */
int def_values_parse(struct pool *pool, const char *text, struct def_param *to,
                     struct repx_err *err);
int def_stage_input_parse(struct pool *pool, const char *text, struct def_input *to,
                          struct repx_err *err);
int def_step_input_parse(struct pool *pool, const char *text, struct def_input *to,
                         struct repx_err *err);
/* Is `key` one of the resource hints? Then 1 and it is set, 0 if not, -1 if wrong. */
int def_hint_set(struct pool *pool, struct def_hints *to, const char *key,
                 const char *value, struct repx_err *err);

/* One key of a [stage]. */
int def_stage_set(struct def *d, struct def_stage *s, const struct def_entry *e,
                  struct repx_err *err);

/* References, cycles, scatter-gather rules. */
int def_check(struct def *d, const char *path, struct repx_err *err);
int def_check_phases(struct def *d, struct def_stage *s, struct repx_err *err);

#endif
