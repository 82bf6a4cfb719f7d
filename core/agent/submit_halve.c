/* SPDX-License-Identifier: MIT */
/* submit_halve.c: an array that found no room is asked for in two halves, and what was
 * learned by that is kept for a while: S/limits.<scheduler>. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define LEARNED_MS 3600000 /* the room is other people's, too: it changes */
#define LIMITS_MAX 4096

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
    int64_t n = age >= 0 && age <= LEARNED_MS ? state_int(one, "n", -1) : -1;

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

size_t submission_learned(const struct submission *s, size_t most)
{
    int64_t refused = limit_read(s, "refused");

    return refused < 2 || (uint64_t)refused > most ? most : (size_t)refused / 2;
}

static json_t *deps_of(const struct pending *p, int shifted)
{
    json_t *deps = json_deep_copy(json_object_get(p->unit, "deps")), *dep;
    size_t i;

    json_array_foreach(deps, i, dep)
    {
        /* indices no longer agree: it waits for the end of all, and each job sees for
         * itself whether its own producer succeeded */
        if (shifted && strcmp(state_text(dep, "type", ""), "corr") == 0)
            (void)json_object_set_new(dep, "type", json_string("any"));
    }
    return deps;
}

static int add_half(struct submission *s, const struct pending *p, size_t from,
                    size_t to, struct repx_err *err)
{
    json_t *deps = deps_of(p, from > 0 || to - from == 1);
    size_t at = s->batch_count;
    int rc = to - from == 1
                 ? submission_add(s, p->members[from], "main", 0, deps, err)
                 : submission_add_array(s, p->members + from, to - from, deps, err);

    return rc < 0 ? -1 : submission_prepare(s, at, err);
}

int submission_halve(struct submission *s, struct repx_err *err)
{
    if (s->batch_count == 0 || !s->batch[0].members)
        return 0;
    struct pending p = s->batch[0];
    size_t half = p.array / 2;
    const char *text = p.text ? p.text : "no room";

    limit_write(s, "refused", (int64_t)p.array);
    memmove(s->batch, s->batch + 1, (s->batch_count - 1) * sizeof(*s->batch));
    s->batch_count--;
    s->fresh = 0; /* its first half has the same first job */
    journal_line(s, "refused", p.key, json_pack("{s:s}", "text", text));
    int rc = add_half(s, &p, 0, half, err);
    if (rc == 0)
        rc = add_half(s, &p, half, p.array, err);
    if (rc == 0)
        rc = journal_write(s, 1, err);
    json_decref(p.unit);
    free(p.id);
    free(p.text);
    free(p.members);
    return rc < 0 ? -1 : 1;
}
