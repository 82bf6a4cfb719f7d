/* SPDX-License-Identifier: MIT */
/* Which names of a target the files of a Lab get. */
#include "tap.h"

#include "fake_sync.h"

static void a_lab_is_mirrored(void)
{
    static const struct repx_entry lab[] = {
        FAKE_DIR("host-tools"),
        FAKE_DIR("host-tools/h"),
        FAKE_LINK("host-tools/h/bin/sh", "../../../store/p-sh"),
        FAKE_DIR("images"),
        FAKE_FILE("images/i/manifest.json", 1),
        FAKE_DIR("jobs"),
        FAKE_DIR("jobs/a"),
        FAKE_DIR("jobs/a/bin"),
        FAKE_FILE("jobs/a/bin/a", 2),
        FAKE_FILE("jobs/a/p.json", 3),
        FAKE_DIR("jobs/empty"),
        FAKE_FILE("lab/lab-metadata.json", 4),
        FAKE_FILE("notes.txt", 5),
        FAKE_FILE("readme/README.md", 6),
        FAKE_FILE("revision/metadata-top.json", 7),
        FAKE_FILE("store/l-layer.tar", 8),
        FAKE_FILE("store/p-sh", 9),
    };
    const struct repx_plugin *p = repx_plugin_v0();
    const struct repx_sync_ops *ops = p->vtable;
    struct fake_sync f;
    struct repx_err err = {0};

    fake_sync_init(&f, lab, sizeof(lab) / sizeof(*lab));
    ok(p->kind == REPX_KIND_SYNC && p->phase == REPX_PHASE_LAB, "serves the lab phase");
    ok(ops->perform(&f.services, &err) == 0, "performs");
    is(f.log.data,
       "known? place artifacts/host-tools/h(bin/sh->../../../store/p-sh) "
       "place artifacts/jobs/a(bin bin/a p.json) place artifacts/jobs/empty() "
       "place artifacts/lab/lab-metadata.json() place artifacts/readme/README.md() "
       "place artifacts/revision/metadata-top.json() place artifacts/store/p-sh() "
       "lacking verify remember ",
       "packages as trees, shared files alone, images and layers not at all");
    repx_buf_free(&f.log);
}

int main(void)
{
    a_lab_is_mirrored();
    return tap_end();
}
