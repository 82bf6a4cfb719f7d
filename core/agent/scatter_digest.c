/* SPDX-License-Identifier: MIT */
/* scatter_digest.c: what a cached phase depends on, as one number. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/job_json.h"
#include "core/agent/manifest.h"
#include "core/agent/scatter.h"
#include "core/agent/state_check.h"

char *scatter_home(const struct unit *u)
{
    return repx_format("outputs/%s/scatter", u->id);
}

char *step_home(const struct unit *u, int64_t branch, const char *name)
{
    return repx_format("outputs/%s/branch-%lld/step-%s", u->id, (long long)branch,
                       name);
}

static void add_text(struct digest_ctx *c, const char *text)
{
    digest_add(c, text, strlen(text) + 1);
}

static void add_json(struct digest_ctx *c, const json_t *value)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (value)
        json_compact(value, &b);
    add_text(c, repx_buf_text(&b));
}

static void common_begin(struct digest_ctx *c, const struct unit *u, const char *phase,
                         const json_t *inputs)
{
    digest_begin(c);
    add_text(c, "repx-in-1");
    add_text(c, phase);
    add_text(c, state_text(u->plan, "key", ""));
    add_text(c, state_text(u->plan, "pkg", ""));
    add_json(c, inputs);
    add_json(c, json_object_get(u->plan, "params"));
}

void scatter_digest(const struct unit *u, char hex[DIGEST_HEX])
{
    json_t *inputs = entry_inputs(u);
    struct digest_ctx c;
    struct digest d;

    common_begin(&c, u, "scatter", inputs);
    digest_end(&c, &d);
    digest_hex(&d, hex);
    json_decref(inputs);
}

/* ---- steps ---- */

static json_t *step_exe(const struct unit *u, const char *name)
{
    REPX_AUTO_FREE char *key = repx_format("step-%s", name);

    return json_object_get(json_object_get(u->plan, "exes"), key);
}

/* The value of one mapping; NULL: there is none. */
static char *mapping_value(const struct branch *b, const json_t *m, const json_t *entry)
{
    const struct unit *u = b->u;
    const char *source = state_text(m, "source", NULL);
    const char *target = state_text(m, "target_input", "");

    if (!source) {
        return state_text(m, "job_id", NULL)
                   ? repx_strdup(state_text(entry, target, NULL))
                   : NULL;
    }
    if (strcmp(source, "scatter:work_item") == 0) {
        return repx_format("%s/outputs/%s/branch-%lld/repx/work_item.json",
                           u->site->base, u->id, (long long)b->number);
    }
    if (strncmp(source, "step:", 5) != 0)
        return NULL;
    const json_t *outputs = json_object_get(step_exe(u, source + 5), "outputs");
    const char *template =
        state_text(outputs, state_text(m, "source_output", ""), NULL);
    if (!template)
        return NULL;
    REPX_AUTO_FREE char *home = step_home(u, b->number, source + 5);
    REPX_AUTO_FREE char *out = repx_format("%s/%s/out", u->site->base, home);
    return template_fill(template, out);
}

json_t *step_inputs(const struct branch *b, const char *name)
{
    json_t *entry = entry_inputs(b->u), *inputs = json_object(), *m;
    size_t i;

    json_array_foreach(json_object_get(step_exe(b->u, name), "inputs"), i, m)
    {
        REPX_AUTO_FREE char *value = mapping_value(b, m, entry);
        if (value) {
            json_object_set_new(inputs, state_text(m, "target_input", ""),
                                json_string(value));
        }
    }
    json_decref(entry);
    return inputs;
}

/* Which attempt of an earlier step counts: its number is in the link's text. */
static void add_attempt(struct digest_ctx *c, const struct branch *b, const char *step)
{
    REPX_AUTO_FREE char *home = step_home(b->u, b->number, step);
    REPX_AUTO_FREE char *path = repx_format("%s/out", home);
    char text[64];
    ssize_t n = readlinkat(b->u->site->base_fd, path, text, sizeof text - 1);

    text[n > 0 ? n : 0] = 0;
    add_text(c, text);
}

static int digest_make(struct branch *b, const char *name, size_t depth,
                       char hex[DIGEST_HEX], struct repx_err *err);

static int add_deps(struct digest_ctx *c, struct branch *b, const char *name,
                    size_t depth, struct repx_err *err)
{
    size_t i;
    json_t *dep;

    json_array_foreach(json_object_get(step_exe(b->u, name), "deps"), i, dep)
    {
        char hex[DIGEST_HEX];
        if (digest_make(b, json_string_value(dep), depth + 1, hex, err) < 0)
            return -1;
        add_text(c, hex);
        add_attempt(c, b, json_string_value(dep));
    }
    return 0;
}

static int digest_make(struct branch *b, const char *name, size_t depth,
                       char hex[DIGEST_HEX], struct repx_err *err)
{
    const char *known = state_text(b->digests, name, NULL);
    struct digest_ctx c;
    struct digest d;

    if (known) {
        memcpy(hex, known, DIGEST_HEX);
        return 0;
    }
    if (!step_exe(b->u, name))
        return repx_fail(err, REPX_E_CORRUPT, "step %s is not there", name);
    if (depth > json_object_size(json_object_get(b->u->plan, "exes"))) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the steps depend on each other in a ring");
    }
    REPX_AUTO_FREE char *phase = repx_format("step-%s", name);
    json_t *inputs = step_inputs(b, name);
    common_begin(&c, b->u, phase, inputs);
    json_decref(inputs);
    add_json(&c, b->item);
    if (add_deps(&c, b, name, depth, err) < 0)
        return -1;
    digest_end(&c, &d);
    digest_hex(&d, hex);
    json_object_set_new(b->digests, name, json_string(hex));
    return 0;
}

int step_digest(struct branch *b, const char *name, char hex[DIGEST_HEX],
                struct repx_err *err)
{
    return digest_make(b, name, 0, hex, err);
}

int phase_current(const struct unit *u, const char *home, const char *hex)
{
    REPX_AUTO_FREE char *repx = repx_format("%s/repx", home);
    REPX_AUTO_FREE char *marker = repx_format("%s/SUCCESS", repx);
    json_t *first, *second;

    if (faccessat(u->site->base_fd, marker, F_OK, 0) < 0)
        return 0;
    attempt_read(u->site->base_fd, repx, &first, &second);
    int same = strcmp(state_text(first, "in", ""), hex) == 0;
    json_decref(first);
    json_decref(second);
    return same && !result_purged_at(u->site, home);
}
