/* SPDX-License-Identifier: MIT */
/* job_inputs.c: what a script is told: inputs.json and parameters.json. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/job_json.h"
#include "core/agent/state_check.h"

char *template_fill(const char *template, const char *dir)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    const char *at = template;

    for (const char *hit; (hit = strstr(at, "$out")) != NULL; at = hit + 4) {
        repx_buf_add(&b, at, (size_t)(hit - at));
        repx_buf_str(&b, dir);
    }
    repx_buf_str(&b, at);
    return repx_buf_detach(&b);
}

static char *input_value(const struct unit *u, const json_t *input)
{
    const char *base = state_text(input, "base", NULL);
    const char *scatter = state_text(input, "scatter", NULL);
    const char *job = state_text(input, "job", "");

    if (base) {
        return *base ? repx_format("%s/%s", u->site->base, base)
                     : repx_strdup(u->site->base);
    }
    json_int_t n = scatter ? 0 : json_integer_value(json_object_get(u->made, job));
    REPX_AUTO_FREE char *attempt =
        n ? repx_format("/attempts/%lld", (long long)n) : NULL;
    REPX_AUTO_FREE char *dir = repx_format("%s/outputs/%s%s/out", u->site->base, job,
                                           scatter   ? "/scatter"
                                           : attempt ? attempt
                                                     : "");
    return template_fill(scatter ? scatter : state_text(input, "template", ""), dir);
}

static void inputs_add(const struct unit *u, const char *key, json_t *to)
{
    json_t *from = json_object_get(u->plan, key);

    for (void *at = json_object_iter(from); at; at = json_object_iter_next(from, at)) {
        REPX_AUTO_FREE char *value = input_value(u, json_object_iter_value(at));
        json_object_set_new(to, json_object_iter_key(at), json_string(value));
    }
}

json_t *entry_inputs(const struct unit *u)
{
    json_t *inputs = json_object();

    inputs_add(u, "inputs", inputs);
    return inputs;
}

void gather_inputs_add(const struct unit *u, json_t *inputs)
{
    inputs_add(u, "gather_inputs", inputs);
}

int attempt_write(const struct unit *u, const struct attempt *a, const char *name,
                  const json_t *value, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx/%s", a->dir, name);
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_CLOSE int fd =
        openat(u->site->base_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    /* Nobody looks before the attempt's links are switched: no temporary name needed. */
    if (fd < 0)
        return repx_fail_errno(err, "%s/%s", u->site->base, path);
    if (value) {
        json_pretty(value, &b);
    } else {
        repx_buf_str(&b, "null");
    }
    if (repx_write_all(fd, b.data, b.len) < 0)
        return repx_fail_errno(err, "%s/%s", u->site->base, path);
    return 0;
}

int attempt_files(const struct unit *u, struct attempt *a, struct repx_err *err)
{
    json_t *inputs = entry_inputs(u);
    int rc = attempt_write(u, a, "inputs.json", inputs, err);

    json_decref(inputs);
    if (rc == 0) {
        rc = attempt_write(u, a, "parameters.json", json_object_get(u->plan, "params"),
                           err);
    }
    return rc;
}

char *attempt_path(const struct attempt *a, const char *name)
{
    return repx_format("%s/%s", a->repx ? a->repx : "", name);
}
