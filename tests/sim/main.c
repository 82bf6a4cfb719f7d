/* SPDX-License-Identifier: MIT */
/* main.c: seeds.
 *
 *     sim                      10,000 seeds with all safeguards: nothing may go wrong
 *     sim --from M --count N   others
 *     sim --seed N             one, with everything that happens in it
 *     sim --without RULE       claim, look-up, lease, producers, look-again, swap, fence or
 *                              link: some seed must notice */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define COUNT 10000
#define THE_END ((int64_t)60 * 24 * 60 * MINUTE / 4)

const struct submission_rules *rules;
int looks_again = 1, fenced = 1, obeys_link = 1, swaps = 1;

static void world_make(uint64_t seed)
{
    world_reset(seed);
    memset(&fs, 0, sizeof(fs));
    event_count = execution_count = 0;
    slurm_reset();
    plan_make();
}

static void tell_plan(void)
{
    printf(
        "# jobs %d, arrays %d, stale %lld ms, room %d, forgotten after %lld ms, calm from "
        "%.3f\n",
        plan.jobs, plan.arrays, (long long)weather.stale_ms, weather.room,
        (long long)weather.min_age, (double)weather.calm / 1000);
    for (int j = 0; j < plan.jobs; j++) {
        printf("# job %d%s:", j, plan.fails[j] ? ", fails" : "");
        for (int k = 0; k < plan.dep_count[j]; k++)
            printf(" %d", plan.deps[j][k]);
        printf("\n");
    }
}

/* 1 when all went well. */
static int seed_run(uint64_t seed, int tell)
{
    telling = tell;
    world_make(seed);
    if (tell)
        tell_plan();
    (void)proc_start(0, user_main, "the user");
    if (world_run(THE_END) < 0)
        violation("it hangs");
    telling = 0;
    return !violated[0];
}

static int rule_leave_out(struct submission_rules *r, const char *name)
{
    const struct {
        const char *name;
        int *flag;
    } ours[] = {
        {"look-again", &looks_again},
        {"swap", &swaps},
        {"fence", &fenced},
        {"link", &obeys_link},
    };

    if (strcmp(name, "claim") == 0) {
        r->claim = 0;
    } else if (strcmp(name, "look-up") == 0) {
        r->look_up = 0;
    } else if (strcmp(name, "lease") == 0) {
        r->lease = 0;
    } else if (strcmp(name, "producers") == 0) {
        r->producers = 0;
    } else {
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            if (strcmp(name, ours[i].name) != 0)
                continue;
            *ours[i].flag = 0;
            return 0;
        }
        return -1;
    }
    return 0;
}

struct options {
    uint64_t from, count;
    int one;
    const char *without;
    struct submission_rules rules;
};

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: sim [--seed N] [--from N] [--count N] "
                  "[--without RULE] (tests/sim/README.md)\n");
    return -1;
}

static int options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){.count = COUNT, .rules = submission_rules_all};
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) {
            o->from = n;
            o->count = 1;
            o->one = 1;
        } else if (strcmp(argv[i], "--from") == 0) {
            o->from = n;
        } else if (strcmp(argv[i], "--count") == 0) {
            o->count = n;
        } else if (strcmp(argv[i], "--without") == 0 &&
                   rule_leave_out(&o->rules, argv[i + 1]) == 0) {
            o->without = argv[i + 1];
        } else {
            return usage();
        }
    }
    return argc % 2 ? 0 : usage();
}

int main(int argc, char **argv)
{
    static struct options o;
    uint64_t seed, end;

    if (options_read(&o, argc, argv) < 0)
        return 2;
    rules = &o.rules;
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    end = o.from + o.count;
    for (seed = o.from; seed < end && seed_run(seed, o.one); seed++)
        continue;
    int noticed = seed < end;
    if (noticed && !o.one && !o.without)
        (void)seed_run(seed, 1);
    if (noticed)
        printf("# seed %llu: %s\n", (unsigned long long)seed, violated);
    if (o.without) {
        printf("%sok 1 - without %s some seed goes wrong\n1..1\n",
               noticed ? "" : "not ", o.without);
        return !noticed;
    }
    printf("%sok 1 - %llu seeds from %llu\n1..1\n", noticed ? "not " : "",
           (unsigned long long)o.count, (unsigned long long)o.from);
    return noticed;
}
