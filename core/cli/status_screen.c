/* SPDX-License-Identifier: MIT */
#include "status_screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "cli.h"
#include "core/json/json.h"

const char *status_time(int64_t ms, char *buf, size_t n)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    if (!localtime_r(&t, &tm) || !strftime(buf, n, "%Y-%m-%d %H:%M:%S", &tm))
        (void)snprintf(buf, n, "?");
    return buf;
}

const char *status_waiting(const char *word)
{
    static const struct {
        const char *word, *means;
    } words[] = {
        {"Resources", "for free nodes"},
        {"Priority", "behind jobs of higher priority"},
        {"Dependency", "for other jobs"},
        {"dependency", "for other jobs"},
        {"DependencyNeverSatisfied", "for a job that failed: it will never start"},
        {"JobHeldUser", "held by its user"},
        {"requeued", "again, put back into the queue"},
        {"preempted", "again, preempted by a job of higher priority"},
        {"node failure", "again, since its node failed"},
        {"JobHeldAdmin", "held by an administrator"},
        {"BeginTime", "until its begin time (or after a requeue)"},
        {"JobArrayTaskLimit", "for other indices of its array"},
        {"PartitionDown", "the partition is down"},
        {"PartitionInactive", "the partition is inactive"},
        {"PartitionTimeLimit", "it asks for more time than the partition allows"},
        {"PartitionNodeLimit", "it asks for more nodes than the partition has"},
        {"ReqNodeNotAvail", "for nodes that are not available now"},
        {"NodeDown", "for a node that is down"},
        {"Licenses", "for licenses"},
        {"Reservation", "for its reservation"},
        {"QOSMaxJobsPerUserLimit", "the QOS allows no more jobs at a time"},
        {"AssocMaxJobsLimit", "the account allows no more jobs at a time"},
        {"AssocGrpCpuLimit", "the account's CPUs are in use"},
        {"AssocGrpMemLimit", "the account's memory is in use"},
        {"launch failed requeued held", "held: it could not be started"},
        {"waiting", "for its turn"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].word, word) == 0)
            return words[i].means;
    }
    return NULL;
}

/* "3 succeeded, 1 failed" without what is zero. */
static void put_counts(const struct json *run, struct repx_buf *to)
{
    const struct json *states = json_get(run, "states");
    size_t start = to->len;

    for (const struct json *s = json_first(states); s; s = json_next(s)) {
        long long n = (long long)json_int(s, 0);
        if (n) {
            repx_buf_fmt(to, "%s%lld %s", to->len > start ? ", " : "", n,
                         strcmp(json_key(s), "unsubmitted") == 0 ? "not submitted"
                                                                 : json_key(s));
        }
    }
    if (to->len == start)
        repx_buf_str(to, "no jobs");
}

static void put_specs(const struct json *run, struct repx_buf *to)
{
    for (const struct json *s = json_first(json_get(run, "specs")); s;
         s = json_next(s)) {
        REPX_AUTO_FREE char *text =
            repx_printable_line(json_string(s) ? json_string(s) : "");
        if (to->len > 200) {
            repx_buf_str(to, " ...");
            return;
        }
        repx_buf_fmt(to, "%s%s", to->len ? " " : "", text);
    }
}

void status_say_run(const struct json *run)
{
    REPX_AUTO_BUF struct repx_buf specs = {0};
    REPX_AUTO_BUF struct repx_buf counts = {0};
    char when[32];

    if (json_string(json_get(run, "error"))) {
        REPX_AUTO_FREE char *why =
            repx_printable_line(json_get_string(run, "error", ""));
        ui_say("%s  cannot be read: %s", json_get_string(run, "run", ""), why);
        return;
    }
    REPX_AUTO_FREE char *user = repx_printable_line(json_get_string(run, "user", ""));
    REPX_AUTO_FREE char *host = repx_printable_line(json_get_string(run, "host", ""));
    REPX_AUTO_FREE char *lab = repx_printable_line(json_get_string(run, "lab", ""));
    put_specs(run, &specs);
    put_counts(run, &counts);
    ui_say("%s  %s  %s@%s  %s: %s", json_get_string(run, "run", ""),
           status_time(json_get_int(run, "t", 0), when, sizeof(when)), user, host,
           json_get_string(run, "scheduler", ""), repx_buf_text(&specs));
    ui_say("    %s%s: %s",
           json_is_true(json_get(run, "cancelled")) ? "cancelled, " : "",
           json_is_true(json_get(run, "ended")) ? "ended" : "going on",
           repx_buf_text(&counts));
    if (*lab)
        ui_say("    Lab %.16s", lab);
}

void status_line(const struct json *run, struct repx_buf *to)
{
    REPX_AUTO_BUF struct repx_buf counts = {0};
    char when[32];

    put_counts(run, &counts);
    repx_buf_fmt(to, "%s  %s%s",
                 status_time(json_get_int(run, "now", 0), when, sizeof(when)),
                 repx_buf_text(&counts),
                 json_is_true(json_get(run, "ended")) ? "; all have ended" : "");
    /* the time of an unchanged state is no news */
    if (!json_is_true(json_get(run, "ended"))) {
        to->len = 0;
        repx_buf_fmt(to, "%s", repx_buf_text(&counts));
    }
}

/* ---- the screen ---- */

static void put_head(const struct json *run, struct repx_buf *to)
{
    REPX_AUTO_BUF struct repx_buf specs = {0};
    REPX_AUTO_FREE char *user = repx_printable_line(json_get_string(run, "user", ""));
    REPX_AUTO_FREE char *host = repx_printable_line(json_get_string(run, "host", ""));
    char when[32], age[32];
    int64_t t = json_get_int(run, "t", 0);

    put_specs(run, &specs);
    repx_buf_fmt(to, "Run %s (%s)\n", json_get_string(run, "run", ""),
                 repx_buf_text(&specs));
    repx_buf_fmt(to, "  submitted %s by %s@%s, %s ago, scheduler %s%s\n",
                 status_time(t, when, sizeof(when)), user, host,
                 ui_duration(json_get_int(run, "now", 0) - t, age, sizeof(age)),
                 json_get_string(run, "scheduler", ""),
                 json_is_true(json_get(run, "cancelled")) ? ", cancelled" : "");
}

static void put_rates(const struct json *run, struct repx_buf *to)
{
    const struct json *rates = json_get(run, "rates");
    const struct json *states = json_get(run, "states");
    int64_t left = json_get_int(states, "queued", 0) +
                   json_get_int(states, "running", 0) +
                   json_get_int(states, "unsubmitted", 0);
    int64_t one = json_get_int(rates, "ended_1min", 0),
            ten = json_get_int(rates, "ended_10min", 0);
    char text[32];

    repx_buf_fmt(to, "  Jobs: %lld", (long long)json_get_int(run, "count", 0));
    if (json_get_int(run, "complete_before", 0)) {
        repx_buf_fmt(to, " (%lld were complete before)",
                     (long long)json_get_int(run, "complete_before", 0));
    }
    repx_buf_str(to, ": ");
    put_counts(run, to);
    repx_buf_char(to, '\n');
    if (!ten)
        return;
    repx_buf_fmt(to, "  Rate: %lld ended in the last minute, %lld in ten",
                 (long long)one, (long long)ten);
    if (left && one) {
        repx_buf_fmt(to, "; about %s left at that rate",
                     ui_duration(left * 60000 / one, text, sizeof(text)));
    }
    repx_buf_char(to, '\n');
}

static void put_failures(const struct json *run, struct repx_buf *to)
{
    const struct json *first = json_first(json_get(run, "failed_first"));
    const struct json *kinds = json_get(run, "failures");
    char when[32];

    if (!first)
        return;
    repx_buf_str(to, "\nFailed:");
    for (const struct json *k = json_first(kinds); k; k = json_next(k)) {
        REPX_AUTO_FREE char *why = repx_printable_line(json_key(k));
        repx_buf_fmt(to, "%s %lld with \"%.80s\"", k == json_first(kinds) ? "" : ",",
                     (long long)json_int(k, 0), why);
    }
    repx_buf_str(to, "; first:\n");
    for (; first; first = json_next(first)) {
        REPX_AUTO_FREE char *why =
            repx_printable_line(json_get_string(first, "reason", ""));
        repx_buf_fmt(to, "  %s  %s: %.200s\n",
                     status_time(json_get_int(first, "t", 0), when, sizeof(when)),
                     json_get_string(first, "id", ""), why);
    }
}

static void put_purged(const struct json *run, struct repx_buf *to)
{
    const struct json *purged = json_get(run, "purged");
    int64_t count = json_get_int(purged, "count", 0);

    if (!count)
        return;
    repx_buf_fmt(to,
                 "\n%lld purged: succeeded, but their outputs are no longer what was "
                 "written down; `repx run` makes again what is needed:\n",
                 (long long)count);
    for (const struct json *id = json_first(json_get(purged, "first")); id;
         id = json_next(id)) {
        REPX_AUTO_FREE char *name = repx_printable_line(json_string(id));
        repx_buf_fmt(to, "  %s\n", name);
    }
}

static void put_blocked(const struct json *run, struct repx_buf *to)
{
    const struct json *by = json_first(json_get(run, "blocked_by"));
    const struct json *never = json_get(run, "never_satisfied");

    if (!by && !json_get_int(never, "count", 0))
        return;
    repx_buf_str(to, "\nBlocked:\n");
    if (json_get_int(never, "count", 0)) {
        repx_buf_fmt(to, "  %lld by a dependency never satisfied, the first: %s\n",
                     (long long)json_get_int(never, "count", 0),
                     json_get_string(json_get(never, "first"), "id", ""));
    }
    for (; by; by = json_next(by)) {
        repx_buf_fmt(to, "  %lld by %s\n", (long long)json_get_int(by, "blocks", 0),
                     json_get_string(by, "id", ""));
    }
}

static void put_oldest(const struct json *run, struct repx_buf *to)
{
    const struct json *job = json_first(json_get(run, "oldest_running"));
    char age[32];

    if (!job)
        return;
    repx_buf_str(to, "\nRunning longest:\n");
    for (; job; job = json_next(job)) {
        repx_buf_fmt(
            to, "  %s for %s\n", json_get_string(job, "id", ""),
            ui_duration(json_get_int(run, "now", 0) - json_get_int(job, "since", 0),
                        age, sizeof(age)));
    }
}

static void put_waiting(const struct json *run, struct repx_buf *to)
{
    int64_t asked = json_get_int(run, "queue_t", 0),
            gone = json_get_int(run, "gone", 0);
    const struct json *why = json_first(json_get(run, "waiting"));
    const char *error = json_string(json_get(run, "queue_error"));
    char age[32];

    if (why) {
        repx_buf_fmt(
            to, "\nWaiting, as the scheduler said %s ago:\n",
            ui_duration(json_get_int(run, "now", 0) - asked, age, sizeof(age)));
    }
    for (; why; why = json_next(why)) {
        REPX_AUTO_FREE char *word = repx_printable_line(json_key(why));
        const char *means = status_waiting(word);
        repx_buf_fmt(to, "  %lld %s%s%s%s\n", (long long)json_int(why, 0),
                     means ? means : word, means ? " (" : "", means ? word : "",
                     means ? ")" : "");
    }
    if (gone) {
        repx_buf_fmt(to,
                     "\n%lld jobs have left the queue without a record of their end; "
                     "it is awaited for up to two minutes\n",
                     (long long)gone);
    }
    if (error) {
        REPX_AUTO_FREE char *text = repx_printable_line(error);
        repx_buf_fmt(to, "\nThe scheduler could not be asked just now: %.300s\n", text);
    }
    if (json_get_int(run, "queue_next_ms", 0) > 0) {
        repx_buf_fmt(
            to,
            "\nThe budget of scheduler calls is used up: asked again in %s at "
            "the earliest (`repx stats`)\n",
            ui_duration(json_get_int(run, "queue_next_ms", 0), age, sizeof(age)));
    }
}

static void put_room(const struct json *run, struct repx_buf *to)
{
    const struct json *room = json_get(run, "room");
    const char *said = json_string(json_get(room, "reason"));

    if (json_get_int(room, "jobs", 0) <= 0)
        return;
    REPX_AUTO_FREE char *why = repx_printable_line(said ? said : "");
    repx_buf_fmt(to, "\n%lld jobs wait for room in the scheduler%s%.300s\n",
                 (long long)json_get_int(room, "jobs", 0), *why ? ": " : "", why);
    repx_buf_str(to, json_is_true(json_get(room, "needs_client"))
                         ? "Jobs may not submit jobs there: `repx attach` goes on\n"
                         : "Jobs that end hand them over\n");
}

void status_screen(const struct json *run, struct repx_buf *to)
{
    put_head(run, to);
    put_rates(run, to);
    put_failures(run, to);
    put_purged(run, to);
    put_blocked(run, to);
    put_oldest(run, to);
    put_waiting(run, to);
    put_room(run, to);
    if (json_is_true(json_get(run, "ended")))
        repx_buf_str(to, "\nAll jobs have ended.\n");
}

/* Bytes of a line that fit into so many columns, a character taken for one column. */
static size_t fitting(const char *line, size_t n, size_t columns)
{
    size_t at = 0;

    for (size_t used = 0; at < n; at++) {
        if (((unsigned char)line[at] & 0xc0) != 0x80 && used++ == columns)
            break;
    }
    return at;
}

void status_draw(const struct repx_buf *screen, size_t *drawn, int last)
{
    REPX_AUTO_FREE char *text = repx_strdup(repx_buf_text(screen));
    size_t lines = 0, rows = 24, columns = 80;

    repx_printable(text, "\n");
    ui_flush();
    (void)ui_screen(&rows, &columns);
    if (*drawn)
        printf("\033[%zuA", *drawn);
    (void)fputs("\r", stdout);
    for (const char *at = text; *at; lines++) {
        size_t n = strcspn(at, "\n");
        /* what is drawn over again must neither wrap nor leave the terminal */
        int more = !last && lines + 2 >= rows && at[n] && at[n + 1];
        if (more) {
            (void)fputs("...\033[K\n", stdout);
            lines++;
            break;
        }
        printf("%.*s\033[K\n", (int)(last ? n : fitting(at, n, columns)), at);
        at += n + (at[n] == '\n');
    }
    (void)fputs("\033[J", stdout);
    (void)fflush(stdout);
    *drawn = lines;
}
