/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <kit/mirror.h>

#include "fake_sync.h"

static const struct repx_entry entries[] = {FAKE_FILE("b", 2), FAKE_FILE("a", 1),
                                            FAKE_LINK("l", "a"), FAKE_FILE("late", 3)};

/* Adds the entries: a, b and l to tree "t", late to round 1. */
static struct repx_mirror *mirror_of(struct fake_sync *f)
{
    struct repx_mirror *m = repx_mirror_create(&f->services);

    fake_sync_init(f, entries, sizeof(entries) / sizeof(*entries));
    for (size_t i = 0; i < 3; i++)
        repx_mirror_add(m, 0, "t", entries[i].path, &entries[i], i);
    repx_mirror_add(m, 1, "late", "", &entries[3], 3);
    return m;
}

static void a_known_set_costs_one_question(void)
{
    struct fake_sync f;
    struct repx_err err = {0};
    struct repx_mirror *m = mirror_of(&f);

    f.known = 1;
    ok(repx_mirror_run(m, &err) == 0, "runs");
    is(f.log.data, "known? ", "and asks for the set only");
    repx_mirror_destroy(m);
    repx_buf_free(&f.log);
}

static void what_is_lacking_is_sent_in_that_order(void)
{
    struct fake_sync f;
    struct repx_err err = {0};
    struct repx_mirror *m = mirror_of(&f);

    f.lacks[0] = 2;
    f.lacks[1] = 1;
    f.lack_count = 2;
    ok(repx_mirror_run(m, &err) == 0, "runs");
    is(f.log.data,
       "known? place t(a b l->a) lacking put b put a verify place late() lacking verify "
       "remember ",
       "rounds one after the other");
    repx_mirror_destroy(m);
    repx_buf_free(&f.log);
}

static void errors_end_it(void)
{
    struct fake_sync f;
    struct repx_err err = {0};
    struct repx_mirror *m = mirror_of(&f);

    f.lacks[0] = 9;
    f.lack_count = 1;
    ok(repx_mirror_run(m, &err) < 0 && err.code == REPX_E_CORRUPT,
       "a target may not ask for what it was not told of: %s", err.text);
    repx_mirror_destroy(m);
    repx_buf_free(&f.log);

    m = mirror_of(&f);
    f.fail_verify = 1;
    ok(repx_mirror_run(m, &err) < 0, "a failed verify is told");
    ok(!strstr(f.log.data, "late") && !strstr(f.log.data, "remember"),
       "and nothing follows it");
    repx_mirror_destroy(m);
    repx_buf_free(&f.log);

    m = mirror_of(&f);
    f.canceled = 1;
    f.lacks[0] = 1;
    f.lack_count = 1;
    ok(repx_mirror_run(m, &err) < 0 && err.code == REPX_E_CANCELED,
       "the user stops it");
    repx_mirror_destroy(m);
    repx_buf_free(&f.log);
}

static void room_is_asked_for_first(void)
{
    static const struct repx_entry large = {.size = sizeof(large),
                                            .path = "x",
                                            .kind = REPX_ENTRY_FILE,
                                            .length = UINT64_C(1) << 30,
                                            .digest = {1}};
    struct fake_sync f;
    struct repx_err err = {0};

    for (int fits = 0; fits < 2; fits++) {
        fake_sync_init(&f, &large, 1);
        struct repx_mirror *m = repx_mirror_create(&f.services);
        repx_mirror_add(m, 0, "x", "", &large, 0);
        f.lacks[0] = 1;
        f.lack_count = 1;
        f.length = large.length;
        f.room = fits ? large.length : large.length - 1;
        ok((repx_mirror_run(m, &err) == 0) == fits, "room %s", err.text);
        ok((strstr(f.log.data, "put") != NULL) == fits, "and nothing is sent in vain");
        repx_mirror_destroy(m);
        repx_buf_free(&f.log);
    }
}

static void inodes_are_counted_too(void)
{
    static const struct repx_entry files[] = {FAKE_FILE("a", 1), FAKE_FILE("b", 2)};

    for (uint64_t inodes = 1; inodes < 3; inodes++) {
        struct fake_sync f;
        struct repx_err err = {0};
        fake_sync_init(&f, files, 2);
        struct repx_mirror *m = repx_mirror_create(&f.services);
        for (uint64_t i = 0; i < 2; i++) {
            repx_mirror_add(m, 0, "x", files[i].path, &files[i], i);
            f.lacks[i] = (uint8_t)(i + 1);
        }
        f.lack_count = 2;
        f.inodes = inodes;
        ok((repx_mirror_run(m, &err) == 0) == (inodes == 2), "%d: %s", (int)inodes,
           err.text);
        repx_mirror_destroy(m);
        repx_buf_free(&f.log);
    }
}

int main(void)
{
    a_known_set_costs_one_question();
    what_is_lacking_is_sent_in_that_order();
    errors_end_it();
    room_is_asked_for_first();
    inodes_are_counted_too();
    return tap_end();
}
