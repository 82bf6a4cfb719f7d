/* SPDX-License-Identifier: MIT */
/* def_input.c: where inputs come from, and resource hints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "def_internal.h"

/* "A.B" into *source and *output, both checked. */
static int split_pair(struct pool *pool, const char *text, struct def_input *to,
                      struct repx_err *err)
{
    const char *dot = strchr(text, '.');

    if (!dot)
        return repx_fail(err, REPX_E_USAGE, "\"%s\" does not name an output", text);
    to->source = pool_strn(pool, text, (size_t)(dot - text));
    to->output = pool_str(pool, dot + 1);
    if (def_name_check(to->source, "the producer", err) < 0)
        return -1;
    return def_name_check(to->output, "its output", err);
}

int def_stage_input_parse(struct pool *pool, const char *text, struct def_input *to,
                          struct repx_err *err)
{
    size_t n = strcspn(text, " \t");
    const char *rest = text + n + strspn(text + n, " \t");

    if (strcmp(text, "base") == 0) {
        to->from = DEF_FROM_BASE;
        return 0;
    }
    if (strncmp(text, "run:", 4) == 0) {
        to->from = DEF_FROM_RUN;
        to->source = pool_str(pool, text + 4);
        return def_name_check(to->source, "a run", err);
    }
    to->from = DEF_FROM_STAGE;
    if (split_pair(pool, pool_strn(pool, text, n), to, err) < 0)
        return -1;
    if (!*rest)
        return 0;
    to->reduce = 1;
    if (strncmp(rest, "over", 4) != 0 || !strchr(" \t", rest[4]) || !rest[4]) {
        return repx_fail(err, REPX_E_USAGE,
                         "\"%s\" is not understood; write STAGE.OUTPUT, STAGE.OUTPUT "
                         "over PARAMETERS or STAGE.OUTPUT over *",
                         text);
    }
    rest += 4 + strspn(rest + 4, " \t");
    return strcmp(rest, "*") == 0 ? 0 : def_names_parse(pool, rest, &to->over, err);
}

int def_step_input_parse(struct pool *pool, const char *text, struct def_input *to,
                         struct repx_err *err)
{
    if (strcmp(text, "item") == 0) {
        to->from = DEF_FROM_ITEM;
        return 0;
    }
    if (strcmp(text, "job") == 0) {
        to->from = DEF_FROM_JOB;
        return 0;
    }
    to->from = DEF_FROM_STEP;
    return split_pair(pool, text, to, err);
}

/* Printable ASCII: what stands in a batch script's header must not end a line. */
static int hint_text_check(const char *key, const char *text, struct repx_err *err)
{
    for (const char *s = text; *s; s++) {
        if (*s < ' ' || *s > '~') {
            return repx_fail(err, REPX_E_USAGE,
                             "%s holds a character that cannot stand "
                             "in a batch script",
                             key);
        }
    }
    return *text ? 0 : repx_fail(err, REPX_E_USAGE, "%s is empty", key);
}

static int set_text(struct pool *pool, const char **to, const char *key,
                    const char *value, struct repx_err *err)
{
    if (hint_text_check(key, value, err) < 0)
        return -1;
    if (strpbrk(value, " \t"))
        return repx_fail(err, REPX_E_USAGE, "%s holds a blank", key);
    *to = pool_str(pool, value);
    return 1;
}

static int set_cpus(struct def_hints *to, const char *value, struct repx_err *err)
{
    char *end;

    errno = 0;
    to->cpus = strtol(value, &end, 10);
    if (errno || *end || end == value || to->cpus < 1 || to->cpus > 65536)
        return repx_fail(err, REPX_E_USAGE, "cpus is a number from 1 to 65536");
    return 1;
}

static int set_opts(struct pool *pool, struct def_hints *to, const char *value,
                    struct repx_err *err)
{
    if (def_texts_parse(pool, value, &to->sbatch_opts, err) < 0)
        return -1;
    for (size_t i = 0; i < to->sbatch_opts.count; i++) {
        if (hint_text_check("sbatch_opts", to->sbatch_opts.at[i], err) < 0)
            return -1;
    }
    return 1;
}

static int hint_set(struct pool *pool, struct def_hints *to, const char *key,
                    const char *value, struct repx_err *err)
{
    if (strcmp(key, "mem") == 0)
        return set_text(pool, &to->mem, key, value, err);
    if (strcmp(key, "time") == 0)
        return set_text(pool, &to->time, key, value, err);
    if (strcmp(key, "partition") == 0)
        return set_text(pool, &to->partition, key, value, err);
    if (strcmp(key, "cpus") == 0)
        return set_cpus(to, value, err);
    if (strcmp(key, "sbatch_opts") == 0)
        return set_opts(pool, to, value, err);
    return 0;
}

int def_hint_set(struct pool *pool, struct def_hints *to, const char *key,
                 const char *value, struct repx_err *err)
{
    int rc = hint_set(pool, to, key, value, err);

    to->set |= rc > 0;
    return rc;
}
