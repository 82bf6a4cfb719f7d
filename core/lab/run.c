/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "state.h"

struct reading {
    struct lab_raw_run run;
    struct repx_buf ids; /* const char *[] */
};

static int add_job(struct doc *d, const char *key, void *ctx)
{
    struct lab_state *s = d->ctx;

    if (s->raw_count == s->raw_cap) {
        s->raw_cap = s->raw_cap ? s->raw_cap * 2 : 64;
        s->raw_jobs = repx_grow(s->raw_jobs, s->raw_cap, sizeof(*s->raw_jobs));
        s->raw_files = repx_grow(s->raw_files, s->raw_cap, sizeof(*s->raw_files));
    }
    if (job_read(d, key, &s->raw_jobs[s->raw_count]) < 0)
        return -1;
    s->raw_files[s->raw_count++] = d->file;
    repx_buf_add(ctx, &key, sizeof(key));
    return 0;
}

static int read_jobs(struct doc *d, void *slot)
{
    return doc_map(d, add_job, slot);
}

static int read_name(struct doc *d, void *slot)
{
    const char *bad;

    if (doc_string(d, slot) < 0)
        return -1;
    bad = doc_bad_name(*(const char **)slot);
    return bad ? doc_fail(d, "%s; give the run a name that is safe in a path", bad) : 0;
}

/* The last component without its last extension becomes the image's tag. */
static int good_image_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (const char *p = name; *p; p++) {
        int word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                   (*p >= '0' && *p <= '9');
        if (!word && !strchr("._:-", *p))
            return 0;
    }
    return *name != '.' && *name != '-';
}

static int read_image(struct doc *d, void *slot)
{
    const char **path = slot;

    if (doc_string(d, slot) < 0 || state_path(d, path, NULL) < 0)
        return -1;
    if (!good_image_name(*path)) {
        return doc_fail(d,
                        "the file name of '%s' has other characters than letters, "
                        "digits and . _ : -, or begins with a dot or dash; rename it",
                        *path);
    }
    return 0;
}

static int read_dependency(struct doc *d, const char *key, void *ctx)
{
    const char *value;

    (void)key;
    (void)ctx;
    return doc_string(d, &value);
}

/* Checked and then of no consequence: runs are not ordered. */
static int read_dependencies(struct doc *d, void *slot)
{
    return doc_map(d, read_dependency, slot);
}

static int read_run(struct doc *d, void *to)
{
    static const struct doc_field fields[] = {
        {"name", JSON_STRING, DOC_REQUIRED, offsetof(struct reading, run.name),
         read_name},
        {"jobs", JSON_OBJECT, DOC_REQUIRED, offsetof(struct reading, ids), read_jobs},
        {"image", JSON_STRING, DOC_NULLABLE, offsetof(struct reading, run.image),
         read_image},
        {"dependencies", JSON_OBJECT, 0, 0, read_dependencies},
    };

    return doc_object(d, fields, sizeof(fields) / sizeof(fields[0]), to);
}

int run_read(struct lab_state *s, const char *file, struct repx_err *err)
{
    struct reading now = {.run.file = file};
    int rc = state_read(s, file, read_run, &now, err);

    now.run.job_count = now.ids.len / sizeof(const char *);
    if (rc == 0 && now.ids.len)
        now.run.jobs = arena_copy(&s->arena, now.ids.data, now.ids.len);
    repx_buf_free(&now.ids);
    if (rc < 0)
        return rc;
    size_t at = 0;
    while (at < s->raw_run_count && s->raw_runs[at].name != now.run.name)
        at++;
    if (at == s->raw_run_count) {
        s->raw_run_count++;
        s->raw_runs = repx_grow(s->raw_runs, s->raw_run_count, sizeof(*s->raw_runs));
    }
    s->raw_runs[at] = now.run; /* of two with one name the later counts */
    return 0;
}

struct place {
    const char *id;
    size_t was;
};

static int by_id(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int c = strcmp(x->id, y->id);

    return c ? c : (x->was > y->was) - (x->was < y->was);
}

/* All jobs by id; of repeated ids the one read last. */
static void settle_jobs(struct lab_state *s)
{
    struct place *order = repx_array(s->raw_count + 1, sizeof(*order));
    struct lab_job *jobs =
        arena_array(&s->arena, s->raw_count + 1, sizeof(struct lab_job));
    size_t n = 0;

    s->job_files = repx_array(s->raw_count + 1, sizeof(*s->job_files));
    for (size_t i = 0; i < s->raw_count; i++)
        order[i] = (struct place){s->raw_jobs[i].id, i};
    qsort(order, s->raw_count, sizeof(*order), by_id);
    for (size_t i = 0; i < s->raw_count; i++) {
        if (i + 1 < s->raw_count && order[i].id == order[i + 1].id)
            continue;
        jobs[n] = s->raw_jobs[order[i].was];
        s->job_files[n++] = s->raw_files[order[i].was];
    }
    free(order);
    s->lab.jobs = s->jobs = jobs;
    s->lab.job_count = n;
}

static int check_directories(struct lab_state *s)
{
    struct repx_buf path = {0};
    struct repx_err why = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->lab.job_count; i++) {
        size_t at = INDEX_NONE;
        path.len = 0;
        repx_buf_str(&path, "jobs/");
        repx_buf_str(&path, s->lab.jobs[i].id);
        if (index_resolve(&s->source.index, path.data, &at, &why) < 0) {
            rc = state_fail(s, i, ": its directory %s %s; make the Lab again",
                            path.data, why.text);
        } else if (at == INDEX_NONE ||
                   s->source.index.entries[at].kind != REPX_ENTRY_DIR) {
            rc =
                state_fail(s, i, ": %s is no directory; make the Lab again", path.data);
        }
    }
    repx_buf_free(&path);
    return rc;
}

static int by_index(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int by_run_name(const void *a, const void *b)
{
    const struct lab_run *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void settle_runs(struct lab_state *s)
{
    struct lab_run *runs =
        arena_array(&s->arena, s->raw_run_count + 1, sizeof(struct lab_run));

    for (size_t i = 0; i < s->raw_run_count; i++) {
        const struct lab_raw_run *raw = &s->raw_runs[i];
        size_t *jobs = arena_array(&s->arena, raw->job_count + 1, sizeof(*jobs)), n = 0;
        for (size_t k = 0; k < raw->job_count; k++)
            jobs[k] = (size_t)(lab_job_find(&s->lab, raw->jobs[k]) - s->lab.jobs);
        qsort(jobs, raw->job_count, sizeof(*jobs), by_index);
        for (size_t k = 0; k < raw->job_count; k++) {
            if (n == 0 || jobs[n - 1] != jobs[k])
                jobs[n++] = jobs[k];
        }
        runs[i] = (struct lab_run){.name = raw->name,
                                   .image = raw->image,
                                   .file = raw->file,
                                   .jobs = jobs,
                                   .job_count = n};
    }
    qsort(runs, s->raw_run_count, sizeof(*runs), by_run_name);
    s->lab.runs = runs;
    s->lab.run_count = s->raw_run_count;
}

int runs_settle(struct lab_state *s, struct repx_err *err)
{
    s->err = err;
    settle_jobs(s);
    if (check_directories(s) < 0)
        return -1;
    settle_runs(s);
    return 0;
}
