/* SPDX-License-Identifier: MIT */
/* sched-slurm's helper against commands that remember what they were asked: a Slurm that
 * is full, does not answer, or answers nonsense. */
#include "tap.h"

#include <sys/stat.h>

#include "unit/helper_call.h"

/* sbatch does what D/mode says; what it accepts goes to D/jobs as "id key state". */
static const char sbatch[] =
    "#!/bin/sh\n"
    "D=${0%/*}\n"
    "key= name=\n"
    "for a; do case $a in --comment=repx1:*) key=${a#--comment=repx1:} ;; esac; done\n"
    "cat > \"$D/script.$key\"\n"
    "for a; do echo \"$a\"; done > \"$D/args.$key\"\n"
    "mode=$(cat \"$D/mode\")\n"
    "id=$(( $(wc -l < \"$D/jobs\") + 1 ))\n"
    "case $mode in\n"
    "good) echo \"$id $key PENDING\" >> \"$D/jobs\"; echo \"$id;testcluster\" ;;\n"
    "full) echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1 ;;\n"
    "refuse) echo 'sbatch: error: invalid account' >&2; exit 1 ;;\n"
    "late) echo \"$id $key PENDING\" >> \"$D/jobs\"\n"
    "  echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1 ;;\n"
    "mute) exit 0 ;;\n"
    "hang) echo 'sbatch: Slurm temporarily unable to accept job, sleeping and "
    "retrying' >&2\n"
    "  sleep 60 ;;\n"
    "esac\n";

static const char squeue[] =
    "#!/bin/sh\n"
    "D=${0%/*}\n"
    "test \"$(cat \"$D/mode\")\" != down || { echo 'slurm_load_jobs error: Unable to "
    "contact slurm controller (connect failure)' >&2; exit 1; }\n"
    "echo '1000|N/A|RUNNING|None|n1|somebody|else|/home/me'\n"
    "while read -r id key state; do\n"
    "  case $state in HELD*) why='launch failed requeued held' state=PENDING ;;"
    " *) why=None ;; esac\n"
    "  echo \"$id|N/A|$state|$why|n1|repx1:$key|/s/sub/$key\"\n"
    "done < \"$D/jobs\"\n";

static const char sacct[] =
    "#!/bin/sh\n"
    "echo 'Slurm accounting storage is disabled' >&2\n"
    "exit 1\n";

static const char scancel[] = "#!/bin/sh\necho \"$@\" >> \"${0%/*}/cancelled\"\n";
static const char scontrol[] =
    "#!/bin/sh\n"
    "if test \"$1\" = show; then echo 'MaxArraySize = 77'; else echo \"$@\" >> "
    "\"${0%/*}/amended\"; fi\n";

static char *path_variable;
static const char *environment[3];

static void put(const struct helper *h, const char *name, const char *text)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", h->dir, name);

    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0755, NULL);
}

static char *get(const struct helper *h, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", h->dir, name);
    struct repx_buf b = {0};

    (void)repx_read_file(AT_FDCWD, path, 1 << 20, &b, NULL);
    return repx_buf_detach(&b);
}

static void slurm_open(struct helper *h, const char *mode)
{
    helper_open(h, SCHED_SLURM);
    put(h, "sbatch", sbatch);
    put(h, "squeue", squeue);
    put(h, "sacct", sacct);
    put(h, "scancel", scancel);
    put(h, "scontrol", scontrol);
    put(h, "jobs", "");
    put(h, "mode", mode);
    path_variable = repx_format("PATH=%s:%s", h->dir, getenv("PATH"));
    environment[0] = path_variable;
    environment[1] = "REPX_SECRET=of-the-shell";
    h->env = environment;
}

static void slurm_close(struct helper *h)
{
    free(path_variable);
    helper_close(h);
}

#define KEY_A "kaaaaaaaaaaaaa"
#define KEY_B "kbbbbbbbbbbbbb"

/* Two units, the second after the first. */
static size_t submit_two(struct helper *h, const char *resources)
{
    return helper_call(
        h, "submit",
        repx_format("{\"v\":1,\"timeout_ms\":4000,\"units\":[{\"key\":\"" KEY_A
                    "\",\"name\":\"a'b;c\",\"workdir\":\"%s\",\"argv\":[\"/bin/echo\","
                    "\"it's $(id)\"]%s},{\"key\":\"" KEY_B
                    "\",\"name\":\"b\",\"workdir\":\"%s\",\"argv\":[\"b\"],\"array\":5,"
                    "\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_A "\"}]}]}",
                    h->dir, resources, h->dir));
}

static void accepted(void)
{
    struct helper h;
    slurm_open(&h, "good");

    ok(submit_two(&h, ",\"res\":{\"cpus\":2,\"native\":[\"-A proj\"]}") == 2 &&
           h.status == 0,
       "two units are submitted");
    is(helper_text(&h, 0, "id"), "1", "the id, without its cluster");
    REPX_AUTO_FREE char *args = get(&h, "args." KEY_A);
    REPX_AUTO_FREE char *script = get(&h, "script." KEY_A);
    REPX_AUTO_FREE char *array = get(&h, "args." KEY_B);
    REPX_AUTO_FREE char *index = get(&h, "script." KEY_B);
    ok(strstr(args, "--job-name=a'b;c\n"), "a name is one argument, whatever is in it");
    ok(strstr(args, "--cpus-per-task=2\n-A\nproj\n"), "resources, then native options");
    ok(strncmp(script, "#!/bin/sh\n", 10) == 0 && !strstr(script, "#SBATCH"),
       "the script holds no directives");
    ok(strstr(script, "exec '/bin/echo' 'it'\\''s $(id)'\n"), "its words are quoted");
    ok(strstr(array, "--dependency=afterok:1\n") && strstr(array, "--array=0-4\n"),
       "a dependency by key becomes one by id; an array has its indices");
    ok(strstr(index, "REPX_INDEX=$SLURM_ARRAY_TASK_ID"), "and its index in the script");
    (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    ok(json_array_size(h.answer) == 2, "status tells of our jobs and no others");
    (void)helper_call(&h, "cancel",
                      repx_strdup("{\"v\":1,\"ids\":[\"1\",\"2\",\"12_3\",\"12_4\","
                                  "\"12_9\",\"2_10\"]}"));
    REPX_AUTO_FREE char *cancelled = get(&h, "cancelled");
    is(cancelled, "1 2 12_[3-4] 12_9 2_10\n", "one scancel for several");
    (void)helper_call(&h, "cancel", repx_strdup("{\"v\":1,\"ids\":[\"--user=me\"]}"));
    ok(h.status == 1, "what is no id never reaches scancel");
    (void)helper_call(
        &h, "amend",
        repx_strdup(
            "{\"v\":1,\"id\":\"2\",\"deps\":[{\"type\":\"any\",\"id\":\"1\"}]}"));
    REPX_AUTO_FREE char *amended = get(&h, "amended");
    is(amended, "update JobId=2 Dependency=afterany:1\n", "dependencies are replaced");
    (void)helper_call(&h, "limits", repx_strdup("{\"v\":1}"));
    ok(json_integer_value(json_object_get(json_array_get(h.answer, 0), "array_max")) ==
           77,
       "limits are asked for");
    slurm_close(&h);
}

static void clean_environment(void)
{
    struct helper h;
    slurm_open(&h, "good");
    put(&h, "sbatch", "#!/bin/sh\nenv > \"${0%/*}/env\"\necho 5\n");

    (void)submit_two(&h, "");
    REPX_AUTO_FREE char *env = get(&h, "env");
    ok(strstr(env, "PATH=") && !strstr(env, "REPX_SECRET"),
       "sbatch sees what it needs and nothing else");
    slurm_close(&h);
}

static void not_accepted(void)
{
    static const struct {
        const char *mode, *first, *second, *name;
    } cases[] = {
        {"full", "room", "room", "a full queue: the rest is not tried"},
        {"refuse", "refused", "refused", "a refusal, and what depends on it"},
        {"late", "perhaps", "room", "no answer"},
        {"mute", "perhaps", "room", "success without an id"},
        {"hang", "room", "room", "a controller without room, given up in time"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct helper h;
        slurm_open(&h, cases[i].mode);
        ok(submit_two(&h, "") == 2 && h.status == 0, "%s: both are answered",
           cases[i].mode);
        is(helper_text(&h, 0, "result"), cases[i].first, cases[i].name);
        is(helper_text(&h, 1, "result"), cases[i].second, "and the second unit");
        slurm_close(&h);
    }
}

static void found_after_all(void)
{
    struct helper h;
    slurm_open(&h, "late");

    (void)submit_two(&h, "");
    (void)helper_call(&h, "find",
                      repx_strdup("{\"v\":1,\"keys\":[\"" KEY_A "\",\"" KEY_B "\"]}"));
    ok(json_array_size(h.answer) == 1 && h.status == 0,
       "what was submitted without an answer is found, without accounting");
    is(helper_text(&h, 0, "id"), "1", "with its id");
    put(&h, "mode", "down");
    (void)helper_call(&h, "find", repx_strdup("{\"v\":1,\"keys\":[\"" KEY_B "\"]}"));
    ok(h.status == 1, "a controller that is down is no answer");
    (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    ok(h.status == 1, "to status neither");
    slurm_close(&h);
}

static void no_slurm(void)
{
    struct helper h;
    slurm_open(&h, "good");
    static const char *const empty[] = {"PATH=/nonexistent", NULL};

    h.env = empty;
    (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    ok(h.status == 1, "a machine without Slurm");
    const json_t *e = json_object_get(json_array_get(h.answer, 0), "error");
    const char *text = json_string_value(json_object_get(e, "text"));
    ok(text && strstr(text, "squeue is not in the PATH"), "is told as such: %s", text);
    slurm_close(&h);
}

/* What Slurm put back after a launch that failed waits for ever, unless its owner lets it go. */
static void held(void)
{
    struct helper h;
    slurm_open(&h, "good");

    put(&h, "jobs", "4 " KEY_A " PENDING\n7 " KEY_B " HELD\n9 " KEY_A " HELD\n");
    ok(helper_call(&h, "status", repx_strdup("{\"v\":1}")) == 3 && h.status == 0,
       "status tells of held units");
    is(helper_text(&h, 1, "state"), "pending", "as pending");
    REPX_AUTO_FREE char *released = get(&h, "amended");
    is(released, "release 7,9\n", "and lets go what was put back, in one call");
    put(&h, "jobs", "4 " KEY_A " PENDING\n");
    (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    REPX_AUTO_FREE char *after = get(&h, "amended");
    is(after, "release 7,9\n", "nothing is held: nothing is called");
    slurm_close(&h);
}

int main(void)
{
    accepted();
    held();
    clean_environment();
    not_accepted();
    found_after_all();
    no_slurm();
    return tap_end();
}
