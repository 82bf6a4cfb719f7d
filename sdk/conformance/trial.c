/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

/* A key that no submission had. */
void trial_key(struct trial *t, char key[KEY_LEN + 1])
{
    (void)snprintf(key, KEY_LEN + 1, "kconform%08lx%010u", (unsigned long)getpid(),
                   t->serial++);
}

/* A unit as JSON: `script` is shell text. more: further members, each with its comma. */
void trial_put(struct trial *t, struct repx_buf *to, const char *key,
               const char *script, const char *more)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/sub/%s", t->c->dir, key);

    (void)repx_make_dirs(dir, 0755, NULL);
    repx_buf_fmt(to, "{\"key\":\"%s\",\"name\":\"%s\",\"workdir\":\"%s\",", key, key,
                 dir);
    repx_buf_str(to, "\"argv\":[\"/bin/sh\",\"-c\",");
    json_put_string(to, script);
    repx_buf_str(to, "],\"body\":");
    json_put_string(to, script);
    repx_buf_fmt(to, ",\"res\":{}%s}", more);
}

int trial_has(const struct trial *t, const char *key, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/sub/%s/%s", t->c->dir, key, name);

    return access(path, F_OK) == 0;
}

int trial_submit(struct trial *t, struct repx_buf *units)
{
    REPX_AUTO_FREE char *members = repx_format("\"units\":[%s]", repx_buf_text(units));
    int rc = helper_call(&t->h, "submit", members, CALL_S);

    units->len = 0;
    return rc == 0 && t->h.is_clean ? 0 : -1;
}

/* Submit one; its id (to be freed), or NULL. */
char *trial_submit_one(struct trial *t, const char *key, const char *script,
                       const char *more)
{
    REPX_AUTO_BUF struct repx_buf units = {0};

    trial_put(t, &units, key, script, more);
    if (trial_submit(t, &units) < 0 || t->h.count != 1 ||
        strcmp(helper_text(&t->h, 0, "result"), "accepted") != 0)
        return NULL;
    return repx_strdup(helper_text(&t->h, 0, "id"));
}

/* The state of an index in a status answer, -1 for no array; "" when there is no row. The
 * exit status goes to *exit (may be NULL). */
const char *trial_state(struct trial *t, const char *id, int64_t index, int64_t *exit)
{
    if (helper_call(&t->h, "status", "", CALL_S) != 0)
        return "?";
    for (size_t i = 0; i < t->h.count; i++) {
        if (strcmp(helper_text(&t->h, i, "id"), id) != 0)
            continue;
        int64_t at = helper_number(&t->h, i, "index", -1);
        if (at != index && at != -1)
            continue;
        if (exit)
            *exit = helper_number(&t->h, i, "exit", -1);
        return helper_text(&t->h, i, "state");
    }
    return "";
}

int trial_is_open(const char *state)
{
    return strcmp(state, "pending") == 0 || strcmp(state, "running") == 0;
}

/* Wait for its end; the last state is valid to the next call. */
const char *trial_end(struct trial *t, const char *id, int64_t index, int64_t *exit)
{
    const char *state = "";

    for (int i = 0; i < t->c->patience * 5; i++) {
        state = trial_state(t, id, index, exit);
        if (!trial_is_open(state) && strcmp(state, "?") != 0)
            return state;
        (void)poll(NULL, 0, 200);
    }
    return state;
}

int trial_wait(const struct trial *t, const char *key, const char *name)
{
    for (int i = 0; i < t->c->patience * 5; i++) {
        if (trial_has(t, key, name))
            return 1;
        (void)poll(NULL, 0, 200);
    }
    return 0;
}

static int is_state(const char *state)
{
    static const char *const states[] = {"pending", "running",  "done",
                                         "failed",  "canceled", "timeout",
                                         "memory",  "node",     "ended"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(states[i], state) == 0)
            return 1;
    }
    return 0;
}

int trial_found_as(struct trial *t, const char *key, const char *id)
{
    REPX_AUTO_FREE char *members = repx_format("\"keys\":[\"%s\"]", key);

    return helper_call(&t->h, "find", members, CALL_S) == 0 && t->h.count == 1 &&
           strcmp(helper_text(&t->h, 0, "id"), id) == 0 &&
           strcmp(helper_text(&t->h, 0, "key"), key) == 0 &&
           is_state(helper_text(&t->h, 0, "state"));
}

char *trial_find(struct trial *t, const char *key)
{
    REPX_AUTO_FREE char *members = repx_format("\"keys\":[\"%s\"]", key);

    if (helper_call(&t->h, "find", members, CALL_S) != 0 || t->h.count != 1 ||
        strcmp(helper_text(&t->h, 0, "key"), key) != 0)
        return NULL;
    return repx_strdup(helper_text(&t->h, 0, "id"));
}
