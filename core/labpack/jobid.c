/* SPDX-License-Identifier: MIT */
#include "jobid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/buf.h>

#define ID_BYTES 20

void base32_id(const struct digest *d, char to[BASE32_ID + 1])
{
    static const char digits[] = "0123456789abcdfghijklmnpqrsvwxyz";

    for (size_t i = 0; i < BASE32_ID; i++) {
        size_t bit = (BASE32_ID - 1 - i) * 5, byte = bit / 8, shift = bit % 8;
        unsigned v = (unsigned)d->bytes[byte] >> shift;
        if (byte + 1 < ID_BYTES)
            v |= (unsigned)d->bytes[byte + 1] << (8 - shift);
        to[i] = digits[v & 31];
    }
    to[BASE32_ID] = 0;
}

const char *job_input_name(struct pool *pool, const struct def_input *in,
                           const struct job_group *g, size_t i)
{
    if (!in->reduce)
        return in->name;
    int width = snprintf(NULL, 0, "%zu", g->count - 1);
    return pool_format(pool, "%s__%0*zu", in->name, width, i);
}

struct lines {
    struct pool pool;
    struct def_names all;
};

static void add(struct lines *l, const char *line)
{
    def_names_add(&l->pool, &l->all, line);
}

static int stage_lines(struct lines *l, const struct def_stage *s, struct sources *src,
                       struct repx_err *err)
{
    char hex[DIGEST_HEX];

    add(l, pool_format(&l->pool, "stage %s %s %s", s->name, s->version,
                       s->scatter_gather ? "scatter-gather" : "simple"));
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct source *f = source_get(src, s->phases[i].script, err);
        if (!f)
            return -1;
        digest_hex(&f->digest, hex);
        add(l, pool_format(&l->pool, "exe %s %s", s->phases[i].name, hex));
    }
    for (size_t i = 0; i < s->files.count; i++) {
        const struct source *f = source_get(src, s->files.at[i], err);
        if (!f)
            return -1;
        digest_hex(&f->digest, hex);
        add(l, pool_format(&l->pool, "file %s %s %s", f->executable ? "x" : "-", hex,
                           f->path));
    }
    return 0;
}

static void step_lines(struct lines *l, const struct def_phase *p)
{
    const char *name = p->name + strlen("step-");

    for (size_t i = 0; i < p->after.count; i++)
        add(l, pool_format(&l->pool, "step %s after %s", name, p->after.at[i]));
    for (size_t i = 0; i < p->input_count; i++) {
        const struct def_input *in = &p->inputs[i];
        if (in->from == DEF_FROM_STEP) {
            add(l, pool_format(&l->pool, "step %s input %s step %s %s", name, in->name,
                               in->source, in->output));
        } else {
            add(l, pool_format(&l->pool, "step %s input %s %s", name, in->name,
                               in->from == DEF_FROM_ITEM ? "item" : "job"));
        }
    }
}

static void input_lines(struct lines *l, const struct job *j, size_t i)
{
    const struct def_input *in = &j->stage->inputs[i];

    if (in->from == DEF_FROM_BASE)
        add(l, pool_format(&l->pool, "input %s base", in->name));
    if (in->from == DEF_FROM_RUN)
        add(l, pool_format(&l->pool, "input %s run %s", in->name, in->source));
    for (size_t k = 0; in->from == DEF_FROM_STAGE && k < j->inputs[i]->count; k++) {
        add(l, pool_format(&l->pool, "input %s job %s %s",
                           job_input_name(&l->pool, in, j->inputs[i], k),
                           j->inputs[i]->members[k]->id, in->output));
    }
}

static void param_lines(struct lines *l, const struct stage_jobs *s,
                        const struct job *j)
{
    for (size_t i = 0; i < s->names.count; i++) {
        const char *name = s->names.at[i];
        if (def_param_find(s->stage, name) || def_names_has(&s->stage->inherit, name))
            add(l, pool_format(&l->pool, "param %s %s", name, j->values[i]));
    }
}

static int by_bytes(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* The text that one job's id is taken over. Caller frees. */
static int job_text(const struct stage_jobs *s, const struct job *j,
                    struct sources *sources, const char *image, struct repx_buf *to,
                    struct repx_err *err)
{
    struct lines l = {{NULL}, {NULL, 0}};
    int rc = stage_lines(&l, s->stage, sources, err);

    if (image)
        add(&l, pool_format(&l.pool, "image %s", image));
    for (size_t i = 0; rc == 0 && i < s->stage->phase_count; i++) {
        if (def_is_step(&s->stage->phases[i]))
            step_lines(&l, &s->stage->phases[i]);
    }
    for (size_t i = 0; rc == 0 && i < s->stage->input_count; i++)
        input_lines(&l, j, i);
    param_lines(&l, s, j);
    if (rc == 0) {
        qsort(l.all.at, l.all.count, sizeof(char *), by_bytes);
        repx_buf_str(to, "repx-job-1\n");
        for (size_t i = 0; i < l.all.count; i++)
            repx_buf_fmt(to, "%s\n", l.all.at[i]);
    }
    pool_free(&l.pool);
    return rc;
}

int job_ids(struct expansion *x, struct sources *sources, const char *image,
            struct repx_err *err)
{
    struct repx_buf text = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < x->count; i++) {
        const struct stage_jobs *s = &x->stages[i];
        for (size_t k = 0; rc == 0 && k < s->count; k++) {
            struct digest d;
            char id[BASE32_ID + 1];
            text.len = 0;
            rc = job_text(s, &s->jobs[k], sources, image, &text, err);
            digest_of(repx_buf_text(&text), text.len, &d);
            base32_id(&d, id);
            s->jobs[k].id = pool_format(&x->pool, "%s-%s-%s", id, s->stage->name,
                                        s->stage->version);
        }
        if (rc < 0)
            (void)repx_wrap(err, "stage %s", s->stage->name);
    }
    repx_buf_free(&text);
    return rc;
}
