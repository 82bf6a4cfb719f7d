/* SPDX-License-Identifier: MIT */
/* supervise.c: `repx-agent job`: finds out which unit it is and sees it through. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/state_check.h"
#include "core/agent/submit.h"

/* A number of the command line, or of REPX_INDEX for "-". */
static int number_read(const char *text, int64_t *n, struct repx_err *err)
{
    const char *from = strcmp(text, "-") == 0 ? getenv("REPX_INDEX") : text;
    char *end = NULL;

    errno = 0;
    long long v = from ? strtoll(from, &end, 10) : -1;
    if (!from || !*from || *end || errno || v < 0 || v > INT32_MAX)
        return repx_fail(err, REPX_E_USAGE, "%s: not an index", from ? from : "-");
    *n = v;
    return 0;
}

/* In an array of jobs S/sub/KEY/table says which one is meant. */
static int job_of_index(struct unit *u, int64_t *index, struct repx_err *err)
{
    int64_t job = 0;
    int rc = array_job(u->site, u->key, *index, &job, err);

    u->in_array = rc == 1;
    if (rc == 1)
        *index = job;
    return rc;
}

/* Of an array the table says which branch an index means. */
static int branch_read(const struct unit *u, const char *text, int64_t *branch,
                       struct repx_err *err)
{
    int64_t index = 0;

    if (number_read(text, &index, err) < 0)
        return -1;
    *branch = index;
    int rc =
        strcmp(text, "-") == 0 ? array_job(u->site, u->key, index, branch, err) : 1;
    if (rc == 0)
        return repx_fail(err, REPX_E_NOENT, "%s: it was given back", u->key);
    return rc < 0 ? -1 : 0;
}

/* The feeder job: as any unit, it makes or obeys the claim. */
static int feeder_of(struct site *site, const char *run, const char *key,
                     const char *unit, struct repx_err *err)
{
    json_t *claim = NULL;
    int rc = sub_create(site, key, err);

    if (rc == 0)
        rc = claim_make(site, key, CLAIM_JOB, "", unit, &claim, err);
    int mine =
        rc == 1 || (rc == 0 && strcmp(state_text(claim, "by", ""), "void") != 0 &&
                    strcmp(state_text(claim, "id", ""), unit) == 0);
    json_decref(claim);
    return rc < 0 || !mine ? rc : submit_backstop(site, run, key, err);
}

static int job_of(struct site *site, char **argv, int argc, struct repx_err *err)
{
    const char *phase = argv[4], *unit = getenv("REPX_UNIT");
    int step = strncmp(phase, "step-", 5) == 0;
    struct unit u = {.site = site, .key = argv[5]};
    int64_t index = 0, branch = -1;

    u.unit_id = unit ? unit : "";
    u.feed = submit_after;
    if (!state_key_ok(u.key))
        return repx_fail(err, REPX_E_USAGE, "%s: not a submission key", u.key);
    if (strcmp(phase, "feed") == 0)
        return feeder_of(site, argv[2], u.key, u.unit_id, err);
    if (number_read(argv[3], &index, err) < 0 ||
        (strcmp(argv[3], "-") == 0 && job_of_index(&u, &index, err) < 0) ||
        (step && branch_read(&u, argc > 6 ? argv[6] : "-", &branch, err) < 0))
        return -1;
    u.run = run_open(site, argv[2], err);
    u.index = (size_t)index;
    int rc = u.run ? unit_open(&u, phase, branch, err) : -1;
    if (rc == 0)
        rc = unit_run(&u, err);
    unit_close(&u);
    run_close(u.run);
    return rc;
}

int job_main(int argc, char **argv)
{
    struct site site = {.base_fd = -1, .state_fd = -1};
    struct repx_err err = {0};

    if (argc < 6 || argc > 7) {
        (void)fprintf(stderr,
                      "usage: repx-agent job BASE RUN INDEX PHASE KEY [BRANCH]\n");
        return 2;
    }
    process_prepare();
    REPX_AUTO_FREE char *state = state_path_read(argv[1]);
    int rc = site_open(&site, argv[1], state, &err);
    if (rc == 0 && site.readonly) {
        rc = repx_fail(&err, REPX_E_UNSUPPORTED, "%s: this agent may not write there",
                       site.state);
    }
    if (rc == 0)
        rc = job_of(&site, argv, argc, &err);
    site_close(&site);
    if (err.code)
        (void)fprintf(stderr, "repx-agent: %s\n", err.text);
    return rc != 0;
}
