/* SPDX-License-Identifier: MIT */
/* The phases of a scatter-gather job, called as a scheduler would. */
#include "core/agent/scatter.h"

#include <signal.h>

#include "job_scratch.h"
#include "tap.h"

#include "core/agent/submit.h"
#include "core/wire/verbs.h"

static const char *submit_log; /* where the stand-in below writes what it was asked */

int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%s %zu %zu", run->id, index, branches);

    (void)site, (void)key, (void)err;
    scratch_put(submit_log, text, 0644);
    return 0;
}

#define STEP(name, deps, inputs)                                             \
    "\"step-" name "\":{\"path\":\"jobs/sg-1/bin/" name "\",\"deps\":[" deps \
    "],\"inputs\":[" inputs "],\"outputs\":{\"o\":\"$out/o\"}}"
#define FROM(step, as)                                     \
    "{\"target_input\":\"" as "\",\"source\":\"step:" step \
    "\",\"source_output\":\"o\",\"job_id\":null}"

static const char *const plan[] = {
    PLAN_HEAD("sg-1") "\"type\":\"scatter-gather\",\"sink\":\"combine\","
                      "\"params\":{\"p\":1},\"inputs\":{\"b\":{\"base\":\"x\"}},"
                      "\"gather_inputs\":{\"all\":{\"job\":\"sg-1\","
                      "\"scatter\":\"$out/work_items.json\"}},"
                      "\"exes\":{\"scatter\":{\"path\":\"jobs/sg-1/bin/scatter\"},"
                      "\"gather\":{\"path\":\"jobs/sg-1/bin/gather\"}," STEP(
                          "extract", "",
                          "{\"target_input\":\"item\",\"source\":\"scatter:work_item\"}"
                          ",{\"target_input\":\"b\",\"job_id\":\"other\"}") ","
    STEP("square", "\"extract\"", FROM("extract", "n")) ","
    STEP("double", "\"extract\"", FROM("extract", "n")) ","
    STEP("combine", "\"square\",\"double\"",
         FROM("square", "a") "," FROM("double", "b")) "}}",
    NULL,
};

/* The value of a key in inputs.json without a JSON reader. */
#define VALUE(key) "$(sed -n 's/^ *\"" key "\": \"\\(.*\\)\",*$/\\1/p' \"$2\")"

static void scripts(struct scratch *s, const char *list)
{
    REPX_AUTO_FREE char *scatter =
        repx_format("echo '%s' >\"$1/work_items.json\"", list);

    scratch_script(s, "scatter", scatter);
    scratch_script(s, "extract", "cat \"" VALUE("item") "\" >\"$1/o\"");
    scratch_script(s, "square", "n=$(cat \"" VALUE("n") "\"); echo $((n*n)) >\"$1/o\"");
    scratch_script(s, "double", "n=$(cat \"" VALUE("n") "\"); echo $((n*2)) >\"$1/o\"");
    scratch_script(s, "combine",
                   "a=$(cat \"" VALUE("a") "\"); b=$(cat \"" VALUE("b") "\")\n"
                   "echo $((a+b)) >\"$1/o\"");
    scratch_script(s, "gather",
                   "m=" VALUE("worker__outs") "\n"
                   "for f in $(sed -n 's/.*\"o\": \"\\(.*\\)\"/\\1/p' \"$m\"); do cat $f; "
                   "done >\"$1/sums\"");
}

static const char *const steps[] = {"step-extract", "step-square", "step-double",
                                    "step-combine"};

static int run_steps(struct scratch *s, int64_t branches)
{
    int bad = 0;

    for (int64_t b = 0; b < branches; b++) {
        for (size_t i = 0; i < 4; i++)
            bad += scratch_unit(s, 0, steps[i], b);
    }
    return bad;
}

static void ten_branches_give_ten_sums(struct scratch *s)
{
    ok(scratch_unit(s, 0, "scatter", -1) == 0, "scatter");
    REPX_AUTO_FREE char *asked = scratch_text(s, "asked");
    is(asked, RUN_ID " 0 10", "has ten branches submitted");
    ok(scratch_has(s, "outputs/sg-1/scatter/repx/SUCCESS"), "its own SUCCESS");
    ok(scratch_has(s, "outputs/sg-1/repx/inputs.json") &&
           scratch_has(s, "outputs/sg-1/repx/parameters.json") &&
           !scratch_has(s, "outputs/sg-1/repx/SUCCESS"),
       "the job has its inputs and no marker yet");
    ok(run_steps(s, 10) == 0, "forty steps");
    REPX_AUTO_FREE char *item =
        scratch_text(s, "outputs/sg-1/branch-3/repx/work_item.json");
    is(item, "4", "work_item.json");
    REPX_AUTO_FREE char *in =
        scratch_text(s, "outputs/sg-1/branch-3/step-extract/repx/inputs.json");
    REPX_AUTO_FREE char *want = repx_format(
        "{\n  \"b\": \"%s/x\",\n  \"item\": "
        "\"%s/outputs/sg-1/branch-3/repx/work_item.json\"\n}",
        s->site.base, s->site.base);
    is(in, want, "a step's inputs");
    ok(!scratch_has(s, "outputs/completions.jsonl"), "no step is in completions.jsonl");
    ok(scratch_unit(s, 0, "gather", -1) == 0, "gather");
    REPX_AUTO_FREE char *sums = scratch_text(s, "outputs/sg-1/out/sums");
    is(sums, "3\n8\n15\n24\n35\n48\n63\n80\n99\n120\n", "in branch order");
    REPX_AUTO_FREE char *log = scratch_text(s, "outputs/completions.jsonl");
    is(log, "{\"id\":\"sg-1\",\"s\":\"ok\"}\n", "one completion for the job");
    int stale;
    ok(result_status(&s->site, "sg-1", HEX1, &stale, NULL) == JOB_SUCCEEDED,
       "succeeded");
    REPX_AUTO_FREE char *given =
        scratch_text(s, "outputs/sg-1/repx/gather_inputs.json");
    ok(given && strstr(given, "sg-1/scatter/out/work_items.json") &&
           strstr(given, "worker__outs"),
       "gather_inputs.json has scatter outputs and the manifest");
}

static void what_is_unchanged_is_not_repeated(struct scratch *s)
{
    ok(scratch_unit(s, 0, "scatter", -1) == 0 && run_steps(s, 10) == 0, "all again");
    ok(!scratch_has(s, "outputs/sg-1/scatter/attempts/2"), "scatter did not run");
    ok(!scratch_has(s, "outputs/sg-1/branch-9/step-combine/attempts/2"),
       "nor did steps");
    (void)unlinkat(s->site.base_fd, "outputs/sg-1/branch-2/step-square/repx/SUCCESS",
                   0);
    ok(run_steps(s, 10) == 0, "one step's success is taken away");
    ok(scratch_has(s, "outputs/sg-1/branch-2/step-square/attempts/2") &&
           scratch_has(s, "outputs/sg-1/branch-2/step-combine/attempts/2"),
       "it and what follows it ran again");
    ok(!scratch_has(s, "outputs/sg-1/branch-2/step-double/attempts/2") &&
           !scratch_has(s, "outputs/sg-1/branch-3/step-combine/attempts/2"),
       "and nothing else");
    ok(scratch_unit(s, 0, "gather", -1) == 0, "gather runs");
}

static void a_failed_step_fails_the_job(struct scratch *s)
{
    int stale;
    REPX_AUTO_FREE char *reason = NULL;

    (void)unlinkat(s->site.base_fd, "outputs/sg-1/branch-4/step-double/repx/SUCCESS",
                   0);
    scratch_script(s, "double", "exit 9");
    ok(scratch_unit(s, 0, "step-double", 4) == 1, "a step fails");
    ok(scratch_unit(s, 0, "step-combine", 4) == 1, "the next is blocked");
    ok(scratch_events(s, "\"reason\":\"blocked\"") == 1, "and says so");
    ok(scratch_unit(s, 0, "gather", -1) == 1, "gather fails");
    ok(result_status(&s->site, "sg-1", HEX1, &stale, &reason) == JOB_FAILED,
       "the job too");
    is(reason, "not started: branch 4: step combine has not succeeded", "reason");
}

static void fresh(struct scratch *s, const char *list)
{
    scratch_open(s);
    free((char *)(uintptr_t)submit_log);
    submit_log = repx_format("%s/asked", s->site.base);
    scripts(s, list);
    scratch_run(s, "", plan);
}

static void no_branches_are_fine(void)
{
    struct scratch s;

    fresh(&s, "[]");
    ok(scratch_unit(&s, 0, "scatter", -1) == 0, "a scatter of nothing");
    REPX_AUTO_FREE char *asked = scratch_text(&s, "asked");
    is(asked, RUN_ID " 0 0", "submits nothing");
    ok(scratch_unit(&s, 0, "gather", -1) == 0, "gather runs");
    REPX_AUTO_FREE char *m =
        scratch_text(&s, "outputs/sg-1/repx/worker_outs_manifest.json");
    is(m, "[]", "with an empty manifest");
    scratch_close(&s);
}

static void a_bad_scatter_fails_the_job(const char *list, const char *why)
{
    struct scratch s;
    REPX_AUTO_FREE char *reason = NULL;
    int stale;

    fresh(&s, list);
    ok(scratch_unit(&s, 0, "scatter", -1) == 1, "work list %s is refused", list);
    ok(result_status(&s.site, "sg-1", HEX1, &stale, &reason) == JOB_FAILED,
       "job failed");
    ok(reason && strstr(reason, why), "reason: %s", reason ? reason : "none");
    REPX_AUTO_FREE char *log = scratch_text(&s, "outputs/completions.jsonl");
    is(log, "{\"id\":\"sg-1\",\"s\":\"fail\"}\n", "completions.jsonl");
    scratch_close(&s);
}

int main(void)
{
    struct scratch s;

    fresh(&s, "[1,2,3,4,5,6,7,8,9,10]");
    ten_branches_give_ten_sums(&s);
    what_is_unchanged_is_not_repeated(&s);
    a_failed_step_fails_the_job(&s);
    scratch_close(&s);
    no_branches_are_fine();
    a_bad_scatter_fails_the_job("{\"a\":1}", "not an array");
    a_bad_scatter_fails_the_job("[1,", "work_items.json: line");
    free((char *)(uintptr_t)submit_log);
    return tap_end();
}
