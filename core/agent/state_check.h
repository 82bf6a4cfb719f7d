/* SPDX-License-Identifier: MIT */
/* state_check.h: one line of JSON from outside, parsed and checked against a table. */
#ifndef REPX_AGENT_STATE_CHECK_H
#define REPX_AGENT_STATE_CHECK_H

#include <jansson.h>
#include <stddef.h>

#include <kit/err.h>

#define STATE_LINE_MAX (16u << 20)

/* Types of a key. */
#define STATE_INT 1
#define STATE_BOOL 2
#define STATE_TEXT 3
#define STATE_ID 4      /* a job, step or host-tools name: one safe path component */
#define STATE_RUN 5     /* a run id */
#define STATE_KEY 6     /* a submission key */
#define STATE_HEX 7     /* 64 lower-case hex digits */
#define STATE_INSIDE 8  /* relative path that stays inside */
#define STATE_OBJECT 9  /* checked further by the caller */
#define STATE_ARRAY 10  /* likewise */
#define STATE_TEXTS 11  /* array of strings */
#define STATE_COUNT 12  /* integer from 0 to 2^31 */
#define STATE_TAG 13    /* an image tag: [A-Za-z0-9._:-]+ */
#define STATE_SUBKEY 14 /* [a-z0-9]{13,32}: any key a unit may carry */

#define STATE_REQUIRED 1u
#define STATE_NULL 2u /* null counts as absent */

struct state_field {
    const char *key;
    int type;
    unsigned flags;
};

/* Parse one object of at most STATE_LINE_MAX bytes and modest depth; what names it in
 * messages. Caller json_decref's. */
json_t *state_parse(const char *line, size_t n, const char *what, struct repx_err *err);
/* Check the keys of a table (it ends with a NULL key); unknown keys are fine. */
int state_check(const json_t *object, const struct state_field *fields,
                const char *what, struct repx_err *err);
/* Both. */
json_t *state_read(const char *line, size_t n, const struct state_field *fields,
                   const char *what, struct repx_err *err);
/* Is it one path component that no listing, shell or terminal chokes on? */
int state_name_ok(const char *name);
int state_key_ok(const char *key);

/* A checked key: its value, or what to take when it is absent or null. */
int64_t state_int(const json_t *object, const char *key, int64_t absent);
const char *state_text(const json_t *object, const char *key, const char *absent);
int state_true(const json_t *object, const char *key);

#endif
