/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* FNM_LEADING_DIR */
#include "core/pipeline/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/printable.h>

#include "core/wire/verbs.h"

/* A file that is to come. */
struct item {
    const struct result *entry;
    char *path; /* <job>/out/..., the same here and below outputs/ */
    int state;  /* what was there when we looked */
    uint64_t offset;
    char part[DIGEST_HEX]; /* name in DIR/.repx-part */
    int again;
};

struct pull {
    const struct pull_request *request;
    struct pull_report *report;
    char *glob;
    struct pull_dir dir;
    struct item *items;
    size_t count, cap;
    uint64_t total, done;
    /* the file that comes now */
    struct pull_part *asked;
    size_t *item_of; /* part -> item */
    int fd;
    uint64_t got;
    struct digest_ctx sum;
};

static void note(struct pull *p, int what, const char *path, const char *text)
{
    struct pull_report *r = p->report;

    r->notes = repx_grow(r->notes, r->note_count + 1, sizeof(*r->notes));
    r->notes[r->note_count++] =
        (struct pull_note){what, repx_printable_line(path), repx_printable_line(text)};
}

void pull_report_free(struct pull_report *report)
{
    for (size_t i = 0; i < report->note_count; i++) {
        free(report->notes[i].path);
        free(report->notes[i].text);
    }
    free(report->notes);
    *report = (struct pull_report){0};
}

/* ---- deciding ---- */

/* The whole path, or the name of a directory on the way. */
static int matches(const char *glob, const char *path)
{
    return fnmatch(glob, path, FNM_LEADING_DIR) == 0;
}

static int is_chosen(const struct pull *p, const char *path)
{
    const char *glob = p->glob, *slash = strchr(path, '/');

    return !glob || matches(glob, path) ||
           (strncmp(path, "out/", 4) == 0 && matches(glob, slash + 1));
}

/* "./a/" as "a". */
static char *plain_glob(const char *glob)
{
    while (glob && strncmp(glob, "./", 2) == 0)
        glob += 2;
    char *copy = repx_strdup(glob);
    for (size_t n = copy ? strlen(copy) : 0; n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = 0;
    return copy;
}

/* The same file of the same content finds its part again. */
static void part_name(struct item *i)
{
    struct digest_ctx c;
    struct digest name;

    digest_begin(&c);
    digest_add(&c, i->entry->digest.bytes, sizeof(i->entry->digest.bytes));
    digest_add(&c, i->entry->executable ? "x" : "f", 1);
    digest_add(&c, i->path, strlen(i->path));
    digest_end(&c, &name);
    digest_hex(&name, i->part);
}

static void want(struct pull *p, char *path, const struct result *entry, int state)
{
    struct stat st;

    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 256;
        p->items = repx_grow(p->items, p->cap, sizeof(*p->items));
    }
    struct item *i = &p->items[p->count++];
    *i = (struct item){.entry = entry, .path = path, .state = state, .again = 1};
    part_name(i);
    if (fstatat(p->dir.parts, i->part, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= entry->length) {
            i->offset = (uint64_t)st.st_size;
        } else {
            (void)repx_remove_tree(p->dir.parts, i->part, NULL);
        }
    }
    p->report->resumed += i->offset;
}

static void make_dir(struct pull *p, const char *path)
{
    REPX_AUTO_FREE char *below = repx_format("%s/.", path);
    const char *leaf;
    REPX_AUTO_CLOSE int fd = pull_dir_parent(&p->dir, below, 1, &leaf);

    if (fd < 0)
        note(p, PULL_BROKEN_FILE, path, strerror(errno));
}

static void make_link(struct pull *p, const char *path, const struct result *entry,
                      int state)
{
    REPX_AUTO_FREE char *tmp = repx_format("link.%ld", (long)getpid());
    const char *leaf;

    if (!pull_link_is_inside(entry->path, entry->link)) {
        REPX_AUTO_FREE char *text =
            repx_format("a link to %s, which is not below its out", entry->link);
        note(p, PULL_REFUSED, path, text);
        return;
    }
    REPX_AUTO_CLOSE int dir = pull_dir_parent(&p->dir, path, 1, &leaf);
    (void)unlinkat(p->dir.parts, tmp, 0);
    if (dir < 0 || symlinkat(entry->link, p->dir.parts, tmp) < 0 ||
        (state == PULL_ABSENT &&
         faccessat(dir, leaf, F_OK, AT_SYMLINK_NOFOLLOW) == 0) ||
        renameat(p->dir.parts, tmp, dir, leaf) < 0) {
        note(p, PULL_BROKEN_FILE, path, strerror(errno));
        return;
    }
    p->report->files++;
    pull_dir_note(&p->dir, path, entry);
}

static void decide(struct pull *p, const char *job, const struct result *entry)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", job, entry->path);

    if (entry->kind == REPX_ENTRY_DIR) {
        make_dir(p, path);
        return;
    }
    if (entry->kind == REPX_ENTRY_FILE && !entry->hashed) {
        note(p, PULL_BROKEN_FILE, path, "cannot be read on the target");
        return;
    }
    int state = pull_dir_state(&p->dir, path, entry);
    if (state == PULL_SAME) {
        p->report->current++;
        pull_dir_note(&p->dir, path, entry);
    } else if (state == PULL_BLOCKED) {
        note(p, PULL_KEPT, path, "something of another kind is in its place here");
    } else if (state == PULL_CHANGED && !p->request->force) {
        note(p, PULL_KEPT, path, "was changed here; --force replaces it");
    } else if (entry->kind == REPX_ENTRY_LINK) {
        make_link(p, path, entry, state);
    } else {
        want(p, path, entry, state);
        path = NULL;
    }
}

/* ---- receiving ---- */

static int part_open(struct pull *p, const struct item *i, struct repx_err *err)
{
    mode_t mode = i->entry->executable ? 0777 : 0666;
    int flags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC |
                (i->offset ? 0 : O_TRUNC);

    digest_begin(&p->sum);
    p->got = 0;
    p->fd = openat(p->dir.parts, i->part, flags, mode);
    if (p->fd < 0)
        return repx_fail_errno(err, "%s/.repx-part", p->request->dir);
    if (!i->offset)
        return 0;
    REPX_AUTO_FREE char *chunk = repx_alloc(PULL_CHUNK);
    ssize_t n;
    while ((n = read(p->fd, chunk, PULL_CHUNK)) > 0) {
        digest_add(&p->sum, chunk, (size_t)n);
        p->got += (uint64_t)n;
    }
    return n < 0 ? repx_fail_errno(err, "%s/.repx-part", p->request->dir) : 0;
}

static struct item *item_of(struct pull *p, size_t part)
{
    return &p->items[p->item_of[part]];
}

static int on_bytes(void *ctx, size_t part, const void *bytes, size_t n,
                    struct repx_err *err)
{
    struct pull *p = ctx;
    const struct ui *ui = p->request->ui;

    if (p->fd < 0 && part_open(p, item_of(p, part), err) < 0)
        return -1;
    if (repx_write_all(p->fd, bytes, n) < 0)
        return repx_fail_errno(err, "%s", p->request->dir);
    digest_add(&p->sum, bytes, n);
    p->got += n;
    p->done += n;
    p->report->bytes += n;
    if (ui && ui->progress)
        ui->progress(ui->ctx, "pull", "bytes", p->done, p->total);
    return 0;
}

/* Whole and right: to its place, unless somebody put something there meanwhile. */
static void install(struct pull *p, const struct item *i)
{
    const char *leaf;
    REPX_AUTO_CLOSE int dir = pull_dir_parent(&p->dir, i->path, 1, &leaf);

    if (dir >= 0 && pull_dir_state(&p->dir, i->path, i->entry) != i->state) {
        (void)unlinkat(p->dir.parts, i->part, 0);
        note(p, PULL_KEPT, i->path, "was changed here meanwhile; pull again");
        return;
    }
    if (dir < 0 || renameat(p->dir.parts, i->part, dir, leaf) < 0) {
        note(p, PULL_BROKEN_FILE, i->path, strerror(errno));
        return;
    }
    p->report->files++;
    pull_dir_note(&p->dir, i->path, i->entry);
}

static int on_end(void *ctx, size_t part, const char *broken, struct repx_err *err)
{
    struct pull *p = ctx;
    struct item *i = item_of(p, part);
    struct digest sum;

    if (p->fd < 0 && part_open(p, i, err) < 0)
        return -1;
    repx_close_fd(&p->fd);
    p->fd = -1;
    digest_end(&p->sum, &sum);
    int good = !broken && p->got == i->entry->length &&
               memcmp(&sum, &i->entry->digest, sizeof(sum)) == 0;
    i->again = !broken && !good && i->offset; /* the old beginning was wrong */
    if (good) {
        install(p, i);
    } else if (broken) {
        note(p, PULL_BROKEN_FILE, i->path, broken);
    } else if (!i->again) {
        note(p, PULL_BROKEN_FILE, i->path,
             "is not what the target said it is: it was changed there after the job "
             "ended, or while it was read");
    }
    if (!good)
        (void)unlinkat(p->dir.parts, i->part, 0);
    i->offset = 0;
    return 0;
}

static int fetch(struct pull *p, struct target *target, struct repx_err *err)
{
    const struct pull_sink sink = {p, on_bytes, on_end};
    size_t n = 0;

    p->asked = repx_array(p->count + 1, sizeof(*p->asked));
    p->item_of = repx_array(p->count + 1, sizeof(*p->item_of));
    p->total = p->done = 0;
    for (size_t k = 0; k < p->count; k++) {
        const struct item *i = &p->items[k];
        if (!i->again)
            continue;
        p->item_of[n] = k;
        p->asked[n++] =
            (struct pull_part){i->path, i->offset, i->entry->length - i->offset};
        p->total += i->entry->length - i->offset;
    }
    p->fd = -1;
    int rc = pull_read(target, p->asked, n, &sink, err);
    repx_close_fd(&p->fd);
    free(p->asked);
    free(p->item_of);
    return rc;
}

static int any_again(const struct pull *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].again)
            return 1;
    }
    return 0;
}

static int pull_all(struct pull *p, struct target *target, const struct pull_jobs *jobs,
                    struct repx_err *err)
{
    for (size_t j = 0; j < jobs->count; j++) {
        const struct pull_job *job = &jobs->items[j];
        p->report->without += job->files.count == 0;
        for (size_t k = 0; k < job->files.count; k++) {
            if (!is_chosen(p, job->files.items[k].path))
                continue;
            p->report->chosen++;
            decide(p, job->id, &job->files.items[k]);
        }
    }
    int rc = fetch(p, target, err);
    if (rc == 0 && any_again(p))
        rc = fetch(p, target, err);
    return rc;
}

int pull_perform(struct target *target, const struct pull_request *request,
                 struct pull_report *report, struct repx_err *err)
{
    struct pull p = {.request = request, .report = report, .fd = -1};
    struct pull_jobs jobs = {0};
    struct repx_err why = {0};

    *report = (struct pull_report){.jobs = request->count};
    if (pull_list(target, request->ids, request->count, &jobs, err) < 0)
        return -1;
    p.glob = plain_glob(request->glob);
    int rc = pull_dir_open(&p.dir, request->dir, err);
    if (rc == 0) {
        rc = pull_all(&p, target, &jobs, err);
        if (pull_dir_save(&p.dir, &why) < 0 && rc == 0)
            rc = repx_fail(err, why.code, "%s/.repx-pull: %s", request->dir, why.text);
    }
    pull_dir_close(&p.dir);
    for (size_t i = 0; i < p.count; i++)
        free(p.items[i].path);
    free(p.items);
    free(p.glob);
    pull_jobs_free(&jobs);
    return rc;
}
