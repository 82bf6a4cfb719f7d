/* SPDX-License-Identifier: MIT */
/* state_claim.c: who a submission belongs to. link(2) decides, on every file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_once.h"
#include "core/wire/digest.h"

static const struct state_field claim_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"by", STATE_TEXT, STATE_REQUIRED},
    {"sched", STATE_TEXT, STATE_NULL},
    {"id", STATE_TEXT, STATE_NULL},
    {"host", STATE_TEXT, 0},
    {"boot", STATE_TEXT, 0},
    {"pid", STATE_INT, 0},
    {"start", STATE_INT, 0},
    {"t", STATE_INT, 0},
    {NULL, 0, 0},
};

static const struct state_field journal_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"t", STATE_INT, 0},
    {"do", STATE_TEXT, STATE_REQUIRED},
    {"key", STATE_SUBKEY, STATE_REQUIRED},
    {"i", STATE_ARRAY, 0},
    {"phase", STATE_TEXT, 0},
    {"gen", STATE_COUNT, 0},
    {"array", STATE_COUNT, 0},
    {"id", STATE_TEXT, 0},
    {"text", STATE_TEXT, 0},
    {NULL, 0, 0},
};

json_t *claim_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, claim_fields, "claim", err);

    if (!j)
        return NULL;
    const char *by = state_text(j, "by", "");
    if (strcmp(by, "submitter") == 0 || strcmp(by, "job") == 0 ||
        strcmp(by, "void") == 0)
        return j;
    json_decref(j);
    (void)repx_fail(err, REPX_E_CORRUPT, "claim: made by nobody known");
    return NULL;
}

static int journal_ok(const json_t *j)
{
    static const char *const acts[] = {"intend", "accepted", "refused", "void", NULL};
    const char *act = state_text(j, "do", "");
    size_t i, known = 0;
    json_t *index;

    for (const char *const *a = acts; *a; a++)
        known += strcmp(act, *a) == 0;
    json_array_foreach(json_object_get(j, "i"), i, index)
    {
        if (!json_is_integer(index) || json_integer_value(index) < 0)
            return 0;
    }
    if (strcmp(act, "accepted") == 0 && !state_text(j, "id", NULL))
        return 0;
    return known == 1;
}

json_t *journal_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, journal_fields, "journal", err);

    if (j && !journal_ok(j)) {
        json_decref(j);
        (void)repx_fail(err, REPX_E_CORRUPT, "journal: a record of no known form");
        return NULL;
    }
    return j;
}

void submission_key(const char *run, const char *job, const char *phase,
                    unsigned generation, char key[27])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    char number[16];
    struct digest_ctx c;
    struct digest d;

    (void)snprintf(number, sizeof number, "%u", generation);
    digest_begin(&c);
    digest_add(&c, "repx-sub-1", sizeof "repx-sub-1");
    digest_add(&c, run, strlen(run) + 1);
    digest_add(&c, job, strlen(job) + 1);
    digest_add(&c, phase, strlen(phase) + 1);
    digest_add(&c, number, strlen(number));
    digest_end(&c, &d);
    key[0] = 'k';
    for (unsigned i = 0; i < 25; i++) {
        unsigned bit = i * 5, at = bit / 8;
        unsigned two = (unsigned)d.bytes[at] << 8 | d.bytes[at + 1];
        key[i + 1] = digits[two >> (11 - bit % 8) & 31];
    }
    key[26] = 0;
}

int sub_last_key(const struct site *site, const char *run, const char *job,
                 const char *phase, char key[27])
{
    char next[27];
    struct stat st;
    int found = 0;

    for (unsigned g = 0; g < GENERATIONS_MAX; g++) {
        submission_key(run, job, phase, g, next);
        REPX_AUTO_FREE char *path = repx_format("sub/%s", next);
        if (fstatat(site->state_fd, path, &st, 0) < 0)
            break;
        memcpy(key, next, sizeof(next));
        found = 1;
    }
    return found;
}

int sub_create(struct site *site, const char *key, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s", key);

    if (!state_key_ok(key))
        return repx_fail(err, REPX_E_USAGE, "%s: not a submission key", key);
    if (mkdirat(site->state_fd, path, 0777) == 0 || errno == EEXIST)
        return 0;
    if (errno == ENOENT &&
        (mkdirat(site->state_fd, "sub", 0777) == 0 || errno == EEXIST) &&
        (mkdirat(site->state_fd, path, 0777) == 0 || errno == EEXIST))
        return 0;
    return repx_fail_errno(err, "%s/%s", site->state, path);
}

json_t *claim_read(struct site *site, const char *key, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/id", key);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (!state_key_ok(key)) {
        (void)repx_fail(err, REPX_E_USAGE, "%s: not a submission key", key);
        return NULL;
    }
    if (repx_read_file(site->state_fd, path, 65536, &b, err) < 0)
        return NULL;
    return claim_parse(repx_buf_text(&b), b.len, err);
}

int claim_there(const struct site *site, const char *key)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/id", key);

    return state_key_ok(key) && faccessat(site->state_fd, path, F_OK, 0) == 0;
}

static const char *claim_word(int by)
{
    if (by == CLAIM_VOID)
        return "void";
    return by == CLAIM_JOB ? "job" : "submitter";
}

/* NOLINTNEXTLINE(readability-function-size): what a claim says is seven things */
int claim_make(struct site *site, const char *key, int by, const char *sched,
               const char *id, json_t **claim, struct repx_err *err)
{
    REPX_AUTO_FREE char *dir = repx_format("sub/%s", key);

    if (!state_key_ok(key))
        return repx_fail(err, REPX_E_USAGE, "%s: not a submission key", key);
    json_t *mine = record_self(site);
    json_object_set_new(mine, "by", json_string(claim_word(by)));
    json_object_set_new(mine, "sched", json_string(sched ? sched : ""));
    json_object_set_new(mine, "id", json_string(id ? id : ""));
    int rc = once_make(site, dir, "id", mine, err);
    if (rc == 1) {
        *claim = mine;
        return 1;
    }
    json_decref(mine);
    *claim = rc == 0 ? claim_read(site, key, err) : NULL;
    return *claim ? 0 : -1;
}
