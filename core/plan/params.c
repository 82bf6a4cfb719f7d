/* SPDX-License-Identifier: MIT */
#include "core/plan/params.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/json/json.h"
#include "core/plan/plan.h"

/* One parameter: the raw text of its value. Later ones of the same key win. */
struct param {
    char *key;
    const char *value;
    size_t len;
};

struct params {
    struct param *items;
    size_t count;
};

static int set_param(void *ctx, const char *key, const char *value, size_t len,
                     struct repx_err *err)
{
    struct params *p = ctx;

    (void)err;
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].key, key) == 0) {
            p->items[i].value = value;
            p->items[i].len = len;
            return 0;
        }
    }
    p->items = repx_grow(p->items, p->count + 1, sizeof(*p->items));
    p->items[p->count++] = (struct param){repx_strdup(key), value, len};
    return 0;
}

int params_effective(struct repx_buf *to, const struct lab *lab, size_t job,
                     struct repx_err *err)
{
    struct job_set set = {0};
    struct params p = {0};
    int rc = 0;

    job_set_add(&set, job);
    closure(lab, &set);
    for (size_t i = 0; i <= set.count && rc == 0; i++) {
        size_t at = i < set.count ? set.jobs[i] : job;
        const char *text = lab->jobs[at].params;
        if (*text == '{')
            rc = json_each_member(text, strlen(text), set_param, &p, err);
    }
    repx_buf_char(to, '{');
    for (size_t i = 0; i < p.count; i++) {
        repx_buf_str(to, i ? "," : "");
        json_put_string(to, p.items[i].key);
        repx_buf_char(to, ':');
        repx_buf_add(to, p.items[i].value, p.items[i].len);
        free(p.items[i].key);
    }
    repx_buf_char(to, '}');
    free(p.items);
    job_set_free(&set);
    return rc;
}
