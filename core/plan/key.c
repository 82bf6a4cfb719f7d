/* SPDX-License-Identifier: MIT */
#include "key.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/json/json.h"
#include "input.h"

static void field_bytes(struct repx_buf *to, const char *bytes, size_t n)
{
    repx_buf_fmt(to, "%zu:", n);
    repx_buf_add(to, bytes, n);
}

static void field(struct repx_buf *to, const char *text)
{
    field_bytes(to, text ? text : "", text ? strlen(text) : 0);
}

static void field_digest(struct repx_buf *to, const struct digest *digest)
{
    char hex[DIGEST_HEX] = "";

    if (digest)
        digest_hex(digest, hex);
    field(to, hex);
}

/* ---- parameters ---- */

struct member {
    char *key;
    const char *value;
    size_t len;
};

struct members {
    struct member *items;
    size_t count;
};

static int collect(void *ctx, const char *key, const char *value, size_t len,
                   struct repx_err *err)
{
    struct members *m = ctx;

    (void)err;
    if ((m->count & (m->count - 1)) == 0)
        m->items = repx_grow(m->items, m->count ? m->count * 2 : 1, sizeof(*m->items));
    m->items[m->count++] = (struct member){repx_strdup(key), value, len};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->value > y->value) - (x->value < y->value);
}

static void add_params(struct repx_buf *to, const char *params)
{
    struct members m = {0};
    struct repx_err ignored = {0};
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (params[0] != '{' ||
        json_each_member(params, strlen(params), collect, &m, &ignored) != 0) {
        repx_buf_str(&text, params);
    } else {
        if (m.count)
            qsort(m.items, m.count, sizeof(*m.items), by_key);
        repx_buf_char(&text, '{');
        for (size_t i = 0; i < m.count; i++) {
            field(&text, m.items[i].key);
            field_bytes(&text, m.items[i].value, m.items[i].len);
        }
    }
    for (size_t i = 0; i < m.count; i++)
        free(m.items[i].key);
    free(m.items);
    field_bytes(to, repx_buf_text(&text), text.len);
}

/* ---- executables ---- */

static int output_by_name(const void *a, const void *b)
{
    const struct lab_output *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static void add_outputs(struct repx_buf *to, const struct lab_exe *exe)
{
    const struct lab_output **list =
        repx_array(exe->output_count, sizeof(struct lab_output *));

    for (size_t i = 0; i < exe->output_count; i++)
        list[i] = &exe->outputs[i];
    qsort(list, exe->output_count, sizeof(struct lab_output *), output_by_name);
    for (size_t i = 0; i < exe->output_count; i++) {
        field(to, "out");
        field(to, list[i]->name);
        field(to, list[i]->value);
    }
    free(list);
}

static int text_by_bytes(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void add_step_deps(struct repx_buf *to, const struct lab_exe *exe)
{
    const char **list = repx_array(exe->dep_count, sizeof(*list));

    for (size_t i = 0; i < exe->dep_count; i++)
        list[i] = exe->deps[i];
    qsort(list, exe->dep_count, sizeof(*list), text_by_bytes);
    for (size_t i = 0; i < exe->dep_count; i++) {
        field(to, "dep");
        field(to, list[i]);
    }
    free(list);
}

static void add_resolved(struct repx_buf *to, const char *name,
                         const struct plan_input *input)
{
    field(to, "in");
    field(to, name);
    switch (input->kind) {
    case INPUT_JOB:
        field(to, "job");
        field(to, input->job);
        field(to, input->template);
        break;
    case INPUT_SCATTER:
        field(to, "scatter");
        field(to, input->template);
        break;
    case INPUT_REVISION:
        field(to, "revision");
        field(to, input->file);
        break;
    default:
        field(to, "base");
    }
}

static int add_mapping(struct repx_buf *to, const struct key_request *r,
                       const struct lab_exe *exe, const struct lab_mapping *m,
                       struct repx_err *err)
{
    struct plan_input input;

    if (strncmp(exe->name, "step-", 5) == 0) {
        field(to, "in");
        field(to, m->target_input);
        field(to, m->source);
        field(to, m->source_output);
        field(to, m->job_id);
        return 0;
    }
    int rc = input_resolve(r->lab, r->job, m, &input, err);

    if (rc > 0)
        add_resolved(to, m->target_input, &input);
    return rc;
}

static int add_exe(struct repx_buf *to, const struct key_request *r,
                   const struct lab_exe *exe, struct repx_err *err)
{
    size_t count;
    const struct lab_mapping **inputs = input_sorted(exe, &count);
    int rc = 0;

    field(to, "exe");
    field(to, exe->name);
    field(to, exe->path);
    add_outputs(to, exe);
    for (size_t i = 0; rc >= 0 && i < count; i++)
        rc = add_mapping(to, r, exe, inputs[i], err);
    free(inputs);
    if (rc < 0)
        return repx_wrap(err, "job %s: %s", r->job->id, exe->name);
    add_step_deps(to, exe);
    return 0;
}

static int exe_by_name(const void *a, const void *b)
{
    const struct lab_exe *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int add_exes(struct repx_buf *to, const struct key_request *r,
                    struct repx_err *err)
{
    size_t count = r->job->exe_count;
    const struct lab_exe **list = repx_array(count, sizeof(struct lab_exe *));
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        list[i] = &r->job->exes[i];
    qsort(list, count, sizeof(struct lab_exe *), exe_by_name);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_exe(to, r, list[i], err);
    free(list);
    return rc;
}

static int digest_by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

int key_compute(const struct key_request *request, struct digest *key,
                struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    repx_buf_str(&text, "repx-work-1\n");
    field_digest(&text, request->package);
    add_params(&text, request->job->params ? request->job->params : "null");
    field_digest(&text, request->image);
    if (add_exes(&text, request, err) < 0)
        return -1;
    if (request->producer_count) {
        qsort(request->producers, request->producer_count, sizeof(struct digest),
              digest_by_bytes);
    }
    for (size_t i = 0; i < request->producer_count; i++) {
        field(&text, "job");
        field_digest(&text, &request->producers[i]);
    }
    digest_of(text.data, text.len, key);
    return 0;
}
