/* SPDX-License-Identifier: MIT */
/* submit_records.c: what became of a unit, in the journal, as events, in S/live. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

size_t pending_count(const struct pending *p)
{
    return p->members ? p->array : 1;
}

size_t pending_job(const struct pending *p, size_t i)
{
    return p->members ? p->members[i] : p->job;
}

int pending_is_step(const struct pending *p)
{
    return strncmp(p->phase, "step-", 5) == 0;
}

int pending_is_feeder(const struct pending *p)
{
    return strcmp(p->phase, "feed") == 0;
}

/* ---- accepted ---- */

/* index: of the job within its array of jobs, else -1. */
static int accept_job(struct submission *s, const struct pending *p, size_t job,
                      int64_t index, struct repx_err *err)
{
    REPX_AUTO_FREE char *id = array_unit(p->id, index);
    struct decided *d = s->jobs + job;
    json_t *event = json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)job, "e",
                              "submitted", "key", p->key, "id", id);

    if (strcmp(p->phase, "main") != 0)
        (void)json_object_set_new(event, "phase", json_string(p->phase));
    if (p->array)
        (void)json_object_set_new(event, "array", json_integer((json_int_t)p->array));
    if (index >= 0)
        (void)json_object_set_new(event, "index", json_integer((json_int_t)index));
    if (strcmp(p->key, d->key) == 0) {
        d->what = DECIDE_OURS;
        free(d->unit);
        d->unit = repx_strdup(id);
    }
    s->submitted++;
    return submission_event(s, event, err);
}

static int record_accepted(struct submission *s, const struct pending *p,
                           struct repx_err *err)
{
    json_t *how = json_pack("{s:s}", "id", p->id);
    int rc = 0;

    if (p->text && *p->text)
        (void)json_object_set_new(how, "command", json_string(p->text));
    journal_line(s, "accepted", p->key, how);
    (void)json_object_set_new(s->given, p->key, json_string(p->id));
    if (s->steps) {
        REPX_AUTO_FREE char *part = submission_part(p->phase, p->first);
        (void)json_object_set_new(s->steps, part,
                                  json_pack("{s:s,s:s,s:I}", "id", p->id, "key", p->key,
                                            "n", (json_int_t)p->array));
    }
    if (pending_is_feeder(p))
        return 0;
    if (strcmp(p->phase, "scatter") == 0) {
        free(s->jobs[p->job].scatter);
        s->jobs[p->job].scatter = repx_strdup(p->id);
        memcpy(s->jobs[p->job].scatter_key, p->key, sizeof(p->key));
    }
    for (size_t i = 0; rc == 0 && i < pending_count(p); i++)
        rc = accept_job(s, p, pending_job(p, i), p->members ? (int64_t)i : -1, err);
    return rc;
}

/* ---- not accepted ---- */

static void disown(struct submission *s, const struct pending *p)
{
    if (pending_is_step(p) || pending_is_feeder(p))
        return;
    for (size_t i = 0; i < pending_count(p); i++) {
        const char *id = state_text(s->plan[pending_job(p, i)], "id", "");
        (void)job_leave(s->site, id, s->run->id, p->key);
    }
}

/* The failed producer because of which a refused unit never had a chance. */
static size_t refused_producer(const struct submission *s, size_t job)
{
    const json_t *deps = json_object_get(s->plan[job], "deps");

    for (size_t i = 0; i < json_array_size(deps); i++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, i));
        if (s->jobs[d].what == DECIDE_REFUSED)
            return d;
        if (s->jobs[d].what == DECIDE_BLOCKED)
            return s->jobs[d].by;
    }
    return job;
}

int submission_refuse(struct submission *s, size_t job, const char *text,
                      struct repx_err *err)
{
    struct decided *d = s->jobs + job;

    if (d->what == DECIDE_REFUSED || d->what == DECIDE_BLOCKED)
        return 0;
    d->by = refused_producer(s, job);
    d->what = d->by == job ? DECIDE_REFUSED : DECIDE_BLOCKED;
    s->refused += d->what == DECIDE_REFUSED;
    json_t *event = d->what == DECIDE_BLOCKED
                        ? json_pack("{s:I,s:s,s:I}", "i", (json_int_t)job, "e",
                                    "blocked", "by", (json_int_t)d->by)
                        : json_pack("{s:I,s:s,s:s}", "i", (json_int_t)job, "e",
                                    "refused", "text", text);
    return submission_event(s, event, err);
}

static int record_refused(struct submission *s, const struct pending *p,
                          struct repx_err *err)
{
    const char *text = p->text ? p->text : "";
    int rc = 0;

    journal_line(s, "refused", p->key, json_pack("{s:s}", "text", text));
    disown(s, p);
    if (pending_is_feeder(p))
        return 0;
    if (pending_is_step(p)) {
        if (!s->refusal) /* what comes after it is refused because of it */
            s->refusal = repx_strdup(text);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < pending_count(p); i++)
        rc = submission_refuse(s, pending_job(p, i), text, err);
    return rc;
}

/* The scheduler has it not, so the next try may have the same key: a run that waits for days
 * does not leave a directory for each time it was told so. A claim keeps it: then the key is
 * somebody's after all. */
static void give_back(const struct submission *s, const char *key)
{
    REPX_AUTO_FREE char *dir = repx_format("sub/%s", key);
    REPX_AUTO_FREE char *table = repx_format("%s/table", dir);
    REPX_AUTO_FREE char *claim = repx_format("%s/id", dir);

    if (faccessat(s->site->state_fd, claim, F_OK, 0) == 0)
        return;
    (void)unlinkat(s->site->state_fd, table, 0);
    (void)unlinkat(s->site->state_fd, dir, AT_REMOVEDIR);
}

/* Nobody is told: it waits. */
static int record_room(struct submission *s, const struct pending *p)
{
    REPX_AUTO_FREE char *text =
        repx_format("no room: %s", s->room ? s->room : "not asked for");

    journal_line(s, "refused", p->key, json_pack("{s:s}", "text", text));
    disown(s, p);
    give_back(s, p->key);
    if (pending_is_step(p) && !s->refusal)
        s->refusal = repx_strdup(text);
    return 0;
}

int submission_record(struct submission *s, struct pending *p, struct repx_err *err)
{
    if (p->h.state == HANDOVER_CLAIMED)
        return record_accepted(s, p, err);
    if (p->h.state == HANDOVER_NOT_WANTED)
        return record_refused(s, p, err);
    if (p->h.state == HANDOVER_NO_ROOM)
        return record_room(s, p);
    journal_line(s, "void", p->key, NULL);
    /* a gather of which the scatter is there comes again by itself: until then that needs
     * the link */
    if (strcmp(p->phase, "gather") != 0 || !s->jobs[p->job].scatter)
        disown(s, p);
    return 0;
}
