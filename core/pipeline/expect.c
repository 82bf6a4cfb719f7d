/* SPDX-License-Identifier: MIT */
#include "expect.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "jobs.h"

#define LABS_NOTED 8
#define SETS_MOST 16
#define NOTES_MOST 16384
#define HEX (DIGEST_HEX - 1)

static char *notes_path(const struct pipeline *p)
{
    const struct config_target *t = target_config(p->target);
    REPX_AUTO_FREE char *name = repx_format(
        "%s\n%s\n%s", t->name, t->address ? t->address : "", target_base(p->target));
    REPX_AUTO_FREE char *dir = repx_cache_path("sets");
    struct digest digest;
    char hex[DIGEST_HEX];

    if (!dir)
        return NULL;
    digest_of(name, strlen(name), &digest);
    digest_hex(&digest, hex);
    return repx_format("%s/%.32s", dir, hex);
}

static int by_path(const void *key, const void *entry)
{
    return strcmp(key, ((const struct repx_entry *)entry)->path);
}

/* The manifest holds the digests of all files, so its own tells the Lab. */
static int about(const struct pipeline *p, char hex[DIGEST_HEX])
{
    REPX_AUTO_BUF struct repx_buf all = {0};
    REPX_AUTO_FREE char *file = NULL;
    REPX_AUTO_FREE char *remote = NULL;
    const struct repx_entry *entries;
    struct digest digest;
    size_t count;

    if (lab_entries(p->lab, &entries, &count, NULL) < 0 ||
        pipeline_helper(p->target, p->plan->scheduler, &file, &remote, &digest, NULL) <
            0)
        return -1;
    const struct repx_entry *manifest =
        bsearch(p->lab->manifest, entries, count, sizeof(*entries), by_path);
    if (!manifest)
        return -1;
    repx_buf_add(&all, digest.bytes, sizeof(digest.bytes));
    repx_buf_add(&all, manifest->digest, sizeof(manifest->digest));
    repx_buf_add(&all, &count, sizeof(count));
    repx_buf_str(&all, p->lab->path);
    digest_of(all.data, all.len, &digest);
    digest_hex(&digest, hex);
    return 0;
}

static void read_notes(const char *path, struct repx_buf *notes)
{
    if (repx_read_file(AT_FDCWD, path, NOTES_MOST, notes, NULL) < 0)
        repx_buf_free(notes);
}

/* "<about> <set> <set> ...\n": up to SETS_MOST sets of that Lab. */
static size_t sets_of(const char *notes, const char *hex, struct digest *sets)
{
    size_t count = 0;

    for (const char *line = notes; *line; line += strcspn(line, "\n")) {
        line += *line == '\n';
        if (strncmp(line, hex, HEX) != 0)
            continue;
        for (const char *at = line + HEX; *at == ' ' && count < SETS_MOST; at += HEX) {
            char one[DIGEST_HEX] = "";
            if (strnlen(++at, HEX) < HEX)
                break;
            memcpy(one, at, HEX);
            if (!digest_parse(one, &sets[count]))
                break;
            count++;
        }
        return count;
    }
    return 0;
}

void expect_begin(struct pipeline *p)
{
    REPX_AUTO_FREE char *path = notes_path(p);
    REPX_AUTO_BUF struct repx_buf notes = {0};
    struct digest sets[SETS_MOST];
    char hex[DIGEST_HEX];
    size_t count = 0;

    if (path && !p->options->verify && about(p, hex) == 0) {
        read_notes(path, &notes);
        count = sets_of(repx_buf_text(&notes), hex, sets);
    }
    sets_expect(target_sets(p->target), sets, count);
    if (!count)
        return;
    pipeline_ask_status(p);
    pipeline_keep_root(p, sets, count);
}

void expect_drop(struct pipeline *p)
{
    plan_status_cancel(p->asked);
    p->asked = NULL;
    session_cancel(p->root);
    p->root = NULL;
}

void expect_end(struct pipeline *p)
{
    REPX_AUTO_FREE char *path = notes_path(p);
    REPX_AUTO_BUF struct repx_buf old = {0};
    REPX_AUTO_BUF struct repx_buf notes = {0};
    size_t count, lines = 1;
    const struct digest *sets = sets_known(target_sets(p->target), &count);
    char hex[DIGEST_HEX], set[DIGEST_HEX];

    if (!path || !count || count > SETS_MOST || about(p, hex) < 0)
        return;
    repx_buf_str(&notes, hex);
    for (size_t i = 0; i < count; i++) {
        digest_hex(&sets[i], set);
        repx_buf_fmt(&notes, " %s", set);
    }
    repx_buf_char(&notes, '\n');
    read_notes(path, &old);
    if (old.len >= notes.len && memcmp(old.data, notes.data, notes.len) == 0)
        return;
    for (const char *at = repx_buf_text(&old); *at && lines < LABS_NOTED;) {
        size_t n = strcspn(at, "\n");
        if (n > HEX && strncmp(at, hex, HEX) != 0) {
            repx_buf_add(&notes, at, n);
            repx_buf_char(&notes, '\n');
            lines++;
        }
        at += n + (at[n] == '\n');
    }
    char *slash = strrchr(path, '/');
    *slash = 0;
    int rc = repx_make_dirs(path, 0700, NULL);
    *slash = '/';
    if (rc == 0)
        (void)repx_write_file(AT_FDCWD, path, notes.data, notes.len, 0600, NULL);
}
