/* SPDX-License-Identifier: MIT */
#include "fake_source.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/digest.h"

#define LARGE 300000
#define VERY_LARGE 3000001

static struct fake_file *add(struct fake_source *s, uint32_t kind, char *path)
{
    s->files = repx_grow(s->files, s->count + 1, sizeof(*s->files));
    struct fake_file *f = &s->files[s->count++];

    *f = (struct fake_file){.path = path};
    f->entry.size = sizeof(f->entry);
    f->entry.kind = kind;
    f->at = strncmp(path, "bin/", 4) == 0 ? repx_strdup(path)
                                          : repx_format("artifacts/%s", path);
    return f;
}

static void add_file(struct fake_source *s, char *path, unsigned seed, uint64_t length)
{
    struct fake_file *f = add(s, REPX_ENTRY_FILE, path);
    REPX_AUTO_FREE char *bytes = repx_alloc((size_t)length + 1);
    struct digest d;

    f->seed = seed;
    f->entry.length = length;
    f->entry.executable = seed % 3 == 1;
    digest_of(bytes, fake_source_bytes(f, 0, bytes, (size_t)length), &d);
    memcpy(f->entry.digest, d.bytes, sizeof(d.bytes));
}

static void add_link(struct fake_source *s, char *path, const char *to)
{
    add(s, REPX_ENTRY_LINK, path)->link = repx_strdup(to);
}

/* A program, a link to it, inputs of which some are shared, and an empty file. */
static void add_job(struct fake_source *s, unsigned job, unsigned each)
{
    const char *id = "9xk3b1qv7w5n2m4c8d6f0g1h3j5k7l9p";

    (void)add(s, REPX_ENTRY_DIR, repx_format("jobs/%s-%u", id, job));
    (void)add(s, REPX_ENTRY_DIR, repx_format("jobs/%s-%u/bin", id, job));
    add_file(s, repx_format("jobs/%s-%u/bin/run", id, job), 3 * job + 1, 200);
    add_link(s, repx_format("jobs/%s-%u/bin/again", id, job), "run");
    add_file(s, repx_format("jobs/%s-%u/shared", id, job), 2, 1000);
    add_file(s, repx_format("jobs/%s-%u/empty", id, job), 3, 0);
    for (unsigned i = 0; i < each; i++) {
        add_file(s, repx_format("jobs/%s-%u/input-%u", id, job, i),
                 1000 + job * each + i, 64);
    }
}

static void make_lab(struct fake_source *s, unsigned jobs, unsigned each)
{
    (void)add(s, REPX_ENTRY_DIR, repx_strdup("jobs"));
    for (unsigned i = 0; i < jobs; i++)
        add_job(s, i, each);
    (void)add(s, REPX_ENTRY_DIR, repx_strdup("lab"));
    add_file(s, repx_strdup("lab/5bq2-lab-metadata.json"), 5, LARGE);
    add_file(s, repx_strdup("revision/7hs1-metadata.json"), 6, 500);
    add_file(s, repx_strdup("host-tools/3vd8/bin/tool"), 7, 900);
    add_file(s, repx_strdup("store/8yz4-library"), 8, 900);
}

static void make_images(struct fake_source *s, unsigned images)
{
    for (unsigned i = 0; i < images; i++) {
        REPX_AUTO_FREE char *to = repx_format("../../../store/l%u-layer.tar", i % 7);
        (void)add(s, REPX_ENTRY_DIR, repx_format("images/im%u-1.0", i));
        add_file(s, repx_format("images/im%u-1.0/manifest.json", i), 100 + i, 300);
        add_link(s, repx_format("images/im%u-1.0/l/layer.tar", i), to);
    }
    for (unsigned i = 0; i < 7 && i < images; i++)
        add_file(s, repx_format("store/l%u-layer.tar", i), 10 + i, LARGE);
}

static void make_bootstrap(struct fake_source *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add_file(s, repx_format("bin/%064u/sched-mine", i), 3 * i + 1, 2000);
        add_file(s, repx_format("host-tools/h%u/bin/tool", i), 3 * i + 4, 900);
        add_link(s, repx_format("host-tools/h%u/bin/alias", i), "tool");
    }
}

void fake_source_make(struct fake_source *s, uint32_t phase, unsigned jobs,
                      unsigned each)
{
    *s = (struct fake_source){0};
    if (phase == REPX_PHASE_LAB) {
        make_lab(s, jobs, each);
    } else if (phase == REPX_PHASE_IMAGE) {
        make_images(s, jobs * each);
    } else {
        make_bootstrap(s, jobs * each);
    }
}

size_t fake_source_large(struct fake_source *s, uint32_t phase)
{
    if (phase == REPX_PHASE_LAB) {
        add_file(s, repx_strdup("jobs/1mz8s3yq0r5bj7c4k9xn2wpl6dvhgf1a-9/large"), 9,
                 VERY_LARGE);
    } else {
        (void)add(s, REPX_ENTRY_DIR, repx_strdup("images/large-1.0"));
        add_file(s, repx_strdup("images/large-1.0/manifest.json"), 99, 300);
        add_link(s, repx_strdup("images/large-1.0/l/layer.tar"),
                 "../../../store/large-layer.tar");
        add_file(s, repx_strdup("store/large-layer.tar"), 98, VERY_LARGE);
    }
    return s->count - 1;
}

/* Content that repeats itself nowhere. */
static uint64_t mixed(uint64_t n)
{
    n = (n + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

size_t fake_source_bytes(const struct fake_file *f, uint64_t offset, char *to,
                         size_t len)
{
    uint64_t left = offset < f->entry.length ? f->entry.length - offset : 0;
    size_t n = left < len ? (size_t)left : len;

    for (size_t i = 0; i < n; i++) {
        to[i] = (char)(mixed((uint64_t)f->seed << 40 | (offset + i) / 8) >>
                       (offset + i) % 8 * 8);
    }
    return n;
}

void fake_source_free(struct fake_source *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->files[i].path);
        free(s->files[i].link);
        free(s->files[i].at);
    }
    free(s->files);
    *s = (struct fake_source){0};
}
