/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "state.h"

static struct lab_state *state_of(struct lab *lab)
{
    return (struct lab_state *)(void *)lab; /* its first member */
}

static void drop_scratch(struct lab_state *s)
{
    free(s->files);
    free(s->raw_jobs);
    free(s->raw_files);
    free(s->raw_runs);
    free(s->job_files);
    s->files = NULL;
    s->raw_jobs = NULL;
    s->raw_files = NULL;
    s->raw_runs = NULL;
    s->job_files = NULL;
    intern_free(&s->names);
}

void lab_close(struct lab *lab)
{
    if (!lab)
        return;
    struct lab_state *s = state_of(lab);
    drop_scratch(s);
    source_close(&s->source);
    arena_free(&s->arena);
    free(s);
}

static int read_runs(struct lab_state *s, const struct doc_strings *runs,
                     struct repx_err *err)
{
    for (size_t i = 0; i < runs->count; i++) {
        if (run_read(s, runs->items[i], err) < 0)
            return -1;
    }
    return runs_settle(s, err);
}

/* The order is that of what one would want to be told first. */
static int read_lab(struct lab_state *s, const char *path, struct repx_err *err)
{
    struct doc_strings runs = {0};

    if (lab_manifest_read(s, err) < 0)
        return -1;
    int rc = manifest_check(s, err);
    source_remember(&s->source, path); /* also what is right beside what is wrong */
    if (rc < 0)
        return -1;
    if (root_read(s, &runs, err) < 0 || host_tools_find(s, err) < 0 ||
        read_runs(s, &runs, err) < 0)
        return -1;
    return graph_check(s, err);
}

struct lab *lab_open(const char *path, unsigned flags, struct repx_err *err)
{
    struct lab_state *s = REPX_NEW(struct lab_state);
    struct repx_err why = {0};

    s->names.arena = &s->arena;
    s->lab.path = arena_text(&s->arena, path, strlen(path));
    int rc = source_open(&s->source, path, flags, &why);
    s->lab.is_tar = s->source.is_tar;
    if (rc == 0)
        rc = read_lab(s, path, &why);
    if (rc == 0) {
        drop_scratch(s);
        return &s->lab;
    }
    (void)repx_fail(err, why.code, "%s: %s", path, doc_visible(&s->arena, why.text));
    lab_close(&s->lab);
    return NULL;
}

const struct lab_job *lab_job_find(const struct lab *lab, const char *id)
{
    size_t low = 0, high = lab->job_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lab->jobs[middle].id, id);
        if (order == 0)
            return &lab->jobs[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct lab_run *lab_run_find(const struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->run_count; i++) {
        if (strcmp(lab->runs[i].name, name) == 0)
            return &lab->runs[i];
    }
    return NULL;
}

const struct lab_exe *lab_exe_find(const struct lab_job *job, const char *name)
{
    for (size_t i = 0; i < job->exe_count; i++) {
        if (strcmp(job->exes[i].name, name) == 0)
            return &job->exes[i];
    }
    return NULL;
}

static int check_entries(struct lab_state *s, struct repx_err *err)
{
    struct repx_err why = {0};

    if (s->entries_checked)
        return 0;
    if (index_check_links(&s->source.index, &why) < 0 ||
        source_digest(&s->source, NULL, 0, &why) < 0) {
        return repx_fail(err, why.code, "%s: %s", s->lab.path,
                         doc_visible(&s->arena, why.text));
    }
    source_remember(&s->source, s->lab.path);
    index_free(&s->source.past); /* nothing is left to be digested */
    s->entries_checked = 1;
    return 0;
}

int lab_entries(struct lab *lab, const struct repx_entry **entries, size_t *count,
                struct repx_err *err)
{
    struct lab_state *s = state_of(lab);

    if (check_entries(s, err) < 0)
        return -1;
    *entries = s->source.index.entries;
    *count = s->source.index.count;
    return 0;
}

int64_t lab_read(struct lab *lab, size_t i, uint64_t offset, void *to, size_t len,
                 struct repx_err *err)
{
    struct lab_state *s = state_of(lab);
    struct repx_err why = {0};

    if (i >= s->source.index.count ||
        s->source.index.entries[i].kind != REPX_ENTRY_FILE)
        return repx_fail(err, REPX_E_FAILED, "%s: entry %zu is no file", lab->path, i);
    int64_t n = source_read(&s->source, i, offset, to, len, &why);
    if (n < 0) {
        return repx_fail(err, why.code, "%s: %s", lab->path,
                         doc_visible(&s->arena, why.text));
    }
    return n;
}

int lab_digest(struct lab *lab, struct digest *out, struct repx_err *err)
{
    struct lab_state *s = state_of(lab);

    if (check_entries(s, err) < 0)
        return -1;
    digest_tree(s->source.index.entries, s->source.index.count, out);
    return 0;
}

/* The entries whose path begins with dir: from the result to before *end. */
static size_t subtree(const struct index *ix, const char *dir, size_t *end)
{
    size_t n = strlen(dir), low = 0, high = ix->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(ix->entries[middle].path, dir) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (*end = low; *end < ix->count; ++*end) {
        if (strncmp(ix->entries[*end].path, dir, n) != 0)
            break;
    }
    return low;
}

int lab_package_digest(struct lab *lab, const char *job_id, struct digest *out,
                       struct repx_err *err)
{
    struct lab_state *s = state_of(lab);
    REPX_AUTO_FREE char *dir = repx_format("jobs/%s", job_id);
    struct index *ix = &s->source.index;
    size_t at, end;

    if (check_entries(s, err) < 0)
        return -1;
    if (index_resolve(ix, dir, &at, NULL) < 0 || at == INDEX_NONE)
        return repx_fail(err, REPX_E_NOENT, "%s: there is no %s", lab->path, dir);
    REPX_AUTO_FREE char *below = repx_format("%s/", ix->entries[at].path);
    size_t first = subtree(ix, below, &end);
    REPX_AUTO_FREE struct repx_entry *entries =
        repx_array(end - first + 1, sizeof(*entries));
    for (size_t i = first; i < end; i++) {
        entries[i - first] = ix->entries[i];
        entries[i - first].path += strlen(below);
    }
    digest_tree(entries, end - first, out);
    return 0;
}
