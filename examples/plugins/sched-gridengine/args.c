/* SPDX-License-Identifier: MIT */
/* args.c: resources as options of qsub. */
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define WORD "._-"

static const char *key_text(const struct gridengine *g, const char *key)
{
    return g->host->config_text(g->host->ctx, key, 0);
}

static int key_true(const struct gridengine *g, const char *key)
{
    int64_t n = 0;

    return g->host->config_number(g->host->ctx, key, &n) && n;
}

void ge_command(const struct gridengine *g, struct repx_args *a, const char *program)
{
    const char *dir = key_text(g, "bin_dir");

    if (dir && *dir) {
        repx_args_fmt(a, "%s/%s", dir, program);
    } else {
        repx_args_add(a, program);
    }
}

int ge_id_ok(const char *id)
{
    size_t n = strspn(id, "0123456789"), m;

    if (n == 0 || n >= GE_ID_SIZE)
        return 0;
    if (!id[n])
        return 1;
    m = strspn(id + n + 1, "0123456789");
    return id[n] == '_' && m > 0 && m < 10 && !id[n + 1 + m];
}

/* What sets qsub's output, script or place in the queue, and so belongs to us. */
static const char *const reserved[] = {
    "-@",      "-C",    "-N",        "-S",           "-b",    "-cwd",     "-e",
    "-h",      "-help", "-hold_jid", "-hold_jid_ad", "-i",    "-inherit", "-j",
    "-now",    "-o",    "-pty",      "-shell",       "-sync", "-t",       "-terse",
    "-verify", "-wd",   "-xml",      "-xd",          NULL,
};

static int request(struct repx_args *a, const char *resource, const char *value,
                   struct repx_err *err)
{
    if (repx_text_word("a resource's name", resource, WORD, err) < 0)
        return -1;
    repx_args_add(a, "-l");
    repx_args_fmt(a, "%s=%s", resource, value);
    return 0;
}

static int text(struct repx_args *a, const char *option, const char *what,
                const char *value, struct repx_err *err)
{
    if (!value)
        return 0;
    if (repx_text_word(what, value, WORD "@*,=", err) < 0)
        return -1;
    repx_args_add(a, option);
    repx_args_add(a, value);
    return 0;
}

static int slots(const struct gridengine *g, struct repx_args *a, int64_t count,
                 struct repx_err *err)
{
    const char *name = key_text(g, "parallel_environment");

    if (count <= 1)
        return 0;
    if (repx_text_word("parallel_environment", name ? name : "", WORD "*", err) < 0)
        return -1;
    repx_args_add(a, "-pe");
    repx_args_add(a, name);
    repx_args_fmt(a, "%lld", (long long)count);
    return 0;
}

static int memory(const struct gridengine *g, struct repx_args *a, int64_t bytes,
                  int64_t count, struct repx_err *err)
{
    const char *resource = key_text(g, "memory_resource");

    if (bytes == REPX_UNSET)
        return 0;
    if (!resource || !*resource) {
        return repx_fail(err, REPX_E_USAGE,
                         "memory is asked for, but the key memory_resource is empty");
    }
    if (key_true(g, "memory_per_slot") && count > 1)
        bytes = bytes / count + (bytes % count != 0);
    int64_t kib = bytes / 1024 + (bytes % 1024 != 0);
    REPX_AUTO_FREE char *value = repx_format("%lldK", (long long)kib);
    return request(a, resource, value, err);
}

/* A number of something that the site has its own name for. */
static int site_resource(const struct gridengine *g, struct repx_args *a,
                         const char *key, const char *what, const char *value,
                         struct repx_err *err)
{
    const char *resource = key_text(g, key);

    if (!resource || !*resource) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s asked for, but the key %s does not say by which resource",
                         what, key);
    }
    return request(a, resource, value, err);
}

static int numbers_ok(const struct repx_resources *r, struct repx_err *err)
{
    if (repx_number_least("cpus", r->cpus, 1, err) < 0 ||
        repx_number_least("memory", r->memory, 0, err) < 0 ||
        repx_number_least("gpus", r->gpus, 0, err) < 0 ||
        (r->time != -2 && repx_number_least("time", r->time, 1, err) < 0))
        return -1;
    if (r->nodes > 1 || r->tasks > 1) {
        return repx_fail(err, REPX_E_USAGE,
                         "more than one node or task: say so by native options (-pe)");
    }
    if (r->qos)
        return repx_fail(err, REPX_E_USAGE, "Grid Engine has no qos");
    return 0;
}

int ge_resources(const struct gridengine *g, struct repx_args *a,
                 const struct repx_resources *r, struct repx_err *err)
{
    REPX_AUTO_FREE char *gpus = repx_format("%lld", (long long)r->gpus);
    REPX_AUTO_FREE char *seconds = repx_format("%lld", (long long)r->time);

    if (numbers_ok(r, err) < 0 || slots(g, a, r->cpus, err) < 0 ||
        memory(g, a, repx_memory_per_node(r), r->cpus, err) < 0 ||
        text(a, "-q", "the queue", r->queue, err) < 0 ||
        text(a, "-P", "the account", r->account, err) < 0 ||
        text(a, "-l", "the constraint", r->constraint, err) < 0)
        return -1;
    if (r->time > 0 && request(a, "h_rt", seconds, err) < 0)
        return -1;
    if (r->gpus > 0 && site_resource(g, a, "gpu_resource", "GPUs are", gpus, err) < 0)
        return -1;
    if (r->exclusive == 1 && site_resource(g, a, "exclusive_resource",
                                           "a node for itself is", "true", err) < 0)
        return -1;
    return repx_args_native(a, r, "qsub", reserved, err);
}
