/* SPDX-License-Identifier: MIT */
/* call_stats.c: V_STATS, what the scheduler was asked, and what it may be asked now. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/call_log.h"
#include "core/agent/follow.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define VERBS_MAX 32
#define TIMES_MAX 4096 /* latencies kept of each verb */

struct verb_told {
    char *name;
    int64_t calls, commands, failed, timed_out, most;
    int64_t *times;
    size_t count;
};

struct told {
    struct verb_told verbs[VERBS_MAX];
    size_t count;
    json_t *commands; /* name -> {n, ms, bytes} */
    int64_t since;
};

static struct verb_told *verb_of(struct told *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->verbs[i].name, name) == 0)
            return t->verbs + i;
    }
    if (t->count == VERBS_MAX)
        return NULL;
    t->verbs[t->count] = (struct verb_told){.name = repx_strdup(name)};
    t->verbs[t->count].times = repx_array(TIMES_MAX, sizeof(int64_t));
    return t->verbs + t->count++;
}

static void add_commands(struct told *t, const json_t *commands)
{
    static const char *const keys[] = {"n", "ms", "bytes"};
    const char *name;
    json_t *one;

    json_object_foreach((json_t *)(uintptr_t)commands, name, one)
    {
        json_t *sum = json_object_get(t->commands, name);
        if (!sum && json_object_size(t->commands) >= VERBS_MAX)
            continue;
        if (!sum) {
            sum = json_object();
            (void)json_object_set_new(t->commands, name, sum);
        }
        for (size_t k = 0; k < 3; k++) {
            int64_t n = state_int(sum, keys[k], 0) + state_int(one, keys[k], 0);
            (void)json_object_set_new(sum, keys[k], json_integer((json_int_t)n));
        }
    }
}

static void on_record(void *ctx, const json_t *record)
{
    struct told *t = ctx;
    struct verb_told *v = verb_of(t, state_text(record, "verb", "?"));
    const char *was = state_text(record, "was", "");
    int64_t ms = state_int(record, "ms", 0), at = state_int(record, "t", 0);

    add_commands(t, json_object_get(record, "commands"));
    t->since = !t->since || at < t->since ? at : t->since;
    if (!v)
        return;
    v->times[v->calls % TIMES_MAX] = ms;
    v->calls++;
    v->count = v->calls < TIMES_MAX ? (size_t)v->calls : TIMES_MAX;
    v->commands += call_log_cost(record);
    v->failed += strcmp(was, "failed") == 0;
    v->timed_out += strcmp(was, "timed out") == 0;
    v->most = ms > v->most ? ms : v->most;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static json_t *verb_json(struct verb_told *v)
{
    qsort(v->times, v->count, sizeof(*v->times), by_size);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "calls", (json_int_t)v->calls,
                     "commands", (json_int_t)v->commands, "failed",
                     (json_int_t)v->failed, "timed_out", (json_int_t)v->timed_out,
                     "ms_median", (json_int_t)v->times[v->count / 2], "ms_max",
                     (json_int_t)v->most);
}

static json_t *budget_json(const struct budget *b)
{
    return json_pack("{s:i,s:I,s:I,s:I,s:i}", "burst", BUDGET_BURST, "every_ms",
                     (json_int_t)b->every_ms, "left", (json_int_t)b->left, "wait_ms",
                     (json_int_t)b->wait_ms, "slowed", b->level);
}

static int tell(struct site *site, const char *scheduler, int out, struct repx_err *err)
{
    struct told t = {.commands = json_object()};
    json_t *verbs = json_object();

    call_log_read(site, scheduler, 0, on_record, &t);
    struct budget b = call_log_budget(site, scheduler);
    for (size_t i = 0; i < t.count; i++) {
        (void)json_object_set_new(verbs, t.verbs[i].name, verb_json(t.verbs + i));
        free(t.verbs[i].times);
        free(t.verbs[i].name);
    }
    json_t *j = json_pack("{s:i,s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "v", 1, "scheduler",
                          scheduler, "now", (json_int_t)state_now_ms(), "since",
                          (json_int_t)t.since, "last_1min", (json_int_t)b.minute,
                          "last_10min", (json_int_t)b.ten, "budget", budget_json(&b),
                          "verbs", verbs, "commands", t.commands);
    return follow_line(out, j, err);
}

int call_stats(struct site *site, int out, struct repx_err *err)
{
    int fd = openat(site->state_fd, "calls", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;

    if (!d) {
        repx_close_fd(&fd);
        return 0; /* no scheduler was ever asked */
    }
    for (const struct dirent *e = readdir(d); rc == 0 && e; e = readdir(d)) {
        if (state_name_ok(e->d_name))
            rc = tell(site, e->d_name, out, err);
    }
    (void)closedir(d);
    return rc;
}
