/* SPDX-License-Identifier: MIT */
/* sync.c: a sync plugin against a target of the test's own, which remembers what it was
 * given and refuses what the contract forbids. */
#include <string.h>

#include <kit/err.h>

#include "around.h"
#include "conform.h"
#include "fake_target.h"

#define JOBS 6u
#define EACH 4u
#define ROUNDS 50 /* of looking for leaks */
#define LEAK 12   /* bytes a round; half of what malloc gives at least */

static int perform(struct conform *c, struct fake_target *t, struct repx_err *err)
{
    *err = (struct repx_err){0};
    return c->plugin->ops.sync.perform(&t->services, err);
}

static uint32_t phase_of(const struct conform *c)
{
    return c->plugin->descriptor->phase;
}

static void nothing(struct conform *c)
{
    struct fake_source none = {0};
    struct fake_target t;
    struct repx_err err;

    fake_target_init(&t, c, &none);
    int rc = perform(c, &t, &err);
    (void)check(rc == 0 && !t.calls[FAKE_PLACE] && !t.calls[FAKE_PUT] && !t.breach[0],
                "an empty source is nothing to do, and no error %s%s", err.text,
                t.breach);
    fake_target_free(&t);
}

/* To an empty target, then to one that has it all. */
static void whole(struct conform *c, const struct fake_source *source)
{
    struct fake_target t;
    struct repx_err err;
    const char *what = "";

    fake_target_init(&t, c, source);
    int rc = perform(c, &t, &err);
    (void)check(rc == 0, "%zu entries are brought to an empty target %s", source->count,
                err.text);
    (void)check(!t.breach[0], "in the way the contract allows %s", t.breach);
    int all = fake_target_is_whole(&t, &what);
    (void)check(all, "each file and link of the source stands where it belongs%s%s",
                all ? "" : "; not: ", what);
    (void)check(t.calls[FAKE_VERIFY] > 0, "it waits for verify");
    fake_target_again(&t);
    rc = perform(c, &t, &err);
    (void)check(rc == 0 && !t.calls[FAKE_PUT] && !t.breach[0],
                "a second time nothing is sent %s%s", err.text, t.breach);
    (void)check(!t.known_asked || !t.remembers ||
                    (!t.calls[FAKE_PLACE] && !t.calls[FAKE_REMEMBER]),
                "a set that is known costs nothing more");
    fake_target_free(&t);
}

/* One file changed since: only that travels. */
static void changed(struct conform *c, const struct fake_source *source)
{
    struct fake_target t;
    struct fake_source part = *source;
    struct repx_err err;
    int rc;

    part.count--;
    fake_target_init(&t, c, source);
    t.source = &part;
    rc = perform(c, &t, &err);
    t.source = source;
    fake_target_again(&t);
    t.breach[0] = 0;
    if (rc == 0)
        rc = perform(c, &t, &err);
    (void)check(rc == 0 && t.calls[FAKE_PUT] <= 1 && !t.breach[0],
                "after a change only what changed is sent: %u files %s%s",
                t.calls[FAKE_PUT], err.text, t.breach);
    fake_target_free(&t);
}

/* A service that fails: its error is the plugin's, and the target is left alone then. */
static void failures(struct conform *c, const struct fake_source *source)
{
    static const struct {
        enum fake_call call;
        unsigned at;
        const char *name;
    } fails[] = {{FAKE_ENTRY, 3, "source_entry"}, {FAKE_DIGEST, 1, "tree_digest"},
                 {FAKE_KNOWN, 1, "known"},        {FAKE_PLACE, 2, "place"},
                 {FAKE_LACKING, 1, "lacking"},    {FAKE_PUT, 2, "put"},
                 {FAKE_VERIFY, 1, "verify"},      {FAKE_REMEMBER, 1, "remember"}};

    for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
        struct fake_target t;
        struct repx_err err;
        fake_target_init(&t, c, source);
        t.fails = fails[i].call;
        t.fails_at = fails[i].at;
        int rc = perform(c, &t, &err);
        if (!t.failed) {
            untested("%s that fails: it is not called", fails[i].name);
        } else {
            (void)check(rc < 0 && err.code == REPX_E_BUSY &&
                            strstr(err.text, "the target says no"),
                        "when %s fails, perform fails with that error: %d, code %d, %s",
                        fails[i].name, rc, (int)err.code, err.text);
            (void)check(!t.after && !t.remembers,
                        "and asks nothing more of the target: %u calls", t.after);
        }
        fake_target_free(&t);
    }
}

static void cancel(struct conform *c, const struct fake_source *source)
{
    struct fake_target t;
    struct repx_err err;
    const char *what;

    fake_target_init(&t, c, source);
    t.cancel_at = 3;
    int rc = perform(c, &t, &err);
    (void)check(rc < 0 && err.code == REPX_E_CANCELED,
                "cancel in the middle ends it with REPX_E_CANCELED: %d, code %d, %s",
                rc, (int)err.code, err.text);
    (void)check(!t.remembers && t.calls[FAKE_PUT] < t.cancel_at + 70,
                "after that nothing is remembered, and sending stops");
    cancel_set(c, 0);
    fake_target_again(&t);
    rc = perform(c, &t, &err);
    (void)check(rc == 0 && !t.breach[0] && fake_target_is_whole(&t, &what),
                "and the next time goes on from there: %u files %s%s",
                t.calls[FAKE_PUT], err.text, t.breach);
    fake_target_free(&t);
}

/* A host of days to come: larger structs, and what lies behind is none of the plugin's. */
static void later_host(struct conform *c, const struct fake_source *source)
{
    struct {
        struct repx_sync_host services;
        char later[64];
    } sync;
    struct {
        struct repx_host host;
        char later[64];
    } host;
    struct fake_target t;
    struct repx_err err = {0};

    fake_target_init(&t, c, source);
    memset(&sync, 0x5a, sizeof(sync));
    memset(&host, 0x5a, sizeof(host));
    host.host = *c->services;
    host.host.size = sizeof(host);
    sync.services = t.services;
    sync.services.size = sizeof(sync);
    sync.services.host = &host.host;
    int rc = c->plugin->ops.sync.perform(&sync.services, &err);
    (void)check(rc == 0 && !t.breach[0], "it takes a host that is newer %s%s", err.text,
                t.breach);
    fake_target_free(&t);
}

static unsigned trips(struct conform *c, unsigned jobs, unsigned each, int64_t *ms)
{
    struct fake_source source;
    struct fake_target t;
    struct repx_err err;

    fake_source_make(&source, phase_of(c), jobs, each);
    fake_target_init(&t, c, &source);
    *ms = c->services->now_ms(c->services->ctx);
    (void)perform(c, &t, &err);
    *ms = c->services->now_ms(c->services->ctx) - *ms;
    unsigned n = t.trips;
    fake_target_free(&t);
    fake_source_free(&source);
    return n;
}

static void scale(struct conform *c)
{
    int64_t few_ms, many_ms;
    unsigned few = trips(c, 2, 2, &few_ms), many = trips(c, 60, 40, &many_ms);

    (void)check(many <= few + 2,
                "round trips do not grow with the number of files: %u, and %u for "
                "thousands",
                few, many);
    (void)check(many_ms < (int64_t)c->patience * 1000,
                "thousands of files take their time: %lld ms", (long long)many_ms);
}

/* ROUNDS transfers, every other one of which fails. Returns how much more heap is in use. */
static size_t grown(struct conform *c, const struct fake_source *source)
{
    size_t heap = heap_in_use();

    for (int i = 0; i < ROUNDS; i++) {
        struct fake_target t;
        struct repx_err err;
        fake_target_init(&t, c, source);
        t.fails = i % 2 ? FAKE_PUT : FAKE_NONE;
        t.fails_at = 2;
        (void)perform(c, &t, &err);
        fake_target_free(&t);
    }
    return heap_in_use() > heap ? heap_in_use() - heap : 0;
}

/* The allocator keeps a little more now and then; what leaks does so every time. */
static void leaks(struct conform *c, const struct fake_source *source)
{
    size_t least = grown(c, source), fds = count_fds();

    for (int i = 0; i < 4; i++) {
        size_t more = grown(c, source);
        least = more < least ? more : least;
    }
    (void)check(count_fds() == fds, "%d times leave no descriptor", ROUNDS);
    (void)check(least < (size_t)LEAK * ROUNDS,
                "%d times leave no memory: %zu bytes more each", ROUNDS,
                least / ROUNDS);
}

void sync_checks(struct conform *c)
{
    struct fake_source source;
    struct around *around = around_begin();

    fake_source_make(&source, phase_of(c), JOBS, EACH);
    nothing(c);
    whole(c, &source);
    changed(c, &source);
    failures(c, &source);
    cancel(c, &source);
    later_host(c, &source);
    scale(c);
    leaks(c, &source);
    delta_checks(c);
    fake_source_free(&source);
    around_end(around);
    untested("a transfer to a real target: run a Lab through it (repx-sync(3))");
}
