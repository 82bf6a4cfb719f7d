/* SPDX-License-Identifier: MIT */
/* sync_delta.c: a sync plugin that is offered deltas: right when they work, right when they do
 * not. */
#include <ctype.h>

#include <kit/err.h>

#include "conform.h"
#include "fake_delta.h"

struct offer {
    struct fake_source source;
    size_t large;
};

/* Returns what perform does; the target is to be freed. */
static int perform(struct conform *c, const struct offer *o, enum fake_basis basis,
                   struct fake_target *t, struct repx_err *err)
{
    *err = (struct repx_err){0};
    fake_target_init(t, c, &o->source);
    fake_delta_offer(t, basis, o->large);
    return c->plugin->ops.sync.perform(&t->services, err);
}

/* 0 when it has no use for them. */
static int a_little_changed(struct conform *c, const struct offer *o)
{
    const uint64_t length = o->source.files[o->large].entry.length;
    struct fake_target t;
    struct repx_err err;
    const char *what = "";
    int rc = perform(c, o, FAKE_BASIS_OLDER, &t, &err);
    int used = t.calls[FAKE_SIGNATURE] > 0;

    (void)check(rc == 0 && !t.breach[0] && fake_target_is_whole(&t, &what),
                "all is brought to a target that offers deltas %s%s%s", err.text,
                t.breach, what);
    if (used) {
        (void)check(
            t.delta->made == 1 && t.delta->bytes < length / 2,
            "a file of which an older form is there goes as a delta: %llu bytes "
            "of %llu",
            (unsigned long long)t.delta->bytes, (unsigned long long)length);
    }
    fake_target_free(&t);
    return used;
}

/* Whatever the target has, the file is right in the end. */
static void sent_whole(struct conform *c, const struct offer *o)
{
    static const struct {
        enum fake_basis basis;
        const char *what;
    } offers[] = {
        {FAKE_BASIS_NONE, "a file without anything similar"},
        {FAKE_BASIS_CHANGES, "a file that its delta did not become"},
        {FAKE_BASIS_NOISE, "a file with a signature that is none"},
    };

    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        struct fake_target t;
        struct repx_err err;
        int rc = perform(c, o, offers[i].basis, &t, &err);
        const struct fake_object *large = fake_object_of(&t, o->large);
        (void)check(rc == 0 && !t.breach[0] && large->here, "%s is put whole %s%s",
                    offers[i].what, err.text, t.breach);
        fake_target_free(&t);
    }
}

/* Made of what still is what it was. */
static int is_plain(const char *text)
{
    while (isprint((unsigned char)*text))
        text++;
    return !*text;
}

static void failures(struct conform *c, const struct offer *o)
{
    static const struct {
        enum fake_call call;
        const char *name;
    } fails[] = {{FAKE_SIGNATURE, "signature"}, {FAKE_PATCH, "patch"}};

    for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
        struct fake_target t;
        struct repx_err err = {0};
        fake_target_init(&t, c, &o->source);
        fake_delta_offer(&t, FAKE_BASIS_OLDER, o->large);
        t.fails = fails[i].call;
        t.fails_at = 1;
        int rc = c->plugin->ops.sync.perform(&t.services, &err);
        (void)check(
            rc < 0 && err.code == REPX_E_BUSY && is_plain(err.text) && !t.after &&
                !t.remembers,
            "when %s fails, perform fails with that error and asks nothing more: "
            "%d, code %d, %s, %u calls",
            fails[i].name, rc, (int)err.code, err.text, t.after);
        fake_target_free(&t);
    }
}

void delta_checks(struct conform *c)
{
    uint32_t phase = c->plugin->descriptor->phase;
    struct offer o = {0};

    if (phase == REPX_PHASE_BOOTSTRAP)
        return;
    fake_source_make(&o.source, phase, 1, 1);
    o.large = fake_source_large(&o.source, phase);
    if (a_little_changed(c, &o)) {
        sent_whole(c, &o);
        failures(c, &o);
    } else {
        untested("deltas: it asks for no signature");
    }
    fake_source_free(&o.source);
}
