/* SPDX-License-Identifier: MIT */
/* scheduler_limits.c: what a scheduler says of itself, held against what it does. */
#include <ctype.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "trial.h"

#define NAME_TRIED 64 /* characters, where no limit is told */
#define NAME_MOST 4000
#define LANES_TRIED 8
#define LANES_MOST 1024

/* ---- numbers ---- */

static void one_line(struct trial *t)
{
    static const char *const names[] = {"array_max", "submit_max", "script_max",
                                        "name_max", "remembers_s"};
    int rc = helper_call(&t->h, "limits", "", CALL_S), fine = 1;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        fine &= helper_number(&t->h, 0, names[i], -1) >= -1;
    int64_t poll_ms = helper_number(&t->h, 0, "poll_ms", 1000);
    int64_t lanes = helper_number(&t->h, 0, "lanes", 0);
    fine &= poll_ms > 0 && lanes >= 0 && lanes <= LANES_MOST;
    (void)check(rc == 0 && t->h.is_clean && t->h.count == 1 && fine,
                "limits: one line of numbers from -1 on");
}

/* ---- names ---- */

static int are_name_chars(const char *chars)
{
    for (const char *c = chars; *c; c++) {
        unsigned char at = (unsigned char)*c;
        if (!isprint(at) || isalnum(at) || strchr(c + 1, *c))
            return 0;
    }
    return 1;
}

/* A unit of that name; its result in *text. 1 accepted. */
static int named(struct trial *t, const char *key, const char *name)
{
    REPX_AUTO_BUF struct repx_buf unit = {0}, json = {0};

    trial_put(t, &unit, key, "echo >ran", "");
    json_put_string(&json, name);
    const char *from = strstr(repx_buf_text(&unit), "\"name\":") + 7;
    const char *rest = strstr(from, ",\"workdir\"");
    REPX_AUTO_FREE char *text = repx_format("%.*s%s%s", (int)(from - unit.data),
                                            unit.data, repx_buf_text(&json), rest);
    unit.len = 0;
    repx_buf_str(&unit, text);
    return trial_submit(t, &unit) == 0 && t->h.count == 1 &&
           strcmp(helper_text(&t->h, 0, "result"), "accepted") == 0;
}

/* n characters, each of those that are allowed in turn; a letter first. */
static char *long_name(size_t n, const char *chars)
{
    REPX_AUTO_FREE char *all = repx_format("aZ5%s", chars);
    size_t kinds = strlen(all);
    char *name = repx_alloc(n + 1);

    for (size_t i = 0; i < n; i++)
        name[i] = all[i % kinds];
    name[n] = 0;
    return name;
}

static void names(struct trial *t)
{
    char key[KEY_LEN + 1];

    (void)helper_call(&t->h, "limits", "", CALL_S);
    int64_t most = helper_number(&t->h, 0, "name_max", -1);
    REPX_AUTO_FREE char *chars = repx_strdup(helper_text(&t->h, 0, "name_chars"));
    if (!check(are_name_chars(chars),
               "name_chars are printable, each once, and neither letters nor digits"))
        return;
    if (most <= 0)
        most = NAME_TRIED;
    size_t n = most < NAME_MOST ? (size_t)most : NAME_MOST;
    REPX_AUTO_FREE char *name = long_name(n, *chars ? chars : "-_.");
    trial_key(t, key);
    int accepted = named(t, key, name);
    (void)check(accepted && trial_wait(t, key, "ran"),
                "a name of %zu characters, of those that limits allows, is taken %s", n,
                accepted ? "" : helper_text(&t->h, 0, "text"));
    REPX_AUTO_FREE char *longer = repx_format("%s%s", name, name);
    trial_key(t, key);
    accepted = named(t, key, longer);
    int told = *helper_text(&t->h, 0, "text") != 0;
    (void)check(accepted ? trial_wait(t, key, "ran") : told,
                "one twice as long is cut, or refused with a reason");
}

/* ---- calls at a time ---- */

static int ask_all(const struct trial *t, const char *key, const char *id, int64_t n)
{
    pid_t pids[LANES_TRIED];
    int right = 0;

    for (int64_t i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct trial own = *t;
            own.h.lines = NULL;
            own.h.count = 0;
            _exit(!trial_found_as(&own, key, id));
        }
    }
    for (int64_t i = 0; i < n; i++) {
        int status = -1;
        right += pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i] && status == 0;
    }
    return right;
}

static void lanes(struct trial *t)
{
    char key[KEY_LEN + 1];

    (void)helper_call(&t->h, "limits", "", CALL_S);
    int64_t n = helper_number(&t->h, 0, "lanes", 0);
    if (n < 2) {
        untested("calls at a time: limits allows one (lanes)");
        return;
    }
    if (n > LANES_TRIED)
        n = LANES_TRIED;
    trial_key(t, key);
    REPX_AUTO_FREE char *id = trial_submit_one(t, key, "true", "");
    int right = id ? ask_all(t, key, id, n) : 0;
    (void)check(right == n,
                "%lld calls at a time, as lanes allows: %d are answered right",
                (long long)n, right);
}

void scheduler_limits(struct trial *t)
{
    one_line(t);
    names(t);
    lanes(t);
}
