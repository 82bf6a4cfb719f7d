/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "own.h"
#include "parse.h"

/* ---- native options ---- */

/* Options that would take a job out of our hands. */
static const struct {
    const char *name;
    char letter;
} reserved[] = {
    {"array", 'a'},  {"chdir", 'D'},      {"clusters", 'M'},
    {"comment", 0},  {"dependency", 'd'}, {"kill-on-invalid-dep", 0},
    {"parsable", 0}, {"test-only", 0},    {"usage", 0},
    {"help", 'h'},   {"version", 'V'},    {"wait", 'W'},
    {"wrap", 0},     {"quiet", 'Q'},      {"uid", 0},
};

static int is_reserved(const char *option)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (option[1] != '-' && option[1] == reserved[i].letter)
            return 1;
        if (option[1] != '-')
            continue;
        /* sbatch takes unambiguous beginnings of names, too */
        size_t n = strcspn(option + 2, "= \t");
        if (n >= 3 && n <= strlen(reserved[i].name) &&
            strncmp(option + 2, reserved[i].name, n) == 0)
            return 1;
    }
    return 0;
}

static int native_options(struct repx_args *a, const struct repx_resources *r,
                          struct repx_err *err)
{
    static const char *const all_told[] = {NULL};

    for (uint64_t i = 0; i < r->native_count; i++) {
        const char *option = r->native[i];
        if (option[0] == '-' && option[1] && is_reserved(option)) {
            return repx_fail(err, REPX_E_USAGE,
                             "\"%s\": this option of sbatch is set by repx itself",
                             option);
        }
    }
    return repx_args_native(a, r, "sbatch", all_told, err);
}

/* ---- resources ---- */

static int number(struct repx_args *a, const char *name, int64_t value,
                  struct repx_err *err)
{
    if (value == REPX_UNSET)
        return 0;
    if (value < 1) {
        return repx_fail(err, REPX_E_USAGE, "%s must be at least 1, not %lld", name,
                         (long long)value);
    }
    repx_args_fmt(a, "--%s=%lld", name, (long long)value);
    return 0;
}

static int text(struct repx_args *a, const char *name, const char *value,
                struct repx_err *err)
{
    if (!value)
        return 0;
    if (!*value)
        return repx_fail(err, REPX_E_USAGE, "%s is empty", name);
    if (repx_text_plain(name, value, err) < 0)
        return -1;
    repx_args_fmt(a, "--%s=%s", name, value);
    return 0;
}

static int memory_and_time(struct repx_args *a, const struct repx_resources *r,
                           struct repx_err *err)
{
    if (r->memory < REPX_UNSET || (r->time < REPX_UNSET && r->time != -2))
        return repx_fail(err, REPX_E_USAGE, "memory and time must not be negative");
    if (r->memory != REPX_UNSET) {
        int64_t mebibytes = r->memory / 1048576 + (r->memory % 1048576 != 0);
        repx_args_fmt(a, "--mem=%lldM", (long long)mebibytes);
    }
    if (r->memory_per_cpu > 0) {
        int64_t mebibytes = (r->memory_per_cpu - 1) / 1048576 + 1;
        if (r->memory != REPX_UNSET) {
            return repx_fail(err, REPX_E_USAGE,
                             "memory is per node or per CPU, not both");
        }
        repx_args_fmt(a, "--mem-per-cpu=%lldM", (long long)mebibytes);
    }
    if (r->time == -2) {
        repx_args_add(a, "--time=UNLIMITED");
    } else if (r->time != REPX_UNSET) {
        int64_t hours = r->time / 3600;
        repx_args_fmt(a, "--time=%lld:%02d:%02d", (long long)hours,
                      (int)(r->time / 60 % 60), (int)(r->time % 60));
    }
    return 0;
}

int args_resources(struct repx_args *a, const struct repx_resources *r,
                   struct repx_err *err)
{
    if (text(a, "partition", r->queue, err) < 0 ||
        text(a, "account", r->account, err) < 0 || text(a, "qos", r->qos, err) < 0 ||
        text(a, "constraint", r->constraint, err) < 0 ||
        number(a, "nodes", r->nodes, err) < 0 ||
        number(a, "ntasks", r->tasks, err) < 0 ||
        number(a, "cpus-per-task", r->cpus, err) < 0 || memory_and_time(a, r, err) < 0)
        return -1;
    if (r->gpus < REPX_UNSET)
        return repx_fail(err, REPX_E_USAGE, "gpus must not be negative");
    if (r->gpus > 0)
        repx_args_fmt(a, "--gres=gpu:%lld", (long long)r->gpus);
    if (r->exclusive == 1)
        repx_args_add(a, "--exclusive");
    return native_options(a, r, err);
}

/* ---- dependencies ---- */

int dependency_text(struct repx_buf *to, const struct repx_dep *deps, uint64_t count,
                    uint64_t stride, struct repx_err *err)
{
    static const char *const names[] = {"", "afterok", "afterany", "aftercorr"};

    for (uint64_t i = 0; i < count; i++) {
        const char *id = repx_dep_at(deps, i, stride)->id;
        if (!id || !slurm_unit_ok(id)) {
            return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job",
                             id ? id : "");
        }
    }
    for (uint32_t type = REPX_DEP_OK; type <= REPX_DEP_CORR; type++) {
        const char *lead = names[type];
        for (uint64_t i = 0; i < count; i++) {
            if (repx_dep_at(deps, i, stride)->type != type)
                continue;
            repx_buf_fmt(to, "%s%s:%s", *lead && to->len ? "," : "", lead,
                         repx_dep_at(deps, i, stride)->id);
            lead = "";
        }
    }
    return 0;
}
