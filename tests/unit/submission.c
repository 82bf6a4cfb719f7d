/* SPDX-License-Identifier: MIT */
/* The pure machines of submission: every path of a unit, a feeder and a job that starts. */
#include "tap.h"

#include <string.h>

#include "core/agent/submission.h"

static const struct submission_rules *const all = &submission_rules_all;

/* ---- judge ---- */

static const struct {
    const char *what;
    struct job_facts facts;
    enum verdict verdict;
} verdicts[] = {
    {"nothing is known of it", {.result = RESULT_NONE}, VERDICT_SUBMIT},
    {"it ended well in this run", {.end = END_WELL}, VERDICT_DONE},
    {"it failed in this run, whatever else is there",
     {.end = END_BADLY, .result = RESULT_CURRENT},
     VERDICT_ENDED},
    {"its result is there",
     {.result = RESULT_CURRENT, .live = LIVE_OURS},
     VERDICT_DONE},
    {"a stale result counts", {.result = RESULT_STALE}, VERDICT_DONE},
    {"a stale result does not count",
     {.result = RESULT_STALE, .rerun_stale = 1},
     VERDICT_SUBMIT},
    {"a void key", {.live = LIVE_OURS, .claim = CLAIMED_VOID}, VERDICT_SUBMIT},
    {"a key nobody asked about", {.live = LIVE_OURS}, VERDICT_ASK},
    {"queued, claimed",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_ALIVE},
     VERDICT_FOLLOW},
    {"queued by another run",
     {.live = LIVE_OTHER_SAME, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_ALIVE},
     VERDICT_FOLLOW},
    {"other work is queued",
     {.live = LIVE_OTHER_WORK, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_ALIVE},
     VERDICT_AFTER},
    {"other work runs",
     {.live = LIVE_OTHER_WORK, .claim = CLAIMED_BY_JOB, .maker_alive = 1},
     VERDICT_AFTER},
    {"it runs here: nobody needs to be asked",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_JOB, .maker_alive = 1},
     VERDICT_FOLLOW},
    {"it ran on another node and is gone",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_JOB, .maker_alive = -1, .row = ROW_ABSENT},
     VERDICT_SUBMIT},
    {"asked for, and its submitter died before it knew the id",
     {.live = LIVE_OURS, .row = ROW_ALIVE},
     VERDICT_ADOPT},
    {"intended, and never asked for",
     {.live = LIVE_OURS, .row = ROW_ABSENT},
     VERDICT_VOID},
    {"it was accepted, and the scheduler forgot it",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_ABSENT},
     VERDICT_SUBMIT},
    {"it is over, without a result",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_OVER},
     VERDICT_SUBMIT},
    {"the question failed: that is no answer",
     {.live = LIVE_OURS, .claim = CLAIMED_BY_SUBMITTER, .row = ROW_FAILED},
     VERDICT_UNKNOWN},
    {"another scheduler's, of which this one knows nothing",
     {.live = LIVE_OTHER_SAME,
      .claim = CLAIMED_BY_SUBMITTER,
      .other_scheduler = 1,
      .row = ROW_ABSENT},
     VERDICT_UNKNOWN},
};

static void judge(void)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        ok(submission_judge(all, &verdicts[i].facts) == verdicts[i].verdict, "%s",
           verdicts[i].what);
    }
}

/* ---- handover ---- */

/* Actions and what is seen of them, as two letters; "." ends. */
static const char act_letters[] = "IPHSLWCVXR.";
static const struct {
    char letter;
    enum handover_saw saw;
} saws[] = {
    {'o', HANDOVER_SAW_OK},          {'f', HANDOVER_SAW_FAILED},
    {'a', HANDOVER_SAW_ACCEPTED},    {'n', HANDOVER_SAW_REFUSED},
    {'r', HANDOVER_SAW_ROOM},        {'?', HANDOVER_SAW_NO_ANSWER},
    {'y', HANDOVER_SAW_FOUND},       {'-', HANDOVER_SAW_ABSENT},
    {'s', HANDOVER_SAW_CLAIM_SAME},  {'v', HANDOVER_SAW_CLAIM_VOID},
    {'x', HANDOVER_SAW_CLAIM_OTHER}, {'t', HANDOVER_SAW_NOT_TRIED},
};

static const struct {
    const char *what, *steps;
    size_t array;
    enum handover_state end;
} paths[] = {
    {"accepted", "IoPoHoSaCoRo", 0, HANDOVER_QUEUED},
    {"accepted, and the job was faster", "IoPoHoSaCsRo", 0, HANDOVER_QUEUED},
    {"refused for good", "IoPoHoSnRo", 0, HANDOVER_REFUSED},
    {"no room for one", "IoPoHoSrRo", 0, HANDOVER_LATER},
    {"not tried: the same again", "IoPoHoStHoSaCoRo", 8, HANDOVER_QUEUED},
    {"no room for an array", "IoPoHoSrRo", 8, HANDOVER_SPLIT},
    {"an intent that cannot be written stops", "If", 0, HANDOVER_STOPPED},
    {"what cannot be prepared stops", "IoPf", 0, HANDOVER_STOPPED},
    {"the lease was lost", "IoPoHf", 0, HANDOVER_STOPPED},
    {"no answer, but it is there", "IoPoHoS?LyCoRo", 0, HANDOVER_QUEUED},
    {"it appears later", "IoPoHoS?L-WoL-WoLyCoRo", 0, HANDOVER_QUEUED},
    {"nobody knows it: void", "IoPoHoS?L-WoL-WoL-VoRo", 0, HANDOVER_VOID},
    {"nobody knows it, but it starts", "IoPoHoS?L-WoL-WoL-VxRo", 0, HANDOVER_QUEUED},
    {"a question that failed is no answer", "IoPoHoS?LfWoLfWoL-WoL-WoL-VoRo", 0,
     HANDOVER_VOID},
    {"nobody can be asked: all stops, and the key stays", "IoPoHoS?LfWoLfWoLf", 0,
     HANDOVER_STOPPED},
    {"made void meanwhile: withdrawn", "IoPoHoSaCvXoRo", 0, HANDOVER_VOID},
    {"made void, and cannot be withdrawn", "IoPoHoSaCvXfRo", 0, HANDOVER_VOID},
    {"another unit has the key", "IoPoHoSaCxXoRo", 0, HANDOVER_QUEUED},
    {"a claim that cannot be written stops", "IoPoHoSaCf", 0, HANDOVER_STOPPED},
    {"a record that cannot be written stops", "IoPoHoSaCoRf", 0, HANDOVER_STOPPED},
    {"what does not fit is a failure", "Iy", 0, HANDOVER_STOPPED},
    {"an answer that does not fit is none", "IoPoHoSoLyCoRo", 0, HANDOVER_QUEUED},
};

static enum handover_saw saw_of(char letter)
{
    for (size_t i = 0; i < sizeof(saws) / sizeof(saws[0]); i++) {
        if (saws[i].letter == letter)
            return saws[i].saw;
    }
    return HANDOVER_SAW_FAILED;
}

/* Walks a path; the index of the step that was another, or -1. */
static int walk(const struct submission_rules *rules, struct handover *h,
                const char *steps)
{
    for (size_t i = 0; steps[i]; i += 2) {
        if (act_letters[handover_next(rules, h)] != steps[i])
            return (int)i;
        handover_saw(rules, h, saw_of(steps[i + 1]));
    }
    return handover_next(rules, h) == HANDOVER_DO_NOTHING ? -1 : (int)strlen(steps);
}

static void handover(void)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct handover h = handover_begin(paths[i].array);
        int bad = walk(all, &h, paths[i].steps);
        ok(bad < 0 && h.state == paths[i].end && handover_over(&h),
           "%s (step %d, state %d)", paths[i].what, bad, (int)h.state);
    }
}

static void shelved(void)
{
    struct handover h = handover_begin(8);

    ok(walk(all, &h, "IoPo") >= 0 && handover_may_shelve(&h), "prepared, and shelved");
    handover_shelve(&h);
    ok(walk(all, &h, "Ro") < 0 && h.state == HANDOVER_LATER, "an array waits whole");
    h = handover_begin(0);
    (void)walk(all, &h, "IoPoHoS?");
    ok(!handover_may_shelve(&h), "what was asked for is not shelved");
}

static void without(void)
{
    static const struct {
        const char *what, *steps;
        struct submission_rules rules;
        enum handover_state end;
    } table[] = {
        {"without the lease nobody looks whether it is held",
         "IoPoSaCoRo",
         {1, 1, 0, 1},
         HANDOVER_QUEUED},
        {"without claims none is made", "IoPoHoSaRo", {0, 1, 1, 1}, HANDOVER_QUEUED},
        {"without claims nothing is void",
         "IoPoHoS?L-WoL-WoL-Ro",
         {0, 1, 1, 1},
         HANDOVER_VOID},
        {"without looking it is asked for again",
         "IoPoHoS?SaCoRo",
         {1, 0, 1, 1},
         HANDOVER_QUEUED},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct handover h = handover_begin(0);
        int bad = walk(&table[i].rules, &h, table[i].steps);
        ok(bad < 0 && h.state == table[i].end, "%s (step %d)", table[i].what, bad);
    }
}

/* ---- feeder ---- */

static const char feeder_letters[] = "kwLuJBGKd?z.";
static const struct {
    char letter;
    enum feeder_saw saw;
} feeder_saws[] = {
    {'o', FEEDER_SAW_OK},    {'f', FEEDER_SAW_FAILED}, {'y', FEEDER_SAW_YES},
    {'n', FEEDER_SAW_NO},    {'b', FEEDER_SAW_BUSY},   {'0', FEEDER_SAW_NONE},
    {'1', FEEDER_SAW_FITS},  {'m', FEEDER_SAW_MORE},   {'r', FEEDER_SAW_ROOM},
    {'a', FEEDER_SAW_ALONE},
};

static const struct {
    const char *what, *steps;
    enum feeder_who who;
    int nodes;
    enum feeder_state end;
} rounds[] = {
    {"a run that fits", "knLouoJ1G0Kodo?n", FEEDER_CLIENT, 1, FEEDER_OVER},
    {"nothing to do", "knLouoJ0Kodo?n", FEEDER_CLIENT, 1, FEEDER_OVER},
    {"a run that does not fit has its backstop first", "knLouoJmBoGmKodo?n",
     FEEDER_CLIENT, 1, FEEDER_OVER},
    {"one that was thought to fit has it as soon as that is known",
     "knLouoJ1GmBoKodo?n", FEEDER_CLIENT, 1, FEEDER_OVER},
    {"no room for the backstop either", "knLouoJ1GmBrKodo?n", FEEDER_CLIENT, 1,
     FEEDER_OVER},
    {"nodes that may not submit need no backstop", "knLouoJmGmKodo?n", FEEDER_CLIENT, 0,
     FEEDER_OVER},
    {"no room at all: a session waits a little", "knLouoJ1GrBrKodo?nzoLouoJmBoGmKodo?n",
     FEEDER_CLIENT, 1, FEEDER_OVER},
    {"a wish that came meanwhile", "knLouoJ1GmBoKodo?yLouoJmBoG0Kodo?n", FEEDER_CLIENT,
     1, FEEDER_OVER},
    {"a lease that cannot be had", "knLb", FEEDER_CLIENT, 1, FEEDER_STOPPED},
    {"records that cannot be read", "knLouoJfdo?n", FEEDER_CLIENT, 1, FEEDER_STOPPED},
    {"a failure on the way: what waits is kept", "knLouoJ1GfKodo?n", FEEDER_CLIENT, 1,
     FEEDER_STOPPED},
    {"a job whose run waits for nothing", "kn", FEEDER_JOB, 1, FEEDER_OVER},
    {"a job that feeds", "kywoLouoJmBoGmKodo?n", FEEDER_JOB, 1, FEEDER_OVER},
    {"a job that finds somebody feeding", "kywoLb", FEEDER_JOB, 1, FEEDER_OVER},
    {"a job on a node that may not", "ky", FEEDER_JOB, 0, FEEDER_OVER},
    {"a job stays when nobody else of its run would feed, nor a feeder job has room",
     "kywoLouoJmBrGaKodo?nzoLouoJmBoGmKodo?n", FEEDER_JOB, 1, FEEDER_OVER},
    {"one that finds another staying goes", "kywoLouoJmBrGaKodo?nzb", FEEDER_JOB, 1,
     FEEDER_OVER},
    {"but not when others of it are in the queue", "kywoLouoJmBrGrKodo?n", FEEDER_JOB,
     1, FEEDER_OVER},
    {"nor when a feeder job is", "kywoLouoJmBoGaKodo?n", FEEDER_JOB, 1, FEEDER_OVER},
    {"a session that follows feeds where nodes may not", "kywoLouoJmGmKodo?n",
     FEEDER_WATCH, 0, FEEDER_OVER},
    {"a feeder job without need", "knLouoJ0Kodo?n", FEEDER_BACKSTOP, 1, FEEDER_OVER},
    {"a feeder job that has placed its successor", "knLouoJmBoGmKodo?n",
     FEEDER_BACKSTOP, 1, FEEDER_OVER},
    {"a feeder job waits for room", "knLouoJmBrGrKodo?nzoLouoJmBoG0Kodo?n",
     FEEDER_BACKSTOP, 1, FEEDER_OVER},
    {"a feeder job waits for the lease", "knLbzoLouoJ0Kodo?n", FEEDER_BACKSTOP, 1,
     FEEDER_OVER},
    {"a feeder job tries again after a failure", "knLouoJfdo?nzoLouoJ0Kodo?n",
     FEEDER_BACKSTOP, 1, FEEDER_OVER},
};

static enum feeder_saw feeder_saw_of(char letter)
{
    for (size_t i = 0; i < sizeof(feeder_saws) / sizeof(feeder_saws[0]); i++) {
        if (feeder_saws[i].letter == letter)
            return feeder_saws[i].saw;
    }
    return FEEDER_SAW_FAILED;
}

static void feeders(void)
{
    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
        struct feeder f = feeder_begin(rounds[i].who, rounds[i].nodes);
        const char *at = rounds[i].steps;
        for (; *at && feeder_letters[feeder_next(all, &f)] == *at; at += 2)
            feeder_saw(all, &f, feeder_saw_of(at[1]));
        ok(!*at && feeder_over(&f) && f.state == rounds[i].end, "%s (at \"%s\")",
           rounds[i].what, at);
    }
}

/* However things go, a feeder ends. */
static void feeders_end(void)
{
    size_t longest = 0;

    for (unsigned seed = 1; seed < 2000; seed++) {
        struct feeder f = feeder_begin((enum feeder_who)(seed % 4), (seed & 8) != 0);
        unsigned x = seed;
        size_t n = 0;
        for (; n < 5000 && !feeder_over(&f); n++) {
            x = x * 1103515245u + 12345u;
            feeder_saw(all, &f, (enum feeder_saw)(x >> 16 & 15) % 10);
        }
        longest = n > longest ? n : longest;
    }
    ok(longest < 5000, "every feeder ends (%zu steps)", longest);
}

/* ---- entry ---- */

static void entries(void)
{
    static const char letters[] = "CMWPRBXF.";
    static const struct {
        const char *what, *steps;
        int first;
        enum entry_state end;
    } table[] = {
        {"all is well", "CyMyWyPyRyFy", 1, ENTRY_OVER},
        {"a step looks at no producers", "CyMyWyRnFy", 0, ENTRY_OVER},
        {"the key is another unit's", "Cn", 1, ENTRY_OVER},
        {"the job is another key's", "CyMn", 1, ENTRY_OVER},
        {"the run was cancelled", "CyMyWnXyFy", 1, ENTRY_OVER},
        {"a producer failed", "CyMyWyPnByFy", 1, ENTRY_OVER},
        {"a claim that cannot be read", "Cf", 1, ENTRY_BROKEN},
        {"producers that cannot be read", "CyMyWyPf", 1, ENTRY_BROKEN},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct entry e = entry_begin(table[i].first);
        const char *at = table[i].steps;
        for (; *at && letters[entry_next(all, &e)] == *at; at += 2) {
            entry_saw(all, &e,
                      at[1] == 'y'   ? ENTRY_SAW_YES
                      : at[1] == 'n' ? ENTRY_SAW_NO
                                     : ENTRY_SAW_FAILED);
        }
        ok(!*at && entry_over(&e) && e.state == table[i].end, "%s (at \"%s\")",
           table[i].what, at);
    }
}

/* ---- mode ---- */

static void modes(void)
{
    static const struct {
        enum mode_nodes nodes;
        int fits, scatters;
        struct mode mode; /* supervisors, client, branches, pauses */
    } table[] = {
        {NODES_YES, 1, 1, {0, 0, 1, 0}},     {NODES_YES, 0, 1, {1, 0, 1, 0}},
        {NODES_NO, 1, 0, {0, 0, 0, 0}},      {NODES_NO, 1, 1, {0, 1, 0, 1}},
        {NODES_NO, 0, 0, {0, 1, 0, 1}},      {NODES_NO, 0, 1, {0, 1, 0, 1}},
        {NODES_UNKNOWN, 0, 1, {1, 0, 1, 0}},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct mode m =
            submission_mode(table[i].nodes, table[i].fits, table[i].scatters);
        ok(m.supervisors == table[i].mode.supervisors &&
               m.client == table[i].mode.client &&
               m.branches == table[i].mode.branches && m.pauses == table[i].mode.pauses,
           "nodes %d, fits %d, scatters %d", (int)table[i].nodes, table[i].fits,
           table[i].scatters);
    }
}

int main(void)
{
    judge();
    handover();
    shelved();
    without();
    feeders();
    feeders_end();
    entries();
    modes();
    return tap_end();
}
