/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "helper_post.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/scheduler.h>

#include "helper_daemon.h"
#include "helper_model.h"
#include "helper_record.h"

int post_open(struct post *p, const char *path, const struct repx_host *host,
              struct repx_err *err)
{
    static const char *const subs[] = {"spool", "batch"};

    p->host = host;
    p->dir = -1;
    p->path = repx_strdup(path);
    if (repx_make_dirs(path, 0700, err) < 0)
        return -1;
    p->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dir < 0)
        return repx_fail_errno(err, "%s", path);
    for (size_t i = 0; i < 2; i++) {
        if (faccessat(p->dir, subs[i], F_OK, 0) < 0)
            (void)mkdirat(p->dir, subs[i], 0700);
    }
    return 0;
}

void post_close(struct post *p)
{
    if (p->dir >= 0)
        (void)close(p->dir);
    free(p->path);
}

/* A name that was never used and sorts by time; its tail alone is unique. */
static void request_name(char name[64], const char **tail)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[12];
    struct timespec t;
    char text[13];

    (void)clock_gettime(CLOCK_REALTIME, &t);
    for (size_t got = 0; got < sizeof(random);) {
        ssize_t n = getrandom(random + got, sizeof(random) - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    for (size_t i = 0; i < 12; i++)
        text[i] = alphabet[random[i] & 31];
    text[12] = 0;
    (void)snprintf(name, 64, "%011lld%09ld-%s", (long long)t.tv_sec, t.tv_nsec, text);
    *tail = strchr(name, '-') + 1;
}

static int post(struct post *p, const char *name, const struct repx_buf *text,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("spool/%s", name);

    if (repx_write_file(p->dir, path, text->data, text->len, 0600 | REPX_DURABLE, err) <
        0)
        return repx_wrap(err, "the queue in %s", p->path);
    return queue_start(p->dir, p->path, err);
}

/* ---- submit ---- */

/* Units of the batch by key, for dependencies on earlier ones. */
struct by_key {
    const char *key;
    uint64_t i;
};

static int key_order(const void *a, const void *b)
{
    return strcmp(((const struct by_key *)a)->key, ((const struct by_key *)b)->key);
}

struct batch {
    const struct repx_unit *units;
    uint64_t count, stride;
    struct by_key *keys;
    const char **refused; /* why, per unit; NULL: taken */
    const char *tail;
    uint64_t taken;
};

/* Write one dependency; 0 when its key names no unit before this one. */
static int put_dep(const struct batch *b, uint64_t unit, const struct repx_dep *d,
                   struct repx_buf *to)
{
    if (d->id) {
        record_line(to, "sns", "dep", (int64_t)d->type, d->id);
        return 1;
    }
    struct by_key want = {d->key, 0};
    const struct by_key *k = bsearch(&want, b->keys, b->count, sizeof(want), key_order);
    if (!k || k->i >= unit || b->refused[k->i])
        return 0;
    REPX_AUTO_FREE char *id =
        repx_format("l%s-%llu", b->tail, (unsigned long long)k->i);
    record_line(to, "sns", "dep", (int64_t)d->type, id);
    return 1;
}

static void put_unit(struct batch *b, uint64_t i, struct repx_buf *to)
{
    const struct repx_unit *u = repx_unit_at(b->units, i, b->stride);
    REPX_AUTO_FREE char *id = repx_format("l%s-%llu", b->tail, (unsigned long long)i);
    size_t before = to->len;

    if (!u->argv || !u->argv[0]) {
        b->refused[i] = "the local scheduler needs the program as a list of arguments";
        return;
    }
    record_line(to, "sssssnnn", "unit", id, u->key, u->name, u->workdir,
                (int64_t)u->array, u->resources.cpus, u->resources.memory);
    for (size_t a = 0; u->argv[a]; a++)
        record_line(to, "ss", "arg", u->argv[a]);
    for (uint64_t d = 0; d < u->dep_count; d++) {
        if (put_dep(b, i, repx_dep_at(u->deps, d, u->dep_stride), to))
            continue;
        b->refused[i] = "a dependency names no accepted unit before it in the batch";
        to->len = before;
        return;
    }
    b->taken++;
}

static void put_head(const struct post *p, struct repx_buf *to)
{
    const struct repx_host *h = p->host;
    const char *run = h->config_text(h->ctx, "run", 0);
    int64_t jobs = 0, memory = 0, fail_fast = 0;

    (void)h->config_number(h->ctx, "jobs", &jobs);
    (void)h->config_number(h->ctx, "memory", &memory);
    (void)h->config_number(h->ctx, "fail_fast", &fail_fast);
    record_line(to, "snsnnn", "batch", (int64_t)1, run ? run : "", jobs, memory,
                fail_fast);
}

static void answer_all(const struct batch *b, const struct repx_submit_sink *sink)
{
    for (uint64_t i = 0; i < b->count; i++) {
        REPX_AUTO_FREE char *id =
            repx_format("l%s-%llu", b->tail, (unsigned long long)i);
        if (b->refused[i]) {
            sink->answer(sink->ctx, i, REPX_SUBMIT_REFUSED, NULL, b->refused[i]);
        } else {
            sink->answer(sink->ctx, i, REPX_SUBMIT_ACCEPTED, id, "");
        }
    }
}

int post_submit(struct post *p, const struct repx_unit *units, uint64_t count,
                uint64_t stride, const struct repx_submit_sink *sink,
                struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    struct batch b = {.units = units, .count = count, .stride = stride};
    char name[64];
    int rc = 0;

    request_name(name, &b.tail);
    b.keys = repx_array(count, sizeof(*b.keys));
    b.refused = repx_array(count, sizeof(*b.refused));
    for (uint64_t i = 0; i < count; i++)
        b.keys[i] = (struct by_key){repx_unit_at(units, i, stride)->key, i};
    qsort(b.keys, count, sizeof(*b.keys), key_order);
    put_head(p, &text);
    for (uint64_t i = 0; i < count; i++)
        put_unit(&b, i, &text);
    record_line(&text, "sn", "whole", (int64_t)b.taken);
    if (b.taken)
        rc = post(p, name, &text, err);
    if (rc == 0)
        answer_all(&b, sink);
    free(b.keys);
    free(b.refused);
    return rc;
}

/* ---- cancel and amend ---- */

int post_cancel(struct post *p, const char *const *ids, uint64_t count,
                struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    const char *tail;
    char name[64];

    if (count == 0)
        return 0;
    request_name(name, &tail);
    for (uint64_t i = 0; i < count; i++)
        record_line(&text, "ss", "cancel", ids[i]);
    record_line(&text, "sn", "whole", (int64_t)count);
    return post(p, name, &text, err);
}

int post_amend(struct post *p, const char *id, const struct repx_dep *deps,
               uint64_t count, uint64_t stride, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    const char *tail;
    char name[64];

    request_name(name, &tail);
    repx_buf_str(&text, "amend\t");
    repx_buf_str(&text, id);
    for (uint64_t i = 0; i < count; i++) {
        const struct repx_dep *d = repx_dep_at(deps, i, stride);
        if (!d->id || strpbrk(d->id, "\t\n\\") || strpbrk(id, "\t\n\\"))
            return repx_fail(err, REPX_E_USAGE, "amend: dependencies are ids of units");
        repx_buf_fmt(&text, "\t%u\t%s", d->type, d->id);
    }
    if (count > (RECORD_FIELDS - 2) / 2) {
        return repx_fail(err, REPX_E_USAGE, "amend: at most %d dependencies",
                         (RECORD_FIELDS - 2) / 2);
    }
    repx_buf_char(&text, '\n');
    record_line(&text, "sn", "whole", (int64_t)1);
    return post(p, name, &text, err);
}

/* ---- status and find ---- */

/* Read all, and see to it that unfinished work has a queue. */
static int look(struct post *p, struct q_model *m, struct repx_err *err)
{
    size_t left = 0;

    if (model_read(m, p->dir, err) < 0)
        return -1;
    for (size_t i = 0; i < m->unit_count; i++)
        left += m->units[i].left;
    return left ? queue_start(p->dir, p->path, err) : 0;
}

static void tell(const struct q_unit *u, int64_t index, const struct q_index *x,
                 const struct repx_status_sink *sink)
{
    const struct repx_status row = {
        .size = sizeof(row),
        .id = u->id,
        .key = u->key,
        .index = index,
        .state = x->state,
        .exit =
            x->state == REPX_STATE_FAILED || x->state == REPX_STATE_DONE ? x->exit : -1,
        .reason = u->reason ? u->reason : "",
        .node = "",
    };

    sink->row(sink->ctx, &row);
}

/* A row for each index, but one for all of an array that wait. */
static void tell_unit(const struct q_unit *u, const struct repx_status_sink *sink)
{
    static const struct q_index pending = {.state = REPX_STATE_PENDING};
    int waits = 0;

    for (size_t k = 0; k < u->count; k++) {
        int apart = !u->is_array || u->index[k].state != REPX_STATE_PENDING;
        if (apart)
            tell(u, u->is_array ? (int64_t)k : -1, u->index + k, sink);
        waits |= !apart;
    }
    if (waits)
        tell(u, -1, &pending, sink);
}

int post_status(struct post *p, const struct repx_status_sink *sink,
                struct repx_err *err)
{
    struct q_model m = {0};
    int rc = look(p, &m, err);

    for (size_t i = 0; rc == 0 && i < m.unit_count; i++)
        tell_unit(m.units + i, sink);
    model_finish(&m);
    return rc;
}

/* One state for a whole unit. */
static uint32_t state_of(const struct q_unit *u)
{
    uint32_t worst = REPX_STATE_DONE;
    int started = 0;

    for (size_t i = 0; i < u->count; i++) {
        uint8_t s = u->index[i].state;
        started |= s != REPX_STATE_PENDING;
        if (state_ended(s) && s > worst)
            worst = s;
    }
    if (u->left)
        return started ? REPX_STATE_RUNNING : REPX_STATE_PENDING;
    return worst;
}

int post_find(struct post *p, const char *const *keys, uint64_t count,
              const struct repx_found_sink *sink, struct repx_err *err)
{
    struct q_model m = {0};
    struct by_key *sorted = repx_array(count, sizeof(*sorted));
    int rc = look(p, &m, err);

    for (uint64_t i = 0; i < count; i++)
        sorted[i] = (struct by_key){keys[i], i};
    qsort(sorted, count, sizeof(*sorted), key_order);
    for (size_t i = 0; rc == 0 && i < m.unit_count; i++) {
        struct by_key want = {m.units[i].key, 0};
        if (bsearch(&want, sorted, count, sizeof(want), key_order)) {
            sink->found(sink->ctx, m.units[i].key, m.units[i].id,
                        state_of(m.units + i));
        }
    }
    free(sorted);
    model_finish(&m);
    return rc;
}
