/* SPDX-License-Identifier: MIT */
/* Which names of a target images and their layers get, and in which order. */
#include "tap.h"

#include "fake_sync.h"

static const struct repx_sync_ops *ops(void)
{
    return repx_plugin_v0()->vtable;
}

static void layers_come_first(void)
{
    static const struct repx_entry source[] = {
        FAKE_DIR("images/run-1.2"),
        FAKE_LINK("images/run-1.2/l/layer.tar", "../../../store/l-layer.tar"),
        FAKE_FILE("images/run-1.2/manifest.json", 1),
        FAKE_FILE("store/l-layer.tar", 2),
    };
    struct fake_sync f;
    struct repx_err err = {0};

    fake_sync_init(&f, source, sizeof(source) / sizeof(*source));
    f.lacks[0] = 2;
    f.lack_count = 1;
    ok(ops()->perform(&f.services, &err) == 0, "performs");
    is(f.log.data,
       "known? place artifacts/store/l-layer.tar() lacking put store/l-layer.tar verify "
       "place artifacts/images/run-1(->run-1.2) "
       "place artifacts/images/run-1.2(l/layer.tar->../../../store/l-layer.tar "
       "manifest.json) lacking verify remember ",
       "layers, then the image and its tag");
    repx_buf_free(&f.log);
}

static void a_tag_never_takes_an_image_s_name(void)
{
    static const struct repx_entry source[] = {
        FAKE_FILE("images/a/manifest.json", 1),
        FAKE_FILE("images/a.b/manifest.json", 2)};
    struct fake_sync f;
    struct repx_err err = {0};

    fake_sync_init(&f, source, 2);
    ok(ops()->perform(&f.services, &err) == 0 && !strstr(f.log.data, "->"), "no tag");
    repx_buf_free(&f.log);
}

static const struct repx_entry refused[] = {FAKE_FILE("images/a.tar", 1),
                                            FAKE_FILE("image/a.tar.gz", 1),
                                            FAKE_FILE("jobs/x/y", 1)};

static void what_cannot_be_sent_is_named(void)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct fake_sync f;
        struct repx_err err = {0};
        fake_sync_init(&f, &refused[i], 1);
        ok(ops()->perform(&f.services, &err) < 0 && err.code == REPX_E_UNSUPPORTED &&
               strstr(err.text, refused[i].path) && !*f.log.data,
           "%s", err.text);
        repx_buf_free(&f.log);
    }
}

int main(void)
{
    layers_come_first();
    a_tag_never_takes_an_image_s_name();
    what_cannot_be_sent_is_named();
    return tap_end();
}
