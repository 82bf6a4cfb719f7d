/* SPDX-License-Identifier: MIT */
/* scheduler_odd.c: texts that would mean something to a shell, a file format or an option
 * parser. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "trial.h"

/* Whoever runs one of these makes the file. */
static char *trap_path(const struct trial *t)
{
    return repx_format("%s/trap", t->c->dir);
}

static int is_sprung(const struct trial *t)
{
    REPX_AUTO_FREE char *path = trap_path(t);
    int is = access(path, F_OK) == 0;

    (void)unlink(path);
    return is;
}

/* A name and a directory with all that is special somewhere. */
static void odd_texts(struct trial *t)
{
    REPX_AUTO_FREE char *trap = trap_path(t);
    REPX_AUTO_FREE char *name = repx_format(
        "1-$(touch %s) `touch %s`; 'q' \"d\" \\ %%j [1-3] @:*,=|é", trap, trap);
    struct repx_buf unit REPX_AUTO_BUF = {0};
    char key[KEY_LEN + 1];

    trial_key(t, key);
    REPX_AUTO_FREE char *dir =
        repx_format("%s/odd 'q' \"d\" $(x) %%j, a:b/sub/%s", t->c->dir, key);
    REPX_AUTO_FREE char *there = repx_format("%s/here", dir);
    if (repx_make_dirs(dir, 0755, NULL) < 0)
        return;
    repx_buf_fmt(&unit, "{\"key\":\"%s\",\"name\":", key);
    json_put_string(&unit, name);
    repx_buf_str(&unit, ",\"workdir\":");
    json_put_string(&unit, dir);
    repx_buf_str(&unit,
                 ",\"argv\":[\"/bin/sh\",\"-c\",\"echo >here\"],"
                 "\"body\":\"echo >here\",\"res\":{}}");
    int rc = trial_submit(t, &unit);
    int refused = rc == 0 && strcmp(helper_text(&t->h, 0, "result"), "refused") == 0;
    int ran = 0;
    for (int i = 0; rc == 0 && !refused && !ran && i < t->c->patience * 5; i++) {
        ran = access(there, F_OK) == 0;
        (void)poll(NULL, 0, 200);
    }
    (void)check(rc == 0 && ran, "a unit with an odd name and directory runs%s%s",
                refused ? "; refused: " : "",
                refused ? helper_text(&t->h, 0, "text") : "");
    (void)check(!is_sprung(t), "and nobody took its name for a command");
}

/* Resources from the user's file: taken as one value, or refused. */
static void odd_resources(struct trial *t)
{
    static const char *const names[] = {"queue", "account", "constraint", "qos"};
    REPX_AUTO_FREE char *trap = trap_path(t);
    REPX_AUTO_FREE char *value = repx_format("x; touch %s\\n#!$(touch %s)", trap, trap);
    int fine = 1;

    for (size_t i = 0; i < 4; i++) {
        struct repx_buf unit REPX_AUTO_BUF = {0};
        char key[KEY_LEN + 1];
        trial_key(t, key);
        trial_put(t, &unit, key, "true", "");
        char *res = strstr(unit.data, "\"res\":{}");
        REPX_AUTO_FREE char *text =
            repx_format("%.*s\"res\":{\"%s\":\"%s\"}}", (int)(res - unit.data),
                        unit.data, names[i], value);
        unit.len = 0;
        repx_buf_str(&unit, text);
        fine &= trial_submit(t, &unit) == 0 && t->h.count == 1 &&
                *helper_text(&t->h, 0, "result");
    }
    (void)poll(NULL, 0, 300);
    (void)check(fine && !is_sprung(t),
                "a resource with a command in it is refused, or one value");
}

static void odd_native(struct trial *t)
{
    static const char *const bad[] = {"[\"x\"]", "[\"-x\\n-y\"]", "[\"--\"]"};
    int fine = 1;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct repx_buf unit REPX_AUTO_BUF = {0};
        char key[KEY_LEN + 1];
        trial_key(t, key);
        trial_put(t, &unit, key, "true", "");
        char *res = strstr(unit.data, "\"res\":{}");
        REPX_AUTO_FREE char *text = repx_format(
            "%.*s\"res\":{\"native\":%s}}", (int)(res - unit.data), unit.data, bad[i]);
        unit.len = 0;
        repx_buf_str(&unit, text);
        fine &= trial_submit(t, &unit) == 0 &&
                strcmp(helper_text(&t->h, 0, "result"), "accepted") != 0;
    }
    (void)check(fine, "a native option that is none is not accepted");
}

void scheduler_odd(struct trial *t)
{
    odd_texts(t);
    odd_resources(t);
    if (t->c->fake) /* it knows options; a scheduler without any may leave them out */
        odd_native(t);
}
