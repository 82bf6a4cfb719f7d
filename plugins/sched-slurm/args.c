/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

void args_add(struct args *a, const char *text)
{
    if (a->count + 1 >= a->cap) {
        a->cap = a->cap ? a->cap * 2 : 32;
        a->list = repx_grow(a->list, a->cap, sizeof(char *));
    }
    a->list[a->count++] = repx_strdup(text);
    a->list[a->count] = NULL;
}

void args_fmt(struct args *a, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(text)) {
        args_add(a, text);
        return;
    }
    REPX_AUTO_FREE char *large = repx_alloc((size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(large, (size_t)n + 1, fmt, ap);
    va_end(ap);
    args_add(a, large);
}

void args_free(struct args *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->list[i]);
    free(a->list);
    *a = (struct args){0};
}

int plain_text(const char *what, const char *text, struct repx_err *err)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s holds a line break or another control character",
                             what);
        }
    }
    return 0;
}

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

/* "-A proj" and "--account proj" are an option and its value, as in an #SBATCH line;
 * "--comment=a b" is one argument. */
static void add_native(struct args *a, const char *option)
{
    size_t word = strcspn(option, " \t");
    const char *value = option + word + strspn(option + word, " \t");

    if (!*value || memchr(option, '=', word)) {
        args_add(a, option);
        return;
    }
    REPX_AUTO_FREE char *name = repx_strndup(option, word);
    args_add(a, name);
    args_add(a, value);
}

static int native_options(struct args *a, const struct repx_resources *r,
                          struct repx_err *err)
{
    for (uint64_t i = 0; i < r->native_count; i++) {
        const char *option = r->native[i];
        if (option[0] != '-' || !option[1] || strcmp(option, "--") == 0) {
            return repx_fail(err, REPX_E_USAGE,
                             "\"%s\" is no option of sbatch: it must begin with '-'",
                             option);
        }
        if (plain_text("an option of sbatch", option, err) < 0)
            return -1;
        if (is_reserved(option)) {
            return repx_fail(err, REPX_E_USAGE,
                             "\"%s\": this option of sbatch is set by repx itself",
                             option);
        }
        add_native(a, option);
    }
    return 0;
}

/* ---- resources ---- */

static int number(struct args *a, const char *name, int64_t value, struct repx_err *err)
{
    if (value == REPX_UNSET)
        return 0;
    if (value < 1) {
        return repx_fail(err, REPX_E_USAGE, "%s must be at least 1, not %lld", name,
                         (long long)value);
    }
    args_fmt(a, "--%s=%lld", name, (long long)value);
    return 0;
}

static int text(struct args *a, const char *name, const char *value,
                struct repx_err *err)
{
    if (!value)
        return 0;
    if (!*value)
        return repx_fail(err, REPX_E_USAGE, "%s is empty", name);
    if (plain_text(name, value, err) < 0)
        return -1;
    args_fmt(a, "--%s=%s", name, value);
    return 0;
}

static int memory_and_time(struct args *a, const struct repx_resources *r,
                           struct repx_err *err)
{
    if (r->memory < REPX_UNSET || (r->time < REPX_UNSET && r->time != -2))
        return repx_fail(err, REPX_E_USAGE, "memory and time must not be negative");
    if (r->memory != REPX_UNSET) {
        int64_t mebibytes = r->memory / 1048576 + (r->memory % 1048576 != 0);
        args_fmt(a, "--mem=%lldM", (long long)mebibytes);
    }
    if (r->memory_per_cpu > 0) {
        int64_t mebibytes = (r->memory_per_cpu - 1) / 1048576 + 1;
        if (r->memory != REPX_UNSET) {
            return repx_fail(err, REPX_E_USAGE,
                             "memory is per node or per CPU, not both");
        }
        args_fmt(a, "--mem-per-cpu=%lldM", (long long)mebibytes);
    }
    if (r->time == -2) {
        args_add(a, "--time=UNLIMITED");
    } else if (r->time != REPX_UNSET) {
        int64_t hours = r->time / 3600;
        args_fmt(a, "--time=%lld:%02d:%02d", (long long)hours, (int)(r->time / 60 % 60),
                 (int)(r->time % 60));
    }
    return 0;
}

int args_resources(struct args *a, const struct repx_resources *r, struct repx_err *err)
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
        args_fmt(a, "--gres=gpu:%lld", (long long)r->gpus);
    if (r->exclusive == 1)
        args_add(a, "--exclusive");
    return native_options(a, r, err);
}

/* ---- dependencies ---- */

static const struct repx_dep *dep_at(const struct repx_dep *deps, uint64_t i,
                                     uint64_t stride)
{
    return (const struct repx_dep *)(const void *)((const char *)deps + i * stride);
}

int dependency_text(struct repx_buf *to, const struct repx_dep *deps, uint64_t count,
                    uint64_t stride, struct repx_err *err)
{
    static const char *const names[] = {"", "afterok", "afterany", "aftercorr"};

    for (uint64_t i = 0; i < count; i++) {
        const char *id = dep_at(deps, i, stride)->id;
        if (!id || !slurm_unit_ok(id)) {
            return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job",
                             id ? id : "");
        }
    }
    for (uint32_t type = REPX_DEP_OK; type <= REPX_DEP_CORR; type++) {
        const char *lead = names[type];
        for (uint64_t i = 0; i < count; i++) {
            if (dep_at(deps, i, stride)->type != type)
                continue;
            repx_buf_fmt(to, "%s%s:%s", *lead && to->len ? "," : "", lead,
                         dep_at(deps, i, stride)->id);
            lead = "";
        }
    }
    return 0;
}
