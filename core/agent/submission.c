/* SPDX-License-Identifier: MIT */
/* submission.c: verdicts: about a job before it is submitted, and about who submits. */
#include "core/agent/submission.h"

const struct submission_rules submission_rules_all = {1, 1, 1, 1};

/* ---- judge ---- */

/* Somebody works on it, for sure. */
static enum verdict working(const struct submission_rules *rules,
                            const struct job_facts *facts)
{
    if (facts->live == LIVE_OTHER_WORK)
        return VERDICT_AFTER;
    return rules->claim && facts->claim == CLAIMED_NOT ? VERDICT_ADOPT : VERDICT_FOLLOW;
}

/* A link of S/live is there, and its key is not void. */
static enum verdict judge_live(const struct submission_rules *rules,
                               const struct job_facts *facts)
{
    enum facts_row row = rules->look_up ? facts->row : ROW_ABSENT;

    if (facts->claim == CLAIMED_BY_JOB && facts->maker_alive == 1)
        return working(rules, facts);
    if (row == ROW_NOT_ASKED)
        return VERDICT_ASK;
    if (row == ROW_ALIVE)
        return working(rules, facts);
    if (row == ROW_FAILED || (row == ROW_ABSENT && facts->other_scheduler))
        return VERDICT_UNKNOWN;
    /* an id was written down and the scheduler has done with it, or has lost it: when the
     * result is not there, the work is to be done again */
    if (facts->claim != CLAIMED_NOT || row == ROW_OVER)
        return VERDICT_SUBMIT;
    return rules->claim ? VERDICT_VOID : VERDICT_SUBMIT;
}

enum verdict submission_judge(const struct submission_rules *rules,
                              const struct job_facts *facts)
{
    if (facts->end != END_NONE)
        return facts->end == END_WELL ? VERDICT_DONE : VERDICT_ENDED;
    if (facts->result == RESULT_CURRENT ||
        (facts->result == RESULT_STALE && !facts->rerun_stale))
        return VERDICT_DONE;
    if (facts->live == LIVE_NOBODY || facts->claim == CLAIMED_VOID)
        return VERDICT_SUBMIT;
    return judge_live(rules, facts);
}

/* ---- mode ---- */

struct mode submission_mode(enum mode_nodes nodes, int fits, int scatters)
{
    struct mode m = {0};

    if (nodes != NODES_NO) {
        m.supervisors = !fits;
        m.branches = 1;
        return m;
    }
    m.client = !fits || scatters;
    m.pauses = m.client;
    return m;
}
