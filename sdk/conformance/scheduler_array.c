/* SPDX-License-Identifier: MIT */
/* scheduler_array.c: arrays that others depend on, and single indices. */
#include <poll.h>

#include <kit/alloc.h>

#include "trial.h"

#define A_MOMENT_MS 1000

static int limit_is(struct trial *t, const char *name, int64_t value)
{
    return helper_call(&t->h, "limits", "", CALL_S) == 0 &&
           helper_number(&t->h, 0, name, -1) == value;
}

/* Index by index: index 1 of three fails. */
static void corresponding(struct trial *t)
{
    char a[KEY_LEN + 1], b[KEY_LEN + 1], all[KEY_LEN + 1];
    struct repx_buf units REPX_AUTO_BUF = {0};

    trial_key(t, a);
    trial_key(t, b);
    trial_key(t, all);
    REPX_AUTO_FREE char *corr =
        repx_format(",\"array\":3,\"deps\":[{\"type\":\"corr\",\"key\":\"%s\"}]", a);
    REPX_AUTO_FREE char *ok =
        repx_format(",\"deps\":[{\"type\":\"ok\",\"key\":\"%s\"}]", a);
    trial_put(t, &units, a, "test $REPX_INDEX -ne 1", ",\"array\":3");
    repx_buf_char(&units, ',');
    trial_put(t, &units, b, "echo >ran.$REPX_INDEX", corr);
    repx_buf_char(&units, ',');
    trial_put(t, &units, all, "echo >ran", ok);
    int rc = trial_submit(t, &units);
    (void)check(rc == 0 && t->h.count == 3,
                "arrays that depend on arrays are answered");
    (void)check(trial_wait(t, b, "ran.0") && trial_wait(t, b, "ran.2"),
                "type corr: an index runs after its index");
    (void)poll(NULL, 0, A_MOMENT_MS);
    (void)check(!trial_has(t, b, "ran.1"),
                "type corr: an index whose index failed never runs");
    (void)check(!trial_has(t, all, "ran"),
                "type ok never runs after an array of which one index failed");
}

static char *after(struct trial *t, const char *id, int index, char key[KEY_LEN + 1])
{
    REPX_AUTO_FREE char *more =
        repx_format(",\"deps\":[{\"type\":\"ok\",\"id\":\"%s_%d\"}]", id, index);

    trial_key(t, key);
    return trial_submit_one(t, key, "echo >ran", more);
}

/* "ID_INDEX" names one index, where limits says so. */
static void single_indices(struct trial *t)
{
    char key[KEY_LEN + 1], good[KEY_LEN + 1], bad[KEY_LEN + 1];

    if (!limit_is(t, "index_ids", 1)) {
        untested("ID_INDEX in dependencies and cancel: index_ids is not 1");
        return;
    }
    trial_key(t, key);
    REPX_AUTO_FREE char *id = trial_submit_one(
        t, key,
        "echo >began.$REPX_INDEX; test $REPX_INDEX -ne 2 || sleep 300; "
        "test $REPX_INDEX -eq 0; s=$?; echo >ended.$REPX_INDEX; exit $s",
        ",\"array\":3");
    if (!check(id != NULL, "an array of 3 is accepted"))
        return;
    REPX_AUTO_FREE char *on_good = after(t, id, 0, good);
    REPX_AUTO_FREE char *on_bad = after(t, id, 1, bad);
    (void)check(on_good && on_bad, "units that depend on one index are accepted");
    (void)trial_wait(t, key, "began.2");
    REPX_AUTO_FREE char *cancel = repx_format("\"ids\":[\"%s_2\"]", id);
    (void)check(helper_call(&t->h, "cancel", cancel, CALL_S) == 0,
                "one index of an array is cancelled");
    const char *state = trial_end(t, id, 2, NULL);
    (void)check(!trial_is_open(state) && !trial_has(t, key, "ended.2") &&
                    trial_has(t, key, "ended.0") && trial_has(t, key, "ended.1"),
                "it ends (\"%s\"), the others were left alone", state);
    (void)check(trial_wait(t, good, "ran"),
                "a unit runs after one index that ended well");
    (void)poll(NULL, 0, A_MOMENT_MS);
    (void)check(!trial_has(t, bad, "ran"),
                "and never after one index that did not, whatever the others did");
}

void scheduler_arrays(struct trial *t)
{
    if (limit_is(t, "array_max", 0)) {
        untested("arrays: array_max is 0");
        return;
    }
    corresponding(t);
    single_indices(t);
}
