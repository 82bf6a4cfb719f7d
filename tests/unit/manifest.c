/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/ini/ini.h"
#include "core/plugin/manifest.h"
#include "core/plugin/tool/manifest_write.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD "[plugin]\nkind = sched\nname = x\nabi = 0.1\n"

static const struct {
    const char *text, *want; /* a piece of the message; NULL: accepted */
} cases[] = {
    {HEAD, NULL},
    {HEAD "sha256 = " ZEROS "\n", NULL},
    {HEAD "later = 1\n[strange]\nx = y\n", NULL},
    {HEAD "[helpers]\nx86_64 = " ZEROS "\naarch64 = " ZEROS "\n", NULL},
    {"", "has no kind"},
    {"[plugin]\nkind = sched\nname = x\n", "has no abi"},
    {"[plugin]\nkind = scheduler\n", ":2: kind is \"scheduler\", need transport"},
    {"[plugin]\nkind = sched\nname = ../x\n", ":3: name is \"../x\""},
    {"[plugin]\nabi = 1\n", "need MAJOR.MINOR"},
    {"[plugin]\nabi = 0.-1\n", "need MAJOR.MINOR"},
    {"[plugin]\nabi = 4294967296.1\n", "need MAJOR.MINOR"},
    {HEAD "abi = 0.1\n", "abi is given twice"},
    {HEAD "phase = lab\n", "a sync plugin has a phase, no other"},
    {HEAD "sha256 = 12\n", "is no SHA-256"},
    {HEAD "[helpers]\nx/y = " ZEROS "\n", "is no architecture"},
    {"[plugin]\nkind = sched\nname = y\nabi = 0.1\n", "is the manifest of sched-y"},
    {"junk\n", "/d/sched-x.ini:1: "},
};

static void broken_manifests_are_named(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct manifest m;
        struct repx_err err = {0};
        int rc = manifest_parse("/d/sched-x.ini", cases[i].text, strlen(cases[i].text),
                                &m, &err);
        if (cases[i].want) {
            ok(rc < 0 && strstr(err.text, cases[i].want), "refused: %s (%s)",
               cases[i].want, err.text);
        } else {
            ok(rc == 0, "accepted: case %zu %s", i, err.text);
        }
        manifest_free(&m);
    }
}

static void a_manifest_becomes_an_info(void)
{
    static const char text[] = HEAD
        "version = 2\nvendor = me\nsummary = one\n    two\n"
        "[helpers]\nx86_64 = " ZEROS "\n";
    struct manifest m;
    struct repx_err err = {0};

    ok(manifest_parse("/d/sched-x.ini", text, strlen(text), &m, &err) == 0, "parses");
    is(m.info.file, "/d/sched-x.so", "the .so lies beside it");
    is(m.info.helper_dir, "/d", "and so do helpers");
    is(m.info.summary, "one two", "a text goes on in indented lines");
    is(m.info.license, "", "a text that is missing is empty");
    ok(m.info.sha256 == NULL, "a digest that is missing is NULL");
    ok(m.helper_count == 1, "helpers are read");
    is(m.helper_count ? m.helpers[0].arch : NULL, "x86_64", "with their architecture");
    manifest_free(&m);
}

static void what_is_written_can_be_read(void)
{
    char word[300];
    struct repx_buf b = {0}, summary = {0};
    struct manifest m;
    struct repx_err err = {0};

    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = 0;
    for (int i = 0; i < 100; i++)
        repx_buf_str(&summary, "ten bytes ");
    repx_buf_str(&summary, "\n\t; no comment ");
    repx_buf_str(&summary, word);
    const struct repx_field field = {"key", REPX_FIELD_INT, REPX_FIELD_REQUIRED, -1,
                                     9,     "-1 ; x",       summary.data};
    const struct repx_plugin p = {.kind = REPX_KIND_SYNC,
                                  .phase = REPX_PHASE_LAB,
                                  .abi_minor = 1,
                                  .name = "x",
                                  .version = "1",
                                  .vendor = "",
                                  .license = "MIT",
                                  .summary = summary.data,
                                  .fields = &field,
                                  .field_count = 1,
                                  .field_stride = sizeof(field)};
    manifest_write(&b, &p, ZEROS, "");
    size_t longest = 0, here = 0;
    for (size_t i = 0; i < b.len; i++) {
        here = b.data[i] == '\n' ? 0 : here + 1;
        longest = here > longest ? here : longest;
    }
    ok(longest <= INI_LINE, "no line is too long (%zu)", longest);
    ok(manifest_parse("/d/sync-x.ini", b.data, b.len, &m, &err) == 0,
       "it is accepted %s", err.text);
    ok(m.info.summary && strstr(m.info.summary, "ten bytes , no comment www"),
       "texts survive");
    ok(m.info.phase == REPX_PHASE_LAB, "and the phase");
    manifest_free(&m);
    repx_buf_free(&b);
    repx_buf_free(&summary);
}

int main(void)
{
    broken_manifests_are_named();
    a_manifest_becomes_an_info();
    what_is_written_can_be_read();
    return tap_end();
}
