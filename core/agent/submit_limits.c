/* SPDX-License-Identifier: MIT */
/* submit_limits.c: what is known of the scheduler's limits, kept for a while:
 * S/limits.<scheduler>. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define LEARNED_MS 3600000 /* the room is other people's, too: it changes */
#define RULES_MS (INT64_C(720) * LEARNED_MS) /* what an administrator decides, seldom */
#define LIMITS_MAX 4096
#define LIMITS_MS 30000

static char *limits_name(const struct submission *s)
{
    return repx_format("limits.%s", s->scheduler.name);
}

static json_t *limits_read(const struct submission *s)
{
    REPX_AUTO_FREE char *name = limits_name(s);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(s->site->state_fd, name, LIMITS_MAX, &b, NULL) < 0)
        return NULL;
    size_t n = strcspn(repx_buf_text(&b), "\n");
    return state_parse(b.data, n, "limits", NULL);
}

/* A number and its time, unless that was too long ago; -1 without. */
static int64_t limit_read(const struct submission *s, const char *what)
{
    json_t *j = limits_read(s);
    const json_t *one = json_object_get(j, what);
    int64_t age = state_now_ms() - state_int(one, "t", 0);
    int64_t most = strcmp(what, "node_submits") == 0 ? RULES_MS : LEARNED_MS;
    int64_t n = age >= 0 && age <= most ? state_int(one, "n", -1) : -1;

    json_decref(j);
    return n;
}

/* Nothing depends on its being remembered. */
static void limit_write(const struct submission *s, const char *what, int64_t n)
{
    REPX_AUTO_FREE char *name = limits_name(s);
    json_t *j = limits_read(s);

    if (!json_is_object(j)) {
        json_decref(j);
        j = json_pack("{s:i}", "v", 1);
    }
    (void)json_object_set_new(
        j, what,
        json_pack("{s:I,s:I}", "n", (json_int_t)n, "t", (json_int_t)state_now_ms()));
    REPX_AUTO_FREE char *text = json_dumps(j, JSON_COMPACT);
    REPX_AUTO_FREE char *line = repx_format("%s\n", text ? text : "{}");
    json_decref(j);
    (void)repx_write_file(s->site->state_fd, name, line, strlen(line), 0666, NULL);
}

int64_t submission_limit_known(const struct submission *s, const char *what)
{
    return limit_read(s, what);
}

void submission_limit_keep(const struct submission *s, const char *what, int64_t n)
{
    limit_write(s, what, n);
}

/* ---- what the scheduler says itself ---- */

static const char *const told[] = {"array_max", "index_ids", "submit_max"};

static void on_limits(void *ctx, const json_t *answer)
{
    struct submission *s = ctx;

    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        int64_t n = state_int(answer, told[i], -1);
        s->limits[i] = n < 0 && i == 1 ? 0 : n;
        if (s->limits[0] > 0)
            submission_limit_keep(s, told[i], s->limits[i] < 0 ? 0 : s->limits[i]);
    }
}

static void limits_ask(struct submission *s)
{
    for (size_t i = 0; i < 3; i++)
        s->limits[i] = submission_limit_known(s, told[i]);
    if (s->limits[0] < 0 || s->limits[1] < 0 || s->limits[2] < 0) {
        s->limits[0] = s->limits[1] = s->limits[2] = -1;
        (void)scheduler_call(&s->scheduler, "limits", json_object(), LIMITS_MS,
                             on_limits, s, NULL);
    }
    s->limits_asked = 1;
}

int64_t submission_limit(struct submission *s, const char *what)
{
    if (!s->limits_asked)
        limits_ask(s);
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(what, told[i]) == 0)
            return s->limits[i];
    }
    return -1;
}

size_t submission_learned(const struct submission *s, size_t most)
{
    int64_t refused = limit_read(s, "refused");

    return refused < 2 || (uint64_t)refused > most ? most : (size_t)(refused + 1) / 2;
}

int submission_nodes(const struct submission *s)
{
    const json_t *said = json_object_get(s->run->record, "may_submit_from_node");

    if (json_is_boolean(said))
        return json_is_true(said) ? NODES_YES : NODES_NO;
    return (int)limit_read(s, "node_submits");
}
