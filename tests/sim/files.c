/* SPDX-License-Identifier: MIT */
/* files.c: what lies on the file system, as each host sees it: a name that was looked up is
 * remembered for a while, and so is that there was none. What a host changes itself it sees
 * at once; link, O_EXCL and rename are decided by the server. */
#include <string.h>

#include "sim.h"

struct files fs;
struct event events[EVENTS_MAX];
int event_count;

/* ---- names ---- */

int reg_true(const struct reg *r)
{
    return r->count ? r->value[r->count - 1] : 0;
}

static int reg_at(const struct reg *r, int64_t t)
{
    int value = 0;

    for (int i = 0; i < r->count; i++) {
        if (r->at[i] <= t || (i == 0 && r->count == REG_HISTORY))
            value = r->value[i];
    }
    return value;
}

int reg_read(struct reg *r)
{
    int64_t *seen = r->seen + self->host;

    if (*seen == 0 || now - *seen > weather.stale_ms || now >= weather.calm + MINUTE)
        *seen = now;
    return reg_at(r, *seen);
}

void reg_write(struct reg *r, int value)
{
    if (r->count == REG_HISTORY) {
        memmove(r->at, r->at + 1, sizeof(r->at) - sizeof(r->at[0]));
        memmove(r->value, r->value + 1, sizeof(r->value) - sizeof(r->value[0]));
        r->count--;
    }
    r->at[r->count] = now;
    r->value[r->count++] = value;
    if (self)
        r->seen[self->host] = now;
}

void reg_look_again(struct reg *r)
{
    r->seen[self->host] = now;
}

/* ---- events ---- */

void event_add(int run, int job, enum event_kind e, struct said said)
{
    static const char *const names[] = {"done",    "taken", "submitted",
                                        "refused", "start", "end",
                                        "blocked", "lost",  "cancelled"};

    sim_step("event of run %d, job %d: %s%s", run, job, names[e],
             e == E_END && !said.ok ? ", failed" : "");
    if (event_count == EVENTS_MAX) {
        violation("too many events");
        return;
    }
    struct event *to = events + event_count++;
    *to = (struct event){.e = e, .run = run, .job = job, .t = now};
    to->host = self->host;
    to->key = said.key;
    to->attempt = said.attempt;
    to->ok = said.ok;
    to->by = said.by;
    check_event(to);
}

static void state_event(struct job_state *s, const struct event *e)
{
    s->told = 1;
    switch (e->e) {
    case E_DONE:
        s->terminal = s->ok = 1;
        break;
    case E_SUBMITTED:
    case E_TAKEN:
        s->key = e->key + 1;
        s->taken = e->e == E_TAKEN;
        break;
    case E_START:
        if (e->attempt > s->attempt) {
            s->attempt = e->attempt;
            s->terminal = 0;
        }
        s->started = 1;
        break;
    case E_END:
        if (e->attempt && e->attempt < s->attempt)
            break;
        s->terminal = 1;
        s->ok = e->ok;
        break;
    case E_REFUSED:
    case E_BLOCKED:
    case E_LOST:
    case E_CANCELLED:
        s->terminal = 1;
        s->ok = 0;
        break;
    }
}

static void read_until(int run, struct job_state state[JOBS_MAX], int host)
{
    memset(state, 0, JOBS_MAX * sizeof(*state));
    for (int i = 0; i < event_count; i++) {
        const struct event *e = events + i;
        int late = host >= 0 && e->host != host && now < weather.calm + MINUTE &&
                   e->t + weather.stale_ms / 8 > now;
        if (e->run == run && !late)
            state_event(state + e->job, e);
    }
}

void events_read(int run, struct job_state state[JOBS_MAX])
{
    sim_step("reads the events of run %d", run);
    read_until(run, state, self->host);
}

void events_read_true(int run, struct job_state state[JOBS_MAX])
{
    read_until(run, state, -1);
}

/* ---- lease: link(2), and expiry by the server's clock ---- */

int lease_try(void)
{
    int there = reg_true(&fs.lease);
    int same = fs.lease_host == self->host;

    sim_step("tries the lease");
    if (there && ((same && pid_alive(fs.lease_pid)) ||
                  (!same && now - fs.lease_touched <= MINUTE)))
        return 0;
    fs.lease_epoch += there != 0;
    reg_write(&fs.lease, fs.lease_epoch + 1);
    fs.lease_pid = self->pid;
    fs.lease_host = self->host;
    fs.lease_touched = now;
    say("has the lease, epoch %d", fs.lease_epoch);
    return 1;
}

int lease_hold(void)
{
    sim_step("looks after the lease");
    if (!reg_true(&fs.lease) || fs.lease_pid != self->pid)
        return 0;
    fs.lease_touched = now;
    return 1;
}

void lease_leave(void)
{
    sim_step("drops the lease");
    if (reg_true(&fs.lease) && fs.lease_pid == self->pid)
        reg_write(&fs.lease, 0);
}

/* ---- claims and links ---- */

int claim_link(int key, enum facts_claim by, int id)
{
    struct key *k = fs.keys + key;

    sim_step("links a claim of key %d: %s, id %d", key,
             by == CLAIMED_VOID ? "void" : (by == CLAIMED_BY_JOB ? "job" : "submitter"),
             id);
    if (reg_true(&k->claimed)) {
        /* "there is none" may be remembered even now */
        int seen = reg_read(&k->claimed);
        return seen || !one_in(3) ? 0 : -1;
    }
    k->by = by;
    k->id = id;
    k->pid = self->pid;
    k->host = self->host;
    reg_write(&k->claimed, 1);
    return 1;
}

enum facts_claim claim_look(int key, int *id)
{
    struct key *k = fs.keys + key;

    sim_step("reads the claim of key %d", key);
    if (!reg_read(&k->claimed))
        return CLAIMED_NOT;
    *id = k->id;
    return k->by;
}

/* Read, compare, unlink: three things, and what was read may be old. */
void live_drop(int job, int run, int key)
{
    sim_step("reads the link of job %d", job);
    if (looks_again)
        reg_look_again(&fs.live[job]);
    int there = reg_read(&fs.live[job]) - 1;

    if (there < 0 || fs.keys[there].run != run || (key >= 0 && there != key))
        return;
    sim_step("removes the link of job %d", job);
    if (reg_true(&fs.live[job]))
        reg_write(&fs.live[job], 0);
}
