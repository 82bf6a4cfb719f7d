/* SPDX-License-Identifier: MIT */
/* job_record.c: events and the end of a job, in the order of docs/state-format.md 7. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/state_check.h"

json_t *outcome_json(const struct outcome *o)
{
    json_t *j = json_object();

    json_object_set_new(j, "ok", json_boolean(o->ok));
    json_object_set_new(j, "exit", o->exit < 0 ? json_null() : json_integer(o->exit));
    json_object_set_new(j, "signal", o->signal ? json_integer(o->signal) : json_null());
    if (o->reason) {
        json_t *text = json_string(o->reason);
        json_object_set_new(j, "reason", text ? text : json_string("not started"));
    }
    json_object_set_new(j, "ms", json_integer((json_int_t)o->ms));
    json_object_set_new(j, "mem", json_integer((json_int_t)o->mem));
    json_object_set_new(j, "cpu_ms", json_integer((json_int_t)o->cpu_ms));
    return j;
}

json_t *event_of(const struct unit *u, const char *what, unsigned n)
{
    json_t *e = json_object();

    json_object_set_new(e, "i", json_integer((json_int_t)u->index));
    json_object_set_new(e, "e", json_string(what));
    if (strcmp(u->phase, "main") != 0)
        json_object_set_new(e, "phase", json_string(u->phase));
    if (u->branch >= 0)
        json_object_set_new(e, "branch", json_integer((json_int_t)u->branch));
    if (n)
        json_object_set_new(e, "n", json_integer((json_int_t)n));
    return e;
}

int record_start(const struct unit *u, const struct attempt *a, struct repx_err *err)
{
    json_t *e = event_of(u, "start", a->n);

    json_object_set_new(e, "pid", json_integer(getpid()));
    json_object_set_new(e, "node", json_string(u->site->host));
    json_object_set_new(e, "id", json_string(u->unit_id));
    return event_write(u->site, u->run, e, err);
}

int record_end(const struct unit *u, unsigned n, const struct outcome *o,
               struct repx_err *err)
{
    json_t *e = event_of(u, o->again ? "requeued" : "end", n);

    if (o->again) {
        (void)json_object_set_new(e, "reason", json_string(o->reason));
        return event_write(u->site, u->run, e, err);
    }
    json_t *how = outcome_json(o);
    (void)json_object_update(e, how);
    json_decref(how);
    return event_write(u->site, u->run, e, err);
}

/* Whoever fails first names himself; a cancelled run needs no second stop. */
static void stop_the_run(const struct unit *u, const struct outcome *o)
{
    if (o->ok || !state_true(u->run->record, "fail_fast") ||
        (o->reason && strcmp(o->reason, "cancelled") == 0))
        return;
    REPX_AUTO_CLOSE int fd =
        openat(u->run->dir, "stop", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        (void)repx_write_all(fd, u->id, strlen(u->id));
}

/* A copy of this very unit runs, or ran, in a newer attempt: the scheduler gave this one up
 * and started another. What we did is of no interest any more. */
static int superseded(const struct unit *u, unsigned n)
{
    return n && attempt_current(u->site, u->id) > n;
}

int record_job_end(const struct unit *u, unsigned n, const struct outcome *o,
                   struct repx_err *err)
{
    int whole = strcmp(u->phase, "main") == 0;

    if (o->again || superseded(u, n))
        return record_end(u, n, o, err);
    int rc = completion_append(u->site, u->id, o->ok, err);

    stop_the_run(u, o);
    if (record_end(u, n, o, rc < 0 ? NULL : err) < 0)
        rc = -1;
    live_clear(u->site, u->id, u->run->id, whole ? u->key : NULL);
    return rc;
}
