/* SPDX-License-Identifier: MIT */
/* scheduler_fault.c: a batch system that answers late, twice, wrongly or not at all. What
 * it really did is known here, and compared with what the helper says. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "batch.h"
#include "trial.h"

#define HANG_S 1   /* for a call that meets what never ends */
#define FAULT_S 20 /* and for other faults */

static int limit_of(const char *kind)
{
    return strcmp(kind, "hang") == 0 || strcmp(kind, "late") == 0 ? HANG_S : FAULT_S;
}

/* ---- submit ---- */

static const struct {
    const char *kind, *sentence;
    int happens;         /* the job is made all the same */
    const char *allowed; /* results */
} submits[] = {
    {"late", "submit that is done but never answered", 1, "perhaps accepted"},
    {"lost", "submit whose answer was lost", 1, "perhaps accepted"},
    {"garbage", "submit that is answered with garbage", 1, "perhaps accepted"},
    {"twice", "submit that is answered twice", 1, "accepted"},
    {"hang", "submit that hangs", 0, "perhaps room"},
    {"down", "submit while its server is down", 0, "perhaps room"},
    {"room", "submit that is refused for room", 0, "room"},
    {"refused", "submit that is refused for good", 0, "refused"},
};

/* Does the id have that number? "12", "12.server", "12[].server" */
static int id_is(const char *id, int64_t number)
{
    return id && strtoll(id, NULL, 10) == number;
}

static void one_submit_fault(struct trial *t, size_t i)
{
    REPX_AUTO_FREE char *fault = repx_format("submit %s 1\n", submits[i].kind);
    struct repx_buf units REPX_AUTO_BUF = {0};
    char key[KEY_LEN + 1];
    int64_t before = batch_jobs(t->c);

    trial_key(t, key);
    trial_put(t, &units, key, "sleep 1", "");
    REPX_AUTO_FREE char *members = repx_format("\"units\":[%s]", repx_buf_text(&units));
    batch_fault(t->c, fault);
    int rc = helper_call(&t->h, "submit", members, limit_of(submits[i].kind));
    const char *result = helper_text(&t->h, 0, "result");
    int told = t->h.is_clean && t->h.count == 1 && *result &&
               strstr(submits[i].allowed, result) != NULL;
    (void)check(rc == 0 && told &&
                    t->h.ms < (limit_of(submits[i].kind) + 5) * INT64_C(1000),
                "%s is answered as %s, was \"%s\" (status %d)", submits[i].sentence,
                submits[i].allowed, result, rc);
    if (strcmp(submits[i].kind, "refused") == 0)
        (void)check(*helper_text(&t->h, 0, "text"), "and says why");
    int right = strcmp(result, "accepted") != 0 ||
                id_is(helper_text(&t->h, 0, "id"), before + 1);
    batch_fault(t->c, "");
    int64_t made = batch_jobs(t->c) - before;
    (void)check(right && made == submits[i].happens,
                "%s: %d unit is made, and no other id is told", submits[i].sentence,
                submits[i].happens);
    REPX_AUTO_FREE char *id = trial_find(t, key);
    (void)check(t->h.status == 0 &&
                    (submits[i].happens ? id_is(id, before + 1) : id == NULL),
                "%s: find %s afterwards", submits[i].sentence,
                submits[i].happens ? "knows it" : "knows nothing of it");
}

/* ---- questions ---- */

static const char *const questions[] = {"hang", "down", "garbage", "cut", "lost"};

/* Both units are in the answer, each in some row with its key. */
static int has_both(const struct helper *h, const char *a, const char *b)
{
    int got = 0;

    for (size_t i = 0; i < h->count; i++) {
        got |= strcmp(helper_text(h, i, "key"), a) == 0 ? 1 : 0;
        got |= strcmp(helper_text(h, i, "key"), b) == 0 ? 2 : 0;
    }
    return got == 3;
}

/* An error, or all that there is: never less without a word. */
static void one_question(struct trial *t, const char *kind, const char *verb,
                         const char *const keys[2])
{
    REPX_AUTO_FREE char *fault = repx_format("query %s 9\nhistory %s 9\n", kind, kind);
    REPX_AUTO_FREE char *members =
        strcmp(verb, "find") == 0
            ? repx_format("\"keys\":[\"%s\",\"%s\"]", keys[0], keys[1])
            : repx_strdup("");

    batch_fault(t->c, fault);
    int rc = helper_call(&t->h, verb, members, limit_of(kind));
    batch_fault(t->c, "");
    int failed = rc == 1 && t->h.is_clean && helper_error(&t->h) > 0;
    (void)check(failed || (rc == 0 && has_both(&t->h, keys[0], keys[1])),
                "%s, where the answer is %s: an error, or all that there is (status "
                "%d, %zu lines)",
                verb, kind, rc, t->h.count);
}

static void question_faults(struct trial *t, const char *const keys[2])
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        one_question(t, questions[i], "status", keys);
        one_question(t, questions[i], "find", keys);
    }
    (void)check(!batch_hangs(t->c),
                "a helper that gives up takes the command that hangs with it");
    REPX_AUTO_FREE char *members =
        repx_format("\"keys\":[\"%s\",\"%s\"]", keys[0], keys[1]);
    batch_fault(t->c, "query twice 1\n");
    int rc = helper_call(&t->h, "find", members, CALL_S);
    (void)check((rc == 1 && helper_error(&t->h) > 0) ||
                    (rc == 0 && t->h.count == 2 && has_both(&t->h, keys[0], keys[1])),
                "find that is answered twice is an error, or tells each key once: %zu "
                "lines",
                t->h.count);
    batch_fault(t->c, "");
}

/* ---- orders ---- */

static void order_faults(struct trial *t, const char *id)
{
    static const char *const kinds[] = {"down", "hang"};
    REPX_AUTO_FREE char *cancel = repx_format("\"ids\":[\"%s\"]", id);
    REPX_AUTO_FREE char *amend = repx_format("\"id\":\"%s\",\"deps\":[]", id);

    for (size_t i = 0; i < 2; i++) {
        REPX_AUTO_FREE char *fault =
            repx_format("cancel %s 1\namend %s 1\n", kinds[i], kinds[i]);
        batch_fault(t->c, fault);
        int rc = helper_call(&t->h, "cancel", cancel, limit_of(kinds[i]));
        (void)check(rc == 1 && helper_error(&t->h) > 0,
                    "cancel, where the answer is %s: an error, was status %d", kinds[i],
                    rc);
        rc = helper_call(&t->h, "amend", amend, limit_of(kinds[i]));
        (void)check(rc == 1 && helper_error(&t->h) > 0,
                    "amend, where the answer is %s: an error, was status %d", kinds[i],
                    rc);
    }
    batch_fault(t->c, "");
}

/* ---- what has left the queue ---- */

static void forgotten(struct trial *t)
{
    char key[KEY_LEN + 1];

    trial_key(t, key);
    REPX_AUTO_FREE char *id = trial_submit_one(t, key, "echo >ran", "");
    if (!check(id && trial_wait(t, key, "ran"), "a short unit runs"))
        return;
    (void)poll(NULL, 0, 500);
    batch_forget(t->c, 1);
    const char *state = trial_state(t, id, -1, NULL);
    (void)check(!*state || !trial_is_open(state),
                "one that left the queue is not told as waiting or running: \"%s\"",
                state);
    REPX_AUTO_FREE char *found = trial_find(t, key);
    (void)check(t->h.status == 0, "find of it is no error");
    if (!found)
        untested("a unit that left the queue before find was asked: not remembered");
    batch_forget(t->c, 0);
}

void scheduler_faults(struct conform *c)
{
    struct trial t = {.c = c, .serial = 500000};
    struct repx_err err = {0};
    char one[KEY_LEN + 1], two[KEY_LEN + 1];
    const char *const keys[2] = {one, two};

    if (!check(helper_open(&t.h, c, &err) == 0, "its helper is there %s", err.text))
        return;
    for (size_t i = 0; i < sizeof(submits) / sizeof(submits[0]); i++)
        one_submit_fault(&t, i);
    trial_key(&t, one);
    trial_key(&t, two);
    REPX_AUTO_FREE char *first = trial_submit_one(&t, one, "sleep 300", "");
    REPX_AUTO_FREE char *second = trial_submit_one(&t, two, "sleep 300", "");
    if (check(first && second, "two long units are accepted")) {
        question_faults(&t, keys);
        order_faults(&t, second);
    }
    forgotten(&t);
    helper_close(&t.h);
}
