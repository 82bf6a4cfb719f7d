/* SPDX-License-Identifier: MIT */
/* state_plan.c: plan lines, docs/state-format.md section 2, checked to the last path. */
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"

static const struct state_field line_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"id", STATE_ID, STATE_REQUIRED},
    {"key", STATE_HEX, STATE_REQUIRED},
    {"pkg", STATE_HEX, STATE_REQUIRED},
    {"run", STATE_TEXT, STATE_NULL},
    {"type", STATE_TEXT, STATE_REQUIRED},
    {"inputs", STATE_OBJECT, STATE_NULL},
    {"gather_inputs", STATE_OBJECT, STATE_NULL},
    {"exes", STATE_OBJECT, STATE_REQUIRED},
    {"sink", STATE_ID, STATE_NULL},
    {"deps", STATE_ARRAY, STATE_NULL},
    {"wanted", STATE_BOOL, STATE_NULL},
    {"runtime", STATE_TEXT, STATE_REQUIRED},
    {"image", STATE_TAG, STATE_NULL},
    {"mounts", STATE_OBJECT, STATE_NULL},
    {"node_local", STATE_TEXT, STATE_NULL},
    {"store", STATE_TEXT, STATE_NULL},
    {"host_tools", STATE_ID, STATE_NULL},
    {NULL, 0, 0},
};

static const struct state_field exe_fields[] = {
    {"path", STATE_INSIDE, STATE_REQUIRED}, {"outputs", STATE_OBJECT, STATE_NULL},
    {"inputs", STATE_ARRAY, STATE_NULL},    {"deps", STATE_TEXTS, STATE_NULL},
    {"res", STATE_OBJECT, STATE_NULL},      {NULL, 0, 0},
};

static const struct state_field resource_fields[] = {
    {"cpus", STATE_INT, STATE_NULL},       {"mem", STATE_INT, STATE_NULL},
    {"time", STATE_INT, STATE_NULL},       {"queue", STATE_TEXT, STATE_NULL},
    {"native", STATE_TEXTS, STATE_NULL},   {"mem_text", STATE_TEXT, STATE_NULL},
    {"time_text", STATE_TEXT, STATE_NULL}, {NULL, 0, 0},
};

static const struct state_field mapping_fields[] = {
    {"target_input", STATE_TEXT, STATE_REQUIRED},
    {"source", STATE_TEXT, STATE_NULL},
    {"source_output", STATE_TEXT, STATE_NULL},
    {"job_id", STATE_TEXT, STATE_NULL},
    {NULL, 0, 0},
};

static const struct state_field input_fields[] = {
    {"job", STATE_ID, STATE_NULL},
    {"template", STATE_TEXT, STATE_NULL},
    {"scatter", STATE_TEXT, STATE_NULL},
    {"base", STATE_TEXT, STATE_NULL},
    {NULL, 0, 0},
};

static const struct state_field mount_fields[] = {
    {"policy", STATE_TEXT, STATE_REQUIRED},
    {"paths", STATE_TEXTS, STATE_NULL},
    {NULL, 0, 0},
};

static int fail(struct repx_err *err, const char *text)
{
    return repx_fail(err, REPX_E_CORRUPT, "plan line: %s", text);
}

static int one_of(const char *s, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(s, *words) == 0)
            return 1;
    }
    return 0;
}

static int input_check(const json_t *input, struct repx_err *err)
{
    if (!json_is_object(input) ||
        state_check(input, input_fields, "plan line: input", err) < 0)
        return fail(err, "an input is no object of known form");
    const char *base = state_text(input, "base", NULL);
    if (base) {
        return !*base || repx_path_is_inside(base)
                   ? 0
                   : fail(err, "an input leaves the base path");
    }
    int from_job = state_text(input, "template", NULL) != NULL;
    int from_scatter = state_text(input, "scatter", NULL) != NULL;
    if (!state_text(input, "job", NULL) || from_job == from_scatter)
        return fail(err, "an input names neither a job's output nor the base path");
    return 0;
}

static int inputs_check(json_t *inputs, struct repx_err *err)
{
    void *at = json_object_iter(inputs);

    for (; at; at = json_object_iter_next(inputs, at)) {
        if (input_check(json_object_iter_value(at), err) < 0)
            return -1;
    }
    return 0;
}

static int outputs_check(json_t *outputs, struct repx_err *err)
{
    void *at = json_object_iter(outputs);

    for (; at; at = json_object_iter_next(outputs, at)) {
        if (!json_is_string(json_object_iter_value(at)))
            return fail(err, "an output's template is no string");
    }
    return 0;
}

static int mappings_check(const json_t *mappings, struct repx_err *err)
{
    size_t i;
    json_t *m;

    json_array_foreach(mappings, i, m)
    {
        if (!json_is_object(m))
            return fail(err, "a step's input is no object");
        if (state_check(m, mapping_fields, "plan line: step input", err) < 0)
            return -1;
    }
    return 0;
}

static int exe_name_ok(const char *name)
{
    static const char *const fixed[] = {"main", "scatter", "gather", NULL};

    if (strncmp(name, "step-", 5) == 0)
        return state_name_ok(name) && name[5];
    return one_of(name, fixed);
}

static int exe_check(const char *name, const json_t *exe, struct repx_err *err)
{
    if (!exe_name_ok(name) || !json_is_object(exe))
        return fail(err, "an executable has no known name");
    if (state_check(exe, exe_fields, "plan line: executable", err) < 0 ||
        outputs_check(json_object_get(exe, "outputs"), err) < 0 ||
        mappings_check(json_object_get(exe, "inputs"), err) < 0)
        return -1;
    const json_t *res = json_object_get(exe, "res");
    if (json_is_object(res))
        return state_check(res, resource_fields, "plan line: resources", err);
    return 0;
}

static int step_deps_check(const json_t *exes, const json_t *exe, struct repx_err *err)
{
    size_t i;
    json_t *dep;

    json_array_foreach(json_object_get(exe, "deps"), i, dep)
    {
        REPX_AUTO_FREE char *name = repx_format("step-%s", json_string_value(dep));
        if (!json_object_get(exes, name))
            return fail(err, "a step depends on a step that is not there");
    }
    return 0;
}

static int exes_check(const json_t *line, struct repx_err *err)
{
    json_t *exes = json_object_get(line, "exes");
    int scattered = strcmp(state_text(line, "type", ""), "scatter-gather") == 0;

    for (void *at = json_object_iter(exes); at; at = json_object_iter_next(exes, at)) {
        json_t *exe = json_object_iter_value(at);
        if (exe_check(json_object_iter_key(at), exe, err) < 0 ||
            step_deps_check(exes, exe, err) < 0)
            return -1;
    }
    if (!scattered)
        return json_object_get(exes, "main") ? 0 : fail(err, "no executable \"main\"");
    if (!json_object_get(exes, "scatter") || !json_object_get(exes, "gather"))
        return fail(err, "no executable \"scatter\" or \"gather\"");
    REPX_AUTO_FREE char *sink = repx_format("step-%s", state_text(line, "sink", ""));
    return json_object_get(exes, sink) ? 0 : fail(err, "the sink step is not there");
}

static int mounts_check(const json_t *mounts, struct repx_err *err)
{
    static const char *const policies[] = {"isolated", "specific", "host", NULL};
    size_t i;
    json_t *path;

    if (!json_is_object(mounts))
        return 0;
    if (state_check(mounts, mount_fields, "plan line: mounts", err) < 0)
        return -1;
    if (!one_of(state_text(mounts, "policy", ""), policies))
        return fail(err, "unknown mount policy");
    json_array_foreach(json_object_get(mounts, "paths"), i, path)
    {
        if (json_string_value(path)[0] != '/')
            return fail(err, "a mount path is not absolute");
    }
    return 0;
}

static int deps_check(const json_t *deps, struct repx_err *err)
{
    size_t i;
    json_t *dep;

    json_array_foreach(deps, i, dep)
    {
        if (!json_is_integer(dep) || json_integer_value(dep) < 0 ||
            json_integer_value(dep) > INT32_MAX)
            return fail(err, "a dependency is no index");
    }
    return 0;
}

static int line_check(const json_t *line, struct repx_err *err)
{
    static const char *const types[] = {"simple", "scatter-gather", NULL};
    static const char *const runtimes[] = {"native", "bwrap",        "podman",
                                           "docker", "charliecloud", NULL};

    if (state_int(line, "v", 0) != 1) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "plan line: version %lld, this agent knows 1",
                         (long long)state_int(line, "v", 0));
    }
    if (!one_of(state_text(line, "type", ""), types))
        return fail(err, "unknown type");
    if (!one_of(state_text(line, "runtime", ""), runtimes))
        return fail(err, "unknown runtime");
    if (inputs_check(json_object_get(line, "inputs"), err) < 0 ||
        inputs_check(json_object_get(line, "gather_inputs"), err) < 0 ||
        exes_check(line, err) < 0 ||
        mounts_check(json_object_get(line, "mounts"), err) < 0)
        return -1;
    return deps_check(json_object_get(line, "deps"), err);
}

json_t *plan_line_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, line_fields, "plan line", err);

    if (j && line_check(j, err) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}
