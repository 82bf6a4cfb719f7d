/* SPDX-License-Identifier: MIT */
/* plugin show: one plugin and its configuration keys, from its manifest. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>

#include "cmd_plugin.h"
#include "core/json/json.h"
#include "core/plugin/manifest.h"
#include "core/plugin/manifest_keys.h"

struct plugin_show_args {
    int json;
};

static const struct option plugin_show_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct plugin_show_args, json),
     "one JSON object", 0},
    {0},
};

static const struct plugin_info *find(const struct plugin_list *list, const char *name,
                                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};

    for (size_t i = 0; i < list->count; i++) {
        const struct plugin_info *p = &list->items[i];
        REPX_AUTO_FREE char *full =
            repx_format("%s-%s", plugin_kind_word(p->kind), p->name);
        if (strcmp(full, name) == 0)
            return p;
        repx_buf_fmt(&names, "%s%s", i ? ", " : "", full);
    }
    (void)repx_fail(err, REPX_E_NOENT, "no plugin `%s`; installed: %s", name,
                    repx_buf_text(&names));
    return NULL;
}

static void put_range(struct repx_buf *b, const struct manifest_key *k)
{
    repx_buf_fmt(b, "  %-20s %s", k->name, k->type ? k->type : "string");
    if (k->min && k->max)
        repx_buf_fmt(b, ", %s to %s", k->min, k->max);
    if (k->initial && !k->secret)
        repx_buf_fmt(b, ", default \"%s\"", k->initial);
    repx_buf_fmt(b, "%s%s\n      %s\n", k->required ? ", required" : "",
                 k->secret ? ", secret" : "", k->help ? k->help : "");
}

static void put_text(struct repx_buf *b, const struct manifest *m,
                     const struct manifest_keys *keys)
{
    const struct plugin_info *p = &m->info;
    int is_scheduler = p->kind == REPX_KIND_SCHEDULER;

    repx_buf_fmt(b, "%s-%s %s\n  %s\n", plugin_kind_word(p->kind), p->name, p->version,
                 p->summary);
    repx_buf_fmt(b, "  vendor %s, license %s, ABI %u.%u\n  %s\n", p->vendor, p->license,
                 p->abi_major, p->abi_minor, p->file);
    if (p->phase)
        repx_buf_fmt(b, "  serves the phase %s\n", descriptor_phase_word(p->phase));
    if (m->helper_count)
        repx_buf_str(b, "  helpers for");
    for (size_t i = 0; i < m->helper_count; i++)
        repx_buf_fmt(b, "%s %s", i ? "," : "", m->helpers[i].arch);
    repx_buf_str(b, m->helper_count ? "\n" : "");
    if (keys->count) {
        repx_buf_fmt(b, "Keys of [targets.X.%s%s%s]:\n",
                     is_scheduler ? "" : plugin_kind_word(p->kind),
                     is_scheduler ? "" : "-", p->name);
    }
    for (size_t i = 0; i < keys->count; i++)
        put_range(b, &keys->items[i]);
}

static void put_key_json(struct repx_buf *b, const struct manifest_key *k)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"type", k->type},
                 {"min", k->min},
                 {"max", k->max},
                 {"default", k->secret ? NULL : k->initial},
                 {"help", k->help}};

    repx_buf_char(b, '{');
    plugin_put_member(b, "name", k->name);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        repx_buf_char(b, ',');
        plugin_put_member(b, texts[i].key, texts[i].value);
    }
    repx_buf_fmt(b, ",\"required\":%s,\"secret\":%s}", k->required ? "true" : "false",
                 k->secret ? "true" : "false");
}

static void put_json(struct repx_buf *b, const struct manifest *m,
                     const struct manifest_keys *keys)
{
    repx_buf_char(b, '{');
    plugin_put_members(b, &m->info);
    repx_buf_char(b, ',');
    plugin_put_member(b, "phase",
                      m->info.phase ? descriptor_phase_word(m->info.phase) : NULL);
    repx_buf_char(b, ',');
    plugin_put_member(b, "sha256", m->info.sha256);
    repx_buf_str(b, ",\"helpers\":{");
    for (size_t i = 0; i < m->helper_count; i++) {
        repx_buf_str(b, i ? "," : "");
        plugin_put_member(b, m->helpers[i].arch, m->helpers[i].sha256);
    }
    repx_buf_str(b, "},\"keys\":[");
    for (size_t i = 0; i < keys->count; i++) {
        repx_buf_str(b, i ? "," : "");
        put_key_json(b, &keys->items[i]);
    }
    repx_buf_str(b, "]}\n");
}

static int show(const struct plugin_info *p, int json, struct repx_err *err)
{
    struct manifest m = {0};
    struct manifest_keys keys = {0};
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *ini =
        repx_format("%.*s.ini", (int)(strlen(p->file) - 3), p->file);

    int rc = manifest_read(ini, &m, err);
    if (rc == 0)
        rc = manifest_keys_read(ini, &keys, err);
    if (rc == 0) {
        (json ? put_json : put_text)(&b, &m, &keys);
        (void)fputs(repx_buf_text(&b), stdout);
    }
    manifest_free(&m);
    manifest_keys_free(&keys);
    return rc;
}

static int plugin_show_main(struct cli *cli, const void *args, char **words, int count,
                            struct repx_err *err)
{
    const struct plugin_show_args *a = args;
    struct plugin_list list = {0};

    (void)count;
    if (cli_paths(cli, err) < 0 || plugin_list(cli->paths, &list, NULL, NULL, err) < 0)
        return -1;
    const struct plugin_info *p = find(&list, words[0], err);
    int rc = p ? show(p, a->json, err) : -1;
    plugin_list_free(&list);
    return rc;
}

const struct cmd cmd_plugin_show = {
    .name = "show",
    .usage = "KIND-NAME [--json]",
    .summary = "tell what a plugin is and which configuration keys it has",
    .options = plugin_show_options,
    .args_size = sizeof(struct plugin_show_args),
    .min_words = 1,
    .max_words = 1,
    .main = plugin_show_main,
};
