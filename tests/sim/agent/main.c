/* SPDX-License-Identifier: MIT */
/* sim-agent: the agent's own code for submission, scatter-gather and cancelling in a world
 * in which processes are killed and stopped anywhere; one number decides all of it.
 *
 *     sim-agent [--from M] [--count N]   seeds M.. (1), so many (200)
 *     sim-agent --seed N                 one, step by step
 *     sim-agent --without RULE           one safeguard is left out: some seed must notice */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/submission.h"
#include "core/wire/verbs.h"
#include "sim/agent/world.h"

#define LAST_MS 60000

#define HEX "000000000000000000000000000000000000000000000000000000000000000"

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
struct submission_rules __wrap_submission_rules_all = {1, 1, 1, 1};
/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

/* ---- the directory ---- */

static void put(const char *path, const void *bytes, size_t n, mode_t mode)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", world->base, path);
    REPX_AUTO_FREE char *dir = repx_strdup(whole);

    *strrchr(dir, '/') = 0;
    (void)repx_make_dirs(dir, 0755, NULL);
    (void)repx_write_file(AT_FDCWD, whole, bytes, n, mode, NULL);
}

/* What is made first, a scatter-gather of it, and what that is for. */
static char *plan_of(int run, int job)
{
    const char *deps[JOBS] = {"[]", "[0]", "[1]"};
    int work = world->works && job == JOBS - 1 && run < LAST ? run : 0;
    const char *exes = "\"main\":{\"path\":\"jobs/a/bin/m\"}";

    if (job == 1) {
        exes = world->steps == 2
                   ? "\"scatter\":{\"path\":\"jobs/a/bin/s\"},"
                     "\"gather\":{\"path\":\"jobs/a/bin/g\"},"
                     "\"step-a\":{\"path\":\"jobs/a/bin/a\",\"deps\":[]},"
                     "\"step-b\":{\"path\":\"jobs/a/bin/b\",\"deps\":[\"a\"]}"
                   : "\"scatter\":{\"path\":\"jobs/a/bin/s\"},"
                     "\"gather\":{\"path\":\"jobs/a/bin/g\"},"
                     "\"step-b\":{\"path\":\"jobs/a/bin/b\",\"deps\":[]}";
    }
    return repx_format("{\"v\":1,\"id\":\"job-%d\",\"key\":\"" HEX "%d\",\"pkg\":\"" HEX
                       "0\",\"type\":\"%s\",\"runtime\":\"native\",\"wanted\":%s,"
                       "\"sink\":\"b\",\"exes\":{%s},\"deps\":%s}\n",
                       job, work, job == 1 ? "scatter-gather" : "simple",
                       job == JOBS - 1 ? "true" : "false", exes, deps[job]);
}

static void put_run(int number)
{
    const char *run = run_ids[number];
    struct repx_buf plan REPX_AUTO_BUF = {0};
    struct utsname machine;
    uint64_t index[JOBS + 1];

    (void)uname(&machine);
    for (int i = 0; i < JOBS; i++) {
        REPX_AUTO_FREE char *line = plan_of(number, i);
        index[i] = plan.len;
        repx_buf_str(&plan, line);
    }
    index[JOBS] = plan.len;
    REPX_AUTO_FREE char *record = repx_format(
        "{\"v\":1,\"run\":\"%s\",\"scheduler\":\"fake\",\"helper\":{\"%s\":"
        "\"bin/x/sched-fake\"},\"agents\":{\"%s\":\"bin/x/repx-agent\"},"
        "\"count\":%d,\"jobs_limit\":4}\n",
        run, machine.machine, machine.machine, JOBS);
    REPX_AUTO_FREE char *dir = repx_format(".repx/runs/%s", run);
    REPX_AUTO_FREE char *events = repx_format("%s/events/none", dir);
    REPX_AUTO_FREE char *lines = repx_format("%s/plan", dir);
    REPX_AUTO_FREE char *offsets = repx_format("%s/plan.idx", dir);
    REPX_AUTO_FREE char *run_record = repx_format("%s/run.json", dir);
    put(events, "", 0, 0644);
    put(lines, plan.data, plan.len, 0644);
    put(offsets, index, sizeof(index), 0644);
    put(run_record, record, strlen(record), 0644);
}

/* ---- a seed ---- */

static void plan_seed(uint64_t seed)
{
    static const int rates[] = {0, 0, 0, 30, 8, 3};
    static const int kills[] = {0, 0, 0, 12, 4};

    world->seed = seed;
    world->chance = seed * 2654435761u + 12345;
    (void)chance(1);
    world->works = seed % 4 == 0;
    world->branches = (int)chance(6);
    world->steps = 1 + (int)chance(2);
    world->room = one_in(2) ? (int)between(4, 12) : 0;
    world->stubborn = one_in(4);
    world->killing = kills[chance(5)];
    world->requeues = rates[chance(6)];
    world->switching = rates[chance(6)] * 10;
    world->lost = rates[chance(6)];
    world->nothing = rates[chance(6)];
    world->breaks = rates[chance(6)];
    world->deaf = rates[chance(6)] * 3;
    world->calm = between(60, 1200) * 1000;
    world->remembers = one_in(3) ? 20000 : 300000;
}

static void start_client(int run, int64_t in_ms)
{
    struct proc *p = proc_start(CLIENT, in_ms, client_main);

    if (!p)
        return;
    p->run = run;
    if (one_in(2))
        p->kill_at = 1 + chance(300);
    if (one_in(3))
        p->stop_at = 1 + chance(300);
}

static void start_canceller(int run)
{
    struct proc *c = proc_start(CANCELLER, between(0, 120000), canceller_main);

    if (c)
        c->run = run;
    if (c && one_in(4))
        c->kill_at = 1 + chance(60);
    struct proc *again = proc_start(CANCELLER, world->calm, canceller_main);
    if (again)
        again->run = run; /* who was killed, or got no answer, tries again */
}

static void start_all(void)
{
    start_client(0, 0);
    if (one_in(2))
        start_client(one_in(2), between(0, 30000));
    if (one_in(3))
        start_canceller(0);
    if (world->works && one_in(2))
        start_canceller(1 + (int)chance(2)); /* in the middle, perhaps */
    for (int run = 1; world->works && run < LAST; run++) {
        start_client(run, between(0, 60000));
        if (one_in(2))
            start_client(run, between(0, 120000));
    }
    struct proc *last = proc_start(CLIENT, world->calm + LAST_MS, last_client_main);
    if (last)
        last->run = LAST;
}

/* run: of any, when it is -1 */
static int wants(const struct execution *x, int run, int job, const char *phase,
                 int64_t branch)
{
    return x->ok && (run < 0 || x->run == run) && x->job == job &&
           x->branch == branch && strcmp(x->phase, phase) == 0;
}

static void check_ran(int run, int job, const char *phase, int64_t branch)
{
    int n = 0;

    for (int i = 0; i < world->execution_count; i++)
        n += wants(world->executions + i, run, job, phase, branch);
    /* who is killed after it wrote its end counts as a failure to the scheduler only */
    if (n > 1)
        violation("job %d %s, branch %d: %d times", job, phase, (int)branch, n);
}

static void check_end(void)
{
    if (!world->violated[0] && !world->finished)
        violation("the last client did not come to an end");
    if (!world->violated[0] && scheduler_left())
        violation("left in the queue: %s", scheduler_left());
    check_ran(-1, 0, "main", -1);
    for (int run = world->works ? 0 : -1; run < (world->works ? RUNS : 0); run++)
        check_ran(run, JOBS - 1, "main", -1);
    check_ran(-1, 1, "gather", -1);
    for (int i = 0; i < world->branches; i++) {
        check_ran(-1, 1, "step-b", i);
        check_ran(-1, 1, "step-a", i);
    }
}

static void world_make(uint64_t seed)
{
    struct timespec t;
    struct site site;
    struct repx_err err = {0};

    memset(world, 0, sizeof(*world));
    (void)clock_gettime(CLOCK_REALTIME, &t);
    world->epoch = (int64_t)t.tv_sec * 1000;
    plan_seed(seed);
    (void)snprintf(world->base, sizeof(world->base), "%s/repx-sim.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(world->base) || site_open(&site, world->base, NULL, &err) < 0) {
        violation("%s: %s", world->base, err.text);
        return;
    }
    site_close(&site);
    put("bin/x/sched-fake", "#!/bin/sh\n", 10, 0755);
    put("bin/x/repx-agent", "#!/bin/sh\n", 10, 0755);
    for (int i = 0; i < RUNS; i++)
        put_run(i);
    (void)sem_init(&world->driver, 1, 0);
}

/* 0 all is well. */
static int one(uint64_t seed)
{
    world_make(seed);
    say("%d branches, %d steps, room %d", world->branches, world->steps, world->room);
    if (!world->violated[0])
        start_all();
    world_turn();
    check_end();
    (void)sem_destroy(&world->driver);
    if (!telling || !getenv("REPX_SIM_KEEP"))
        (void)repx_remove_tree(AT_FDCWD, world->base, NULL);
    return world->violated[0] != 0;
}

/* ---- the command line ---- */

static int leave_out(const char *rule)
{
    const char *const names[] = {"claim", "look-up", "lease", "mark"};
    size_t i = 0;

    while (i < 4 && strcmp(rule, names[i]) != 0)
        i++;
    __wrap_submission_rules_all.claim = i != 0;
    __wrap_submission_rules_all.look_up = i != 1;
    __wrap_submission_rules_all.lease = i != 2;
    no_lease = i == 2;
    no_mark = i == 3;
    return i < 4 ? 0 : -1;
}

static int show(uint64_t seed)
{
    telling = 1;
    int rc = one(seed);
    (void)printf("seed %llu: %s\n", (unsigned long long)seed,
                 rc ? world->violated : "all is well");
    return rc;
}

static int explore(uint64_t from, uint64_t count, const char *without)
{
    for (uint64_t seed = from; seed < from + count; seed++) {
        if (!one(seed))
            continue;
        if (without) {
            (void)printf("without %s: seed %llu notices: %s\n", without,
                         (unsigned long long)seed, world->violated);
            return 0;
        }
        (void)printf("seed %llu: %s\n", (unsigned long long)seed, world->violated);
        if (show(seed))
            return 1;
        telling = 0; /* a full disk, say: what the seed does not decide */
    }
    (void)printf("%llu seeds: %s\n", (unsigned long long)count,
                 without ? "nothing notices" : "all is well");
    return without != NULL;
}

int main(int argc, char **argv)
{
    const char *without = NULL;
    uint64_t from = 1, count = 200, seed = 0;

    world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED)
        return 2;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--from") == 0)
            from = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--count") == 0)
            count = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--without") == 0)
            without = argv[i + 1];
    }
    if (without && leave_out(without) < 0) {
        (void)fprintf(stderr, "sim-agent: %s: no such safeguard\n", without);
        return 2;
    }
    return seed ? show(seed) : explore(from, count, without);
}
