/* SPDX-License-Identifier: MIT */
/* scheduler.c: every promise of repx/scheduler.h and of the verb protocol, asked of the
 * helper as the agent asks it. Units really run: each writes a file below the scratch
 * directory, so that what the scheduler says can be compared with what happened. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "trial.h"

/* ---- the protocol ---- */

static void requests_that_are_none(struct trial *t)
{
    static const struct {
        const char *what, *input;
    } bad[] = {
        {"nothing", ""},
        {"garbage", "\x01\xff{{{"},
        {"another version", "{\"v\":99}"},
        {"no version", "{}"},
        {"a list", "[1]"},
        {"units that are none", "{\"v\":1,\"units\":[{\"key\":\"../../x\"}]}"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc =
            helper_raw(&t->h, "submit", bad[i].input, strlen(bad[i].input), CALL_S);
        (void)check(rc == 1 && t->h.is_clean && helper_error(&t->h) > 0,
                    "submit of %s: status 1 and one line that says why, was status %d",
                    bad[i].what, rc);
    }
    size_t n = 200000;
    REPX_AUTO_FREE char *deep = repx_alloc(n + 1);
    memset(deep, '[', n);
    int rc = helper_raw(&t->h, "status", deep, n, CALL_S);
    (void)check(rc == 1 && helper_error(&t->h) > 0, "a deep nest is refused");
    rc = helper_raw(&t->h, "dance", "{\"v\":1}", 7, CALL_S);
    (void)check(rc == 2, "an unknown verb is status 2, was %d", rc);
}

static void answers_without_units(struct trial *t)
{
    int rc = helper_call(&t->h, "status", "", CALL_S);

    (void)check(rc == 0 && t->h.is_clean, "status answers, with rows or none");
    rc = helper_call(&t->h, "find", "\"keys\":[\"kconformnobodyhasthisone\"]", CALL_S);
    (void)check(rc == 0 && t->h.count == 0, "a key that nobody has gets no answer");
    rc = helper_call(&t->h, "find", "\"keys\":[]", CALL_S);
    (void)check(rc == 0 && t->h.count == 0, "no keys, no answer");
    rc = helper_call(&t->h, "cancel", "\"ids\":[]", CALL_S);
    (void)check(rc == 0, "cancel of nothing is no error");
}

/* ---- units run ---- */

static void one_unit(struct trial *t)
{
    char key[KEY_LEN + 1];
    int64_t exit = -1;

    trial_key(t, key);
    REPX_AUTO_FREE char *id = trial_submit_one(
        t, key, "printf '%s' \"$REPX_UNIT\" >unit; pwd >here; sleep 2", "");
    (void)check(id && id[0], "a unit is accepted and has an id");
    if (!id || !id[0])
        return;
    (void)check(trial_found_as(t, key, id),
                "find knows its key at once, with the same id");
    (void)check(trial_is_open(trial_state(t, id, -1, NULL)),
                "status has it as pending or running");
    int ran = trial_wait(t, key, "here");
    (void)check(ran, "it runs in its working directory");
    const char *state = trial_end(t, id, -1, &exit);
    (void)check(strcmp(state, "done") == 0 || strcmp(state, "ended") == 0 || !*state,
                "it ends as done, was \"%s\"", state);
    REPX_AUTO_FREE char *path = repx_format("%s/sub/%s/unit", t->c->dir, key);
    REPX_AUTO_BUF struct repx_buf unit = {0};
    (void)repx_read_file(AT_FDCWD, path, 4096, &unit, NULL);
    (void)check(strcmp(repx_buf_text(&unit), id) == 0,
                "REPX_UNIT is its id: %s, was \"%s\"", id, repx_buf_text(&unit));
    trial_key(t, key);
    REPX_AUTO_FREE char *bad = trial_submit_one(t, key, "exit 7", "");
    state = bad ? trial_end(t, bad, -1, &exit) : "?";
    (void)check(!*state || strcmp(state, "ended") == 0 ||
                    (strcmp(state, "failed") == 0 && (exit == 7 || exit == -1)),
                "one that exits with 7 is failed: \"%s\", %lld", state,
                (long long)exit);
    REPX_AUTO_FREE char *members = repx_format("\"ids\":[\"%s\"]", id);
    (void)check(helper_call(&t->h, "cancel", members, CALL_S) == 0,
                "cancel of what ended already is no error");
}

static void an_array(struct trial *t)
{
    char key[KEY_LEN + 1];
    int all = 1;

    if (helper_call(&t->h, "limits", "", CALL_S) == 0 &&
        helper_number(&t->h, 0, "array_max", -1) == 0) {
        untested("arrays: array_max is 0");
        return;
    }
    trial_key(t, key);
    REPX_AUTO_FREE char *id = trial_submit_one(
        t, key, "echo >>\"index.$REPX_INDEX\"; test $REPX_INDEX -ne 3", ",\"array\":5");
    (void)check(id != NULL, "an array of 5 is accepted");
    for (int i = 0; id && i < 5; i++) {
        REPX_AUTO_FREE char *name = repx_format("index.%d", i);
        all &= trial_wait(t, key, name);
    }
    (void)check(id && all && !trial_has(t, key, "index.5"),
                "each of its indices 0 to 4 runs, with REPX_INDEX");
    const char *state = id ? trial_end(t, id, 3, NULL) : "?";
    (void)check(!*state || strcmp(state, "failed") == 0 || strcmp(state, "ended") == 0,
                "the index that fails is failed: \"%s\"", state);
}

static void dependencies(struct trial *t)
{
    char a[KEY_LEN + 1], b[KEY_LEN + 1], bad[KEY_LEN + 1], never[KEY_LEN + 1],
        any[KEY_LEN + 1];
    REPX_AUTO_BUF struct repx_buf units = {0};
    char *const keys[] = {a, b, bad, never, any};

    for (size_t i = 0; i < 5; i++)
        trial_key(t, keys[i]);
    REPX_AUTO_FREE char *after =
        repx_format("test -e ../%s/done && echo >ran || echo >early", a);
    REPX_AUTO_FREE char *on_a =
        repx_format(",\"deps\":[{\"type\":\"ok\",\"key\":\"%s\"}]", a);
    REPX_AUTO_FREE char *on_bad =
        repx_format(",\"deps\":[{\"type\":\"ok\",\"key\":\"%s\"}]", bad);
    REPX_AUTO_FREE char *any_bad =
        repx_format(",\"deps\":[{\"type\":\"any\",\"key\":\"%s\"}]", bad);
    trial_put(t, &units, a, "sleep 1; echo >done", "");
    repx_buf_char(&units, ',');
    trial_put(t, &units, b, after, on_a);
    repx_buf_char(&units, ',');
    trial_put(t, &units, bad, "sleep 1; exit 1", "");
    repx_buf_char(&units, ',');
    trial_put(t, &units, never, "echo >ran", on_bad);
    repx_buf_char(&units, ',');
    trial_put(t, &units, any, "echo >ran", any_bad);
    int rc = trial_submit(t, &units);
    int all = rc == 0 && t->h.count == 5;
    for (size_t i = 0; i < t->h.count; i++)
        all &= helper_number(&t->h, i, "i", -1) == (int64_t)i;
    (void)check(all,
                "a batch of five with dependencies is answered once each, in order");
    (void)check(trial_wait(t, b, "ran") && !trial_has(t, b, "early"),
                "a unit runs after the one it depends on by key");
    (void)check(trial_wait(t, any, "ran"), "type any runs after a failure");
    (void)poll(NULL, 0, 2000);
    (void)check(!trial_has(t, never, "ran"), "type ok never runs after a failure");
}

static void canceling(struct trial *t)
{
    char key[KEY_LEN + 1], waits[KEY_LEN + 1];

    trial_key(t, key);
    trial_key(t, waits);
    REPX_AUTO_FREE char *id =
        trial_submit_one(t, key, "echo >began; sleep 300; echo >ended", "");
    (void)check(id && trial_wait(t, key, "began"), "a long unit begins");
    if (!id)
        return;
    REPX_AUTO_FREE char *more =
        repx_format(",\"deps\":[{\"type\":\"ok\",\"id\":\"%s\"}]", id);
    REPX_AUTO_FREE char *second = trial_submit_one(t, waits, "echo >ran", more);
    REPX_AUTO_FREE char *amend =
        repx_format("\"id\":\"%s\",\"deps\":[]", second ? second : "");
    int rc = second ? helper_call(&t->h, "amend", amend, CALL_S) : -1;
    if (rc == 1 && helper_error(&t->h) == REPX_E_UNSUPPORTED) {
        untested("amend: not offered (scatter-gather needs it)");
    } else {
        (void)check(rc == 0 && trial_wait(t, waits, "ran"),
                    "amend: without its dependency a waiting unit runs");
    }
    REPX_AUTO_FREE char *members = repx_format("\"ids\":[\"%s\"]", id);
    rc = helper_call(&t->h, "cancel", members, CALL_S);
    const char *state = rc == 0 ? trial_end(t, id, -1, NULL) : "?";
    (void)check(!trial_is_open(state) && strcmp(state, "?") != 0 &&
                    !trial_has(t, key, "ended"),
                "cancel ends a running unit: \"%s\"", state);
}

/* ---- many ---- */

static int answered_once(const struct helper *h, size_t n)
{
    REPX_AUTO_FREE char *seen = repx_alloc(n);
    size_t accepted = 0;

    for (size_t i = 0; i < h->count; i++) {
        int64_t at = helper_number(h, i, "i", -1);
        if (at < 0 || (uint64_t)at >= n || seen[at]++)
            return 0;
        accepted += strcmp(helper_text(h, i, "result"), "accepted") == 0;
    }
    return h->count == n && accepted > 0;
}

static void a_large_batch(struct trial *t)
{
    REPX_AUTO_BUF struct repx_buf units = {0}, keys = {0};
    size_t n = t->c->batch;
    char key[KEY_LEN + 1];

    repx_buf_str(&keys, "\"keys\":[");
    for (size_t i = 0; i < n; i++) {
        trial_key(t, key);
        if (i)
            repx_buf_char(&units, ',');
        trial_put(t, &units, key, "true", "");
        repx_buf_fmt(&keys, "%s\"%s\"", i ? "," : "", key);
    }
    repx_buf_char(&keys, ']');
    REPX_AUTO_FREE char *members = repx_format("\"units\":[%s]", repx_buf_text(&units));
    int rc = helper_call(&t->h, "submit", members, 300);
    (void)check(rc == 0 && t->h.is_clean && answered_once(&t->h, n),
                "a batch of %zu is answered once each, in %lld ms", n,
                (long long)t->h.ms);
    size_t accepted = 0;
    for (size_t i = 0; i < t->h.count; i++)
        accepted += strcmp(helper_text(&t->h, i, "result"), "accepted") == 0;
    rc = helper_call(&t->h, "find", repx_buf_text(&keys), CALL_S);
    (void)check(rc == 0 && t->h.count == accepted,
                "find knows all %zu by one call: %zu, in %lld ms", accepted, t->h.count,
                (long long)t->h.ms);
}

/* What the test left at work does not outlive it. */
static void clear(struct trial *t)
{
    REPX_AUTO_BUF struct repx_buf ids = {0};
    size_t n = 0;

    if (helper_call(&t->h, "status", "", CALL_S) != 0)
        return;
    repx_buf_str(&ids, "\"ids\":[");
    for (size_t i = 0; i < t->h.count; i++) {
        if (!trial_is_open(helper_text(&t->h, i, "state")) ||
            strncmp(helper_text(&t->h, i, "key"), "kconform", 8) != 0)
            continue;
        repx_buf_str(&ids, n++ ? "," : "");
        json_put_string(&ids, helper_text(&t->h, i, "id"));
    }
    repx_buf_char(&ids, ']');
    if (n)
        (void)helper_call(&t->h, "cancel", repx_buf_text(&ids), CALL_S);
}

/* ---- the client's half ---- */

static void in_the_client(struct conform *c)
{
    const struct repx_scheduler_ops *ops = &c->plugin->ops.scheduler;
    const struct repx_resources none = {.size = sizeof(none),
                                        .cpus = REPX_UNSET,
                                        .memory = REPX_UNSET,
                                        .time = REPX_UNSET,
                                        .nodes = REPX_UNSET,
                                        .tasks = REPX_UNSET,
                                        .gpus = REPX_UNSET,
                                        .exclusive = REPX_UNSET};
    struct repx_err err = {0};
    void *self = NULL;

    if (!check(ops->open(&self, c->services, "", &err) == 0, "open in the client %s",
               err.text))
        return;
    (void)check(ops->check(self, &none, &err) == 0,
                "resources that are all unset are accepted %s", err.text);
    struct repx_resources odd = none;
    odd.cpus = odd.memory = -5;
    odd.gpus = INT64_MAX;
    odd.queue = "";
    int rc = ops->check(self, &odd, &err);
    (void)check(rc == 0 || err.text[0],
                "odd resources are taken, or refused with a reason");
    ops->close(self);
}

static void units(struct trial *t)
{
    requests_that_are_none(t);
    answers_without_units(t);
    scheduler_limits(t);
    one_unit(t);
    an_array(t);
    dependencies(t);
    canceling(t);
    scheduler_arrays(t);
    scheduler_odd(t);
    a_large_batch(t);
}

void scheduler_checks(struct conform *c)
{
    struct trial t = {.c = c};
    struct repx_err err = {0};

    in_the_client(c);
    if (!check(helper_open(&t.h, c, &err) == 0, "its helper is there %s", err.text))
        return;
    (void)chmod(c->dir, 0755);
    if (part_wanted(c, "units"))
        units(&t);
    if (c->fake && part_wanted(c, "many"))
        scheduler_many(&t);
    clear(&t);
    helper_close(&t.h);
    if (!c->fake) {
        untested(
            "a scheduler that answers late, twice or not at all, a million rows, the "
            "end in the middle: needs --fake");
    }
}
