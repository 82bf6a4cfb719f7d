/* SPDX-License-Identifier: MIT */
/* What Slurm prints, as tables. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "plugins/sched-slurm/own.h"
#include "plugins/sched-slurm/parse.h"

/* Text as the name of a test. */
static const char *one_line(const char *text)
{
    static char line[80];

    (void)snprintf(line, sizeof(line), "%s", text);
    for (char *p = strchr(line, '\n'); p; p = strchr(p, '\n'))
        *p = '/';
    return line;
}

static void ids(void)
{
    static const struct {
        const char *out, *id;
    } cases[] = {
        {"123\n", "123"},
        {"123;cluster\n", "123"},
        {"Welcome to 2 clusters\n77\n", "77"},
        {"5 jobs\n", NULL},
        {"", NULL},
        {"Submitted batch job 12\n", NULL},
        {"99999999999999999999999\n", NULL},
        {"12", "12"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[SLURM_ID_MAX] = "";
        int got = slurm_parse_id(cases[i].out, id);
        is(got ? id : NULL, cases[i].id, one_line(cases[i].out));
    }
}

/* What sbatch says below the name of each limit of an association or a QOS. */
#define POLICY                                                                        \
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy " \
    "(job submit limit, user's size and/or time limits)\n"

static void answers_of_sbatch(void)
{
    static const struct {
        int status;
        uint32_t result;
        const char *errors;
    } cases[] = {
        {1, REPX_SUBMIT_REFUSED,
         "sbatch: error: Batch job submission failed: Invalid partition name specified\n"},
        {1, REPX_SUBMIT_ROOM, "sbatch: error: AssocMaxSubmitJobLimit\n" POLICY},
        {1, REPX_SUBMIT_ROOM, "sbatch: error: AssocGrpSubmitJobsLimit\n" POLICY},
        {1, REPX_SUBMIT_ROOM, "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" POLICY},
        {1, REPX_SUBMIT_ROOM, "sbatch: error: MaxSubmitJobsPerAccount\n" POLICY},
        {1, REPX_SUBMIT_ROOM, "sbatch: error: QOSGrpSubmitJobsLimit\n" POLICY},
        {1, REPX_SUBMIT_REFUSED, POLICY}, /* a limit of size or time: it never fits */
        {137, REPX_SUBMIT_ROOM,
         "sbatch: Slurm temporarily unable to accept job, sleeping and retrying\n"},
        {1, REPX_SUBMIT_REFUSED,
         "sbatch: error: QOSMaxCpuPerUserLimit\nsbatch: error: Batch job submission "
         "failed: Job violates accounting/QOS policy\n"},
        {1, REPX_SUBMIT_PERHAPS,
         "sbatch: error: Batch job submission failed: Socket timed out on send/recv "
         "operation\n"},
        {1, REPX_SUBMIT_PERHAPS,
         "sbatch: error: Batch job submission failed: Unable to contact slurm controller "
         "(connect failure)\n"},
        {137, REPX_SUBMIT_PERHAPS, ""},
        {0, REPX_SUBMIT_PERHAPS, ""},
        {1, REPX_SUBMIT_REFUSED, ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(slurm_classify(cases[i].status, cases[i].errors) == cases[i].result,
           "status %d, \"%s\"", cases[i].status, one_line(cases[i].errors));
    }
}

#define KEY "kabcdefghijklmnopqrstuvwxy"

static void rows_of_squeue(void)
{
    static const struct {
        const char *line, *id, *key, *reason;
        int64_t index;
        uint32_t state;
    } cases[] = {
        {"7|N/A|RUNNING|None|n1|repx1:" KEY "|/s/sub/" KEY, "7", KEY, "", -1,
         REPX_STATE_RUNNING},
        {"7|3|PENDING|Priority||repx1:" KEY "|/x", "7", KEY, "Priority", 3,
         REPX_STATE_PENDING},
        {"7|1-5,8%2|PENDING|Dependency||repx1:" KEY "|/x", "7", KEY, "Dependency", -1,
         REPX_STATE_PENDING},
        {"7|N/A|COMPLETED|None|n1|(null)|/s/sub/" KEY, "7", KEY, "", -1,
         REPX_STATE_DONE},
        {"7|N/A|TIMEOUT|TimeLimit|n1|a|b|c|/s/sub/" KEY, "7", KEY, "TimeLimit", -1,
         REPX_STATE_TIMEOUT},
        {"7|N/A|R|None|n[1-3]|other|/home/me", "7", "", "", -1, REPX_STATE_RUNNING},
        {"7|N/A|R|None|n1|repx1:SHOUTING_NO_KEY|/s/sub/x", "7", "", "", -1,
         REPX_STATE_RUNNING},
        {"7|N/A|NEW_STATE|None|n1|repx1:" KEY "|/", "7", KEY, "", -1,
         REPX_STATE_RUNNING},
        {"7|N/A|OUT_OF_MEMORY|OutOfMemory|n1|repx1:" KEY "|/", "7", KEY, "OutOfMemory",
         -1, REPX_STATE_MEMORY},
        {"7_4|N/A|R|None|n1|repx1:" KEY "|/", NULL, NULL, NULL, 0, 0},
        {"slurm_load_jobs error: whatever", NULL, NULL, NULL, 0, 0},
        {"|||||", NULL, NULL, NULL, 0, 0},
        {"", NULL, NULL, NULL, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPX_AUTO_FREE char *line = repx_strdup(cases[i].line);
        struct slurm_row row;
        int got = slurm_parse_queue(line, &row);
        is(got ? row.id : NULL, cases[i].id, cases[i].line);
        if (!got || !cases[i].id)
            continue;
        is(row.key, cases[i].key, "its key");
        is(row.reason, cases[i].reason, "its reason");
        ok(row.index == cases[i].index && row.state == cases[i].state,
           "its index and state");
    }
}

static void rows_of_sacct(void)
{
    static const struct {
        const char *line, *id, *key;
        int64_t index;
        uint32_t state;
    } cases[] = {
        {"42|OUT_OF_MEMORY|0:125|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_MEMORY},
        {"42|PREEMPTED|0:0|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_CANCELED},
        {"42|REQUEUED|0:0|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_PENDING},
        {"42|COMPLETED|0:0|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_DONE},
        {"42|FAILED|1:0|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_FAILED},
        {"42|CANCELLED by 1000|0:15|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_CANCELED},
        {"42_3|NODE_FAIL|0:0|/s/sub/" KEY, "42", KEY, 3, REPX_STATE_NODE},
        {"42_[4-9]|PENDING|0:0|/s/sub/" KEY, "42", KEY, -1, REPX_STATE_PENDING},
        {"42|TIMEOUT|0:0|/s/sub2/" KEY, "42", "", -1, REPX_STATE_TIMEOUT},
        {"42.batch|COMPLETED|0:0|/s/sub/" KEY, NULL, NULL, 0, 0},
        {"42|COMPLETED", NULL, NULL, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPX_AUTO_FREE char *line = repx_strdup(cases[i].line);
        struct slurm_row row;
        int got = slurm_parse_account(line, &row);
        is(got ? row.id : NULL, cases[i].id, cases[i].line);
        if (got && cases[i].id) {
            ok(strcmp(row.key, cases[i].key) == 0 && row.index == cases[i].index &&
                   row.state == cases[i].state,
               "its key, index and state");
        }
    }
}

/* Who cancelled it, and which indices a row speaks for. */
static void more_of_rows(void)
{
    static const struct {
        const char *line;
        int64_t by;
        const char *reason;
    } accounts[] = {
        {"42|CANCELLED by 0|0:15|/s/sub/" KEY, 0, ""},
        {"42|CANCELLED by 1001|0:15|/s/sub/" KEY, 1001, ""},
        {"42|CANCELLED|0:15|/s/sub/" KEY, -1, ""},
        {"42|CANCELLED by root|0:15|/s/sub/" KEY, -1, ""},
        {"42|PREEMPTED|0:0|/s/sub/" KEY, -1, "preempted"},
        {"42|FAILED|0:0|/s/sub/" KEY, -1, ""},
    };
    static const struct {
        const char *line, *indices, *reason;
    } queue[] = {
        {"5|3-7,9%2|PENDING|Resources||repx1:" KEY "|/", "3-7,9", "Resources"},
        {"5|N/A|PENDING|Resources||repx1:" KEY "|/", NULL, "Resources"},
        {"5|1,3,...|PENDING|Resources||repx1:" KEY "|/", NULL, "Resources"},
        {"5|3|RUNNING|None|n1|repx1:" KEY "|/", NULL, ""},
        {"5|N/A|PREEMPTED|None|n1|repx1:" KEY "|/", NULL, "preempted"},
        {"5|N/A|CANCELLED|DependencyNeverSatisfied||repx1:" KEY "|/", NULL,
         "dependency"},
    };

    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
        REPX_AUTO_FREE char *line = repx_strdup(accounts[i].line);
        struct slurm_row row;
        ok(slurm_parse_account(line, &row) && row.by == accounts[i].by, "%s: by whom",
           accounts[i].line);
        is(row.reason, accounts[i].reason, "and its reason");
    }
    for (size_t i = 0; i < sizeof(queue) / sizeof(queue[0]); i++) {
        REPX_AUTO_FREE char *line = repx_strdup(queue[i].line);
        struct slurm_row row;
        int got = slurm_parse_queue(line, &row);
        is(got ? row.indices : "no row", queue[i].indices, queue[i].line);
        is(row.reason, queue[i].reason, "and its reason");
    }
    ok(slurm_no_accounting("Slurm accounting storage is disabled\n") &&
           !slurm_no_accounting(
               "sacct: error: slurm_persist_conn_open: Unable to connect "
               "to slurmdbd\n"),
       "no accounting is told from accounting that does not answer");
}

static void configuration(void)
{
    static const char text[] =
        "Configuration data as of today\n"
        "MaxArraySize            = 1001\n"
        "MaxArraySizeOfOthers = 5\nMinJobAge = 300 sec\n";

    ok(slurm_config_number(text, "MaxArraySize", -1) == 1001, "a number");
    ok(slurm_config_number(text, "MinJobAge", -1) == 300, "with its unit");
    ok(slurm_config_number(text, "MaxJobCount", -1) == -1, "what is not there");
}

static const struct repx_resources unset = {
    .size = sizeof(unset),
    .cpus = REPX_UNSET,
    .memory = REPX_UNSET,
    .time = REPX_UNSET,
    .nodes = REPX_UNSET,
    .tasks = REPX_UNSET,
    .gpus = REPX_UNSET,
    .exclusive = REPX_UNSET,
};

/* The options, with a blank between them; NULL when refused. Caller frees. */
static char *options(const struct repx_resources *r)
{
    struct repx_buf b = {0};
    struct repx_args a = {0};
    struct repx_err err = {0};
    int rc = args_resources(&a, r, &err);

    for (size_t i = 0; i < a.count; i++)
        repx_buf_fmt(&b, "%s%s", i ? " | " : "", a.list[i]);
    repx_args_free(&a);
    char *text = repx_buf_detach(&b);
    if (rc == 0)
        return text;
    free(text);
    return NULL;
}

static void resources(void)
{
    struct repx_resources r = unset;
    REPX_AUTO_FREE char *none = options(&r);

    is(none, "", "nothing is asked for that is unset");
    r.queue = "short";
    r.cpus = 4;
    r.memory = (3 << 20) + 1;
    r.time = 3661;
    r.gpus = 2;
    r.nodes = 1;
    REPX_AUTO_FREE char *some = options(&r);
    is(some,
       "--partition=short | --nodes=1 | --cpus-per-task=4 | --mem=4M | --time=1:01:01 | "
       "--gres=gpu:2",
       "numbers become options");
    r = unset;
    r.time = -2;
    REPX_AUTO_FREE char *unlimited = options(&r);
    is(unlimited, "--time=UNLIMITED", "no limit");
    r = unset;
    r.memory_per_cpu = (1 << 20) + 1;
    REPX_AUTO_FREE char *per_cpu = options(&r);
    is(per_cpu, "--mem-per-cpu=2M", "memory per CPU");
    r.memory = 1 << 20;
    ok(options(&r) == NULL, "memory per node and per CPU at once is refused");
    r = unset;
    r.cpus = 0;
    ok(options(&r) == NULL, "no CPUs is refused");
    r = unset;
    r.queue = "a\nb";
    ok(options(&r) == NULL, "a line break is refused");
}

static void native_options(void)
{
    static const struct {
        const char *option, *args;
    } cases[] = {
        {"--gres=gpu:1", "--gres=gpu:1"},
        {"-A proj", "-A | proj"},
        {"--account  my proj", "--account | my proj"},
        {"--constraint=a b", "--constraint=a b"},
        {"--hint=nomultithread", "--hint=nomultithread"},
        {"gpu", NULL},
        {"-", NULL},
        {"--", NULL},
        {"--x=\n#", NULL},
        {"--array=1-5", NULL},
        {"--arr 1-5", NULL},
        {"-a1-5", NULL},
        {"-d afterok:1", NULL},
        {"--chdir=/", NULL},
        {"--wrap=id", NULL},
        {"--comment=mine", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const list[] = {cases[i].option};
        struct repx_resources r = unset;
        r.native = list;
        r.native_count = 1;
        REPX_AUTO_FREE char *got = options(&r);
        is(got, cases[i].args, one_line(cases[i].option));
    }
}

static void dependencies(void)
{
    const struct repx_dep deps[] = {
        {REPX_DEP_CORR, 0, "3", NULL},
        {REPX_DEP_OK, 0, "1", NULL},
        {REPX_DEP_OK, 0, "2", NULL},
        {REPX_DEP_ANY, 0, "4", NULL},
    };
    const struct repx_dep strange = {REPX_DEP_OK, 0, "1,singleton", NULL};
    struct repx_buf b REPX_AUTO_BUF = {0};

    ok(dependency_text(&b, deps, 4, sizeof(deps[0]), NULL) == 0, "dependencies");
    is(repx_buf_text(&b), "afterok:1:2,afterany:4,aftercorr:3", "by their type");
    ok(dependency_text(&b, &strange, 1, sizeof(strange), NULL) < 0,
       "what is no id is refused");
}

int main(void)
{
    ids();
    answers_of_sbatch();
    rows_of_squeue();
    rows_of_sacct();
    more_of_rows();
    configuration();
    resources();
    native_options();
    dependencies();
    return tap_end();
}
