/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run_record.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/json/json.h"
#include "core/plugin/loader.h"

int run_id_make(char id[RUN_ID_SIZE], struct repx_err *err)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char bits[8];
    char stamp[24];
    time_t now = time(NULL);
    struct tm tm;

    if (getrandom(bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
        return repx_fail_errno(err, "no random bits");
    (void)gmtime_r(&now, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    int n = snprintf(id, RUN_ID_SIZE, "%s-", stamp);
    for (size_t i = 0; i < sizeof(bits); i++)
        id[n++] = digits[bits[i] % 32];
    id[n] = 0;
    return 0;
}

static void member(struct repx_buf *b, const char *key, const char *value)
{
    repx_buf_fmt(b, ",\"%s\":", key);
    json_put_string(b, value);
}

static void limit(struct repx_buf *b, const char *key, int64_t value)
{
    if (value >= 0) {
        repx_buf_fmt(b, ",\"%s\":%lld", key, (long long)value);
    } else {
        repx_buf_fmt(b, ",\"%s\":null", key);
    }
}

static void by_arch(struct repx_buf *b, const char *key, const char *arch,
                    const char *path)
{
    repx_buf_fmt(b, ",\"%s\":{", key);
    json_put_string(b, arch);
    repx_buf_char(b, ':');
    json_put_string(b, path);
    repx_buf_char(b, '}');
}

static int is_secret(const struct plugin *plugin, const char *key)
{
    for (uint64_t i = 0; i < plugin->descriptor->field_count; i++) {
        struct repx_field f = descriptor_field(plugin->descriptor, i);
        if (strcmp(f.name, key) == 0)
            return (f.flags & REPX_FIELD_SECRET) != 0;
    }
    return 1; /* a key of the core's, which the plugin does not know */
}

/* The scheduler's own keys, as they stand in the configuration: its helper works on the
 * target, where that is not. Secrets stay here. */
static int scheduler_keys(const struct pipeline *p, struct repx_buf *to,
                          struct repx_err *err)
{
    const struct plugin *plugin =
        plugin_load(p->paths, REPX_KIND_SCHEDULER, p->plan->scheduler, err);
    const struct config_table *table =
        config_table_find(p->plan->target, p->plan->scheduler);
    const char *before = "";

    if (!plugin)
        return -1;
    repx_buf_str(to, ",\"config\":{");
    for (size_t i = 0; table && i < table->count; i++) {
        const struct config_value *v = &table->values[i];
        if (is_secret(plugin, v->key))
            continue;
        repx_buf_str(to, before);
        json_put_string(to, v->key);
        repx_buf_str(to, v->is_array ? ":[" : ":");
        for (size_t k = 0; k < v->count; k++) {
            repx_buf_str(to, k ? "," : "");
            json_put_string(to, v->texts[k]);
        }
        repx_buf_str(to, v->is_array ? "]" : "");
        before = ",";
    }
    repx_buf_char(to, '}');
    return 0;
}

int run_record_line(const struct pipeline *p, const char *helper, struct repx_buf *to,
                    struct repx_err *err)
{
    char hex[DIGEST_HEX], host[256] = "unknown";
    struct digest digest;
    struct timespec t;
    const struct passwd *account = getpwuid(geteuid());
    const char *user = account ? account->pw_name : getenv("USER");
    int is_local = strcmp(p->plan->scheduler, "local") == 0;

    if (lab_digest(p->lab, &digest, err) < 0)
        return -1;
    digest_hex(&digest, hex);
    (void)gethostname(host, sizeof(host) - 1);
    (void)clock_gettime(CLOCK_REALTIME, &t);
    repx_buf_str(to, "{\"v\":1");
    member(to, "run", p->run);
    member(to, "lab", p->lab->id);
    member(to, "lab_digest", hex);
    member(to, "target", p->plan->target->name);
    member(to, "scheduler", p->plan->scheduler);
    if (p->plan->target->may_submit_from_node != CONFIG_UNSET) {
        repx_buf_fmt(to, ",\"may_submit_from_node\":%s",
                     p->plan->target->may_submit_from_node ? "true" : "false");
    }
    if (scheduler_keys(p, to, err) < 0)
        return -1;
    by_arch(to, "helper", target_arch(p->target), helper);
    by_arch(to, "agents", target_arch(p->target), target_agent(p->target));
    repx_buf_str(to, ",\"specs\":[");
    for (size_t i = 0; i < p->options->spec_count; i++) {
        repx_buf_str(to, i ? "," : "");
        json_put_string(to, p->options->specs[i]);
    }
    repx_buf_str(to, "]");
    member(to, "user", user ? user : "unknown");
    member(to, "host", host);
    repx_buf_fmt(to, ",\"t\":%lld", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
    member(to, "client", REPX_VERSION);
    repx_buf_fmt(to, ",\"keep_going\":%s,\"fail_fast\":%s",
                 p->options->keep_going ? "true" : "false",
                 is_local && !p->options->keep_going ? "true" : "false");
    limit(to, "jobs_limit", p->options->jobs_limit);
    limit(to, "mem_limit", p->options->mem_limit);
    repx_buf_fmt(to, ",\"count\":%zu}\n", p->plan->count);
    return 0;
}
