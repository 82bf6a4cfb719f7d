/* SPDX-License-Identifier: MIT */
/* plugin list: which plugins are installed. Reads manifests only. */
#include <stdio.h>

#include <kit/alloc.h>

#include "cmd_plugin.h"
#include "core/json/json.h"

struct plugin_list_args {
    int json;
};

static const struct option plugin_list_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct plugin_list_args, json),
     "one JSON array", 0},
    {0},
};

static void warn(void *ctx, const char *text)
{
    (void)ctx;
    ui_warn("%s", text);
}

void plugin_put_member(struct repx_buf *b, const char *key, const char *value)
{
    repx_buf_fmt(b, "\"%s\":", key);
    if (value) {
        json_put_string(b, value);
    } else {
        repx_buf_str(b, "null");
    }
}

void plugin_put_members(struct repx_buf *b, const struct plugin_info *p)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"name", p->name},       {"version", p->version},
                 {"vendor", p->vendor},   {"license", p->license},
                 {"summary", p->summary}, {"file", p->file}};

    plugin_put_member(b, "kind", plugin_kind_word(p->kind));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        repx_buf_char(b, ',');
        plugin_put_member(b, texts[i].key, texts[i].value);
    }
    repx_buf_fmt(b, ",\"abi\":\"%u.%u\"", p->abi_major, p->abi_minor);
}

static int plugin_list_main(struct cli *cli, const void *args, char **words, int count,
                            struct repx_err *err)
{
    const struct plugin_list_args *a = args;
    struct plugin_list list = {0};
    REPX_AUTO_BUF struct repx_buf b = {0};

    (void)words;
    (void)count;
    if (cli_paths(cli, err) < 0 || plugin_list(cli->paths, &list, warn, NULL, err) < 0)
        return -1;
    if (a->json)
        repx_buf_char(&b, '[');
    for (size_t i = 0; i < list.count; i++) {
        const struct plugin_info *p = &list.items[i];
        if (a->json) {
            repx_buf_str(&b, i ? ",\n " : "");
            repx_buf_char(&b, '{');
            plugin_put_members(&b, p);
            repx_buf_char(&b, '}');
        } else {
            REPX_AUTO_FREE char *name =
                repx_format("%s-%s", plugin_kind_word(p->kind), p->name);
            repx_buf_fmt(&b, "%-20s %-8s %s\n", name, p->version, p->summary);
        }
    }
    if (a->json)
        repx_buf_str(&b, "]\n");
    (void)fputs(repx_buf_text(&b), stdout);
    plugin_list_free(&list);
    return 0;
}

static const struct cmd cmd_plugin_list = {
    .name = "list",
    .usage = "[--json]",
    .summary = "list the installed plugins, from their manifests",
    .options = plugin_list_options,
    .args_size = sizeof(struct plugin_list_args),
    .max_words = 0,
    .main = plugin_list_main,
};

static const struct cmd *const plugin_subs[] = {
    &cmd_plugin_list, &cmd_plugin_show, &cmd_plugin_check, &cmd_plugin_new, NULL};

const struct cmd cmd_plugin = {
    .name = "plugin",
    .usage = "COMMAND",
    .summary = "transports, schedulers and sync plugins",
    .subs = plugin_subs,
};
