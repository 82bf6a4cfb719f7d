/* SPDX-License-Identifier: MIT */
#include "retry.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/plan/plan.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define PART_MIN 4 /* letters; fewer are a slip of the hand */

static int is_run_id(const char *word)
{
    return strcmp(word, "last") == 0 ||
           (strspn(word, "0123456789") == 8 && word[8] == 'T');
}

static int may_be_part(const char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz234567");

    return !word[n] && n >= PART_MIN && n <= 8;
}

int names_run(struct cli *cli, const char *word, struct repx_err *err)
{
    struct job_set set = {0};

    if (is_run_id(word))
        return 1;
    int lab = cli_lab(cli, err);
    if (lab == 0 && resolve_spec(cli->lab, word, &set, err) == 0) {
        job_set_free(&set);
        return 0;
    }
    if (err->code == REPX_E_NOENT && may_be_part(word))
        return 1;
    return lab == 0 ? -1 : repx_wrap(err, "%s is no run id of `repx status`", word);
}

int no_such_run(const char *word, struct repx_err *err)
{
    if (err->code != REPX_E_NOENT || is_run_id(word))
        return -1;
    return repx_wrap(err, "`%s` did not match any known run or job of a Lab", word);
}

void retry_add(struct retry_set *set, const char *name)
{
    set->names = repx_grow(set->names, set->count + 1, sizeof(*set->names));
    set->names[set->count++] = repx_strdup(name);
}

static void take_record(struct retry_set *set, const struct json *record)
{
    set->head = 1;
    set->keep_going = json_is_true(json_get(record, "keep_going"));
    free(set->scheduler);
    set->scheduler = repx_strdup(json_string(json_get(record, "scheduler")));
}

static void take_job(struct retry_set *set, const struct json *job)
{
    const char *id = json_string(json_get(job, "id"));
    int status = (int)json_get_int(job, "status", JOB_UNKNOWN);

    if (!json_is_true(json_get(job, "ended"))) {
        set->going = 1;
    } else if (id && status != JOB_SUCCEEDED) {
        retry_add(set, id);
    }
}

static int on_line(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct retry_set *set = ctx;
    struct json *v = json_parse(line, n, err);

    if (!v)
        return -1;
    if (!set->head) {
        take_record(set, v);
    } else {
        take_job(set, v);
    }
    json_free(v);
    return 0;
}

int retry_ask(struct target *target, const char *run, struct retry_set *set,
              struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    set->head = 0;
    msg_put_text(&msg, F_RUN, run);
    return follow_ask(target, V_RUN_JOBS, &msg, on_line, set, NULL, err);
}

void retry_free(struct retry_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->names[i]);
    free(set->names);
    free(set->scheduler);
    *set = (struct retry_set){0};
}
