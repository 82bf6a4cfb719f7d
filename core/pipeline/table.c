/* SPDX-License-Identifier: MIT */
#include "core/pipeline/table.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "core/json/json.h"
#include "core/pipeline/pull.h"
#include "core/plan/params.h"
#include "core/wire/digest.h"
#include "core/wire/verbs.h"

#define LINE_LONGEST 65536

/* A file that may be a cell. */
struct want {
    size_t row;
    const char *name; /* of the output */
    const struct result *entry;
};

struct filling {
    struct table table;
    struct want *wants;
    struct pull_part *parts;
    size_t count;
    struct repx_buf text; /* of the file that comes */
    struct table_result *result;
};

static int set_params(struct table *t, size_t row, const struct lab *lab, size_t job,
                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (params_effective(&text, lab, job, err) < 0)
        return -1;
    struct json *all = json_parse(text.data, text.len, err);
    for (const struct json *v = json_first(all); v; v = json_next(v)) {
        REPX_AUTO_BUF struct repx_buf raw = {0};
        int type = json_type(v);
        if (type == JSON_STRING) {
            table_set(t, row, TABLE_PARAM, json_key(v), json_string(v));
        } else if (type == JSON_NUMBER || type == JSON_BOOL) {
            json_put_value(&raw, v, 0);
            table_set(t, row, TABLE_PARAM, json_key(v), repx_buf_text(&raw));
        } else if (type == JSON_NULL) {
            table_set(t, row, TABLE_PARAM, json_key(v), "");
        }
    }
    json_free(all);
    return all ? 0 : -1;
}

static void add_want(struct filling *f, size_t row, const struct lab_output *output,
                     const struct pull_job *job)
{
    if (!output->value || strncmp(output->value, "$out/", 5) != 0)
        return;
    REPX_AUTO_FREE char *path = repx_format("out/%s", output->value + 5);
    const struct result *entry = results_find(&job->files, path);
    if (!entry || entry->kind != REPX_ENTRY_FILE || !entry->hashed ||
        entry->length > LINE_LONGEST || !entry->length)
        return;
    f->wants = repx_grow(f->wants, f->count + 1, sizeof(*f->wants));
    f->parts = repx_grow(f->parts, f->count + 1, sizeof(*f->parts));
    f->wants[f->count] = (struct want){row, output->name, entry};
    f->parts[f->count++] =
        (struct pull_part){repx_format("%s/%s", job->id, path), 0, entry->length};
}

static void add_wants(struct filling *f, size_t row, const struct lab_job *job,
                      struct pull_job *there)
{
    if (there->status != JOB_SUCCEEDED) { /* what it left so far is no result */
        f->result->without++;
        return;
    }
    results_sort(&there->files);
    for (size_t e = 0; e < job->exe_count; e++) {
        const struct lab_exe *x = &job->exes[e];
        if (strcmp(x->name, "main") != 0 && strcmp(x->name, "gather") != 0)
            continue;
        for (size_t o = 0; o < x->output_count; o++)
            add_want(f, row, &x->outputs[o], there);
    }
}

static int on_bytes(void *ctx, size_t part, const void *bytes, size_t n,
                    struct repx_err *err)
{
    struct filling *f = ctx;

    (void)part;
    (void)err;
    repx_buf_add(&f->text, bytes, n);
    return 0;
}

static void note_broken(struct filling *f, const char *path, const char *why)
{
    struct table_result *r = f->result;
    REPX_AUTO_FREE char *text = repx_format("%s: %s", path, why);

    r->broken = repx_grow(r->broken, r->broken_count + 1, sizeof(*r->broken));
    r->broken[r->broken_count++] = repx_printable_line(text);
}

static int on_end(void *ctx, size_t part, const char *broken, struct repx_err *err)
{
    struct filling *f = ctx;
    const struct want *w = &f->wants[part];
    struct digest sum;

    (void)err;
    digest_of(repx_buf_text(&f->text), f->text.len, &sum);
    if (!broken && memcmp(&sum, &w->entry->digest, sizeof(sum)) != 0)
        broken = "is not what its manifest says: it was changed after the job ended";
    if (broken) {
        note_broken(f, f->parts[part].path, broken);
    } else {
        REPX_AUTO_FREE char *line = table_line(repx_buf_text(&f->text), f->text.len);
        if (line)
            table_set(&f->table, w->row, TABLE_OUTPUT, w->name, line);
    }
    f->text.len = 0;
    return 0;
}

void table_result_free(struct table_result *result)
{
    for (size_t i = 0; i < result->broken_count; i++)
        free(result->broken[i]);
    free(result->broken);
    repx_buf_free(&result->csv);
    *result = (struct table_result){.without = 0};
}

int table_of_jobs(struct target *target, const struct lab *lab, const size_t *jobs,
                  size_t count, struct table_result *result, struct repx_err *err)
{
    REPX_AUTO_FREE const char **ids = repx_array(count + 1, sizeof(*ids));
    struct filling f = {.table = {.rows = ids, .row_count = count}, .result = result};
    const struct pull_sink sink = {&f, on_bytes, on_end};
    struct pull_jobs there = {0};
    int rc = 0;

    *result = (struct table_result){.without = 0};
    for (size_t i = 0; i < count; i++)
        ids[i] = lab->jobs[jobs[i]].id;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = set_params(&f.table, i, lab, jobs[i], err);
    if (rc == 0)
        rc = pull_list(target, ids, count, &there, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        add_wants(&f, i, &lab->jobs[jobs[i]], &there.items[i]);
    if (rc == 0)
        rc = pull_read(target, f.parts, f.count, &sink, err);
    if (rc == 0)
        table_csv(&f.table, &result->csv);
    for (size_t i = 0; i < f.count; i++)
        free(f.parts[i].path);
    free(f.parts);
    free(f.wants);
    repx_buf_free(&f.text);
    table_free(&f.table);
    pull_jobs_free(&there);
    return rc;
}
