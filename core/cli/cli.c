/* SPDX-License-Identifier: MIT */
/* cli.c: what commands share, opened when first asked for. */
#include "cli.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_LAB "./result"

const struct option global_options[] = {
    {"lab", 'l', OPTION_TEXT, "PATH", offsetof(struct cli, lab_path),
     "Lab directory or tar (default ./result)", 0},
    {"target", 0, OPTION_TEXT, "NAME", offsetof(struct cli, target_name),
     "target of config.toml to use", 0},
    {"scheduler", 0, OPTION_TEXT, "NAME", offsetof(struct cli, scheduler),
     "scheduler plugin to use there", 0},
    {"resources", 0, OPTION_TEXT, "FILE", offsetof(struct cli, resources_path),
     "one more resources.toml, above the others", 0},
    {"plugin-path", 0, OPTION_LIST, "DIR", offsetof(struct cli, plugin_path),
     "look for plugins here first (repeatable)", 0},
    {"fault", 0, OPTION_TEXT, "LIST", offsetof(struct cli, fault),
     "spoil the link to the target, to see what happens", 0},
    {"verbose", 'v', OPTION_COUNT, NULL, offsetof(struct cli, verbose),
     "say more; twice: everything", 0},
    {"help", 'h', OPTION_FLAG, NULL, offsetof(struct cli, help), "show help", 0},
    {"help-all", 0, OPTION_FLAG, NULL, offsetof(struct cli, help_all),
     "show the help of every command", 0},
    {"version", 'V', OPTION_FLAG, NULL, offsetof(struct cli, version),
     "show the version", 0},
    {0},
};

int cli_config(struct cli *cli, struct repx_err *err)
{
    if (!cli->config)
        cli->config = config_open(err);
    return cli->config ? 0 : -1;
}

int cli_lab(struct cli *cli, struct repx_err *err)
{
    if (!cli->lab) {
        cli->lab = lab_open(cli->lab_path ? cli->lab_path : DEFAULT_LAB, 0, err);
        if (cli->lab && cli->lab->warning)
            ui_warn("%s", cli->lab->warning);
    }
    return cli->lab ? 0 : -1;
}

int cli_paths(struct cli *cli, struct repx_err *err)
{
    if (cli->paths)
        return 0;
    if (cli_config(cli, err) < 0)
        return -1;
    cli->paths =
        plugin_paths_create(cli->plugin_path.items, cli->plugin_path.count,
                            cli->config->plugin_paths, cli->config->plugin_path_count);
    return 0;
}

const struct config_target *cli_target_config(struct cli *cli, const char *fallback,
                                              struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};

    if (cli_config(cli, err) < 0)
        return NULL;
    const char *name = cli->target_name ? cli->target_name : fallback;
    if (!name) {
        (void)repx_fail(err, REPX_E_USAGE,
                        "no target chosen: set submission_target in config.toml or use "
                        "--target NAME");
        return NULL;
    }
    const struct config_target *t = config_target_find(cli->config, name);
    if (t)
        return t;
    for (size_t i = 0; i < cli->config->target_count; i++)
        repx_buf_fmt(&names, "%s%s", i ? ", " : "", cli->config->targets[i].name);
    (void)repx_fail(err, REPX_E_USAGE,
                    "target '%s' not found in configuration%s%s; "
                    "it has: %s",
                    name, cli->config->file ? " " : "",
                    cli->config->file ? cli->config->file : "", repx_buf_text(&names));
    return NULL;
}

static struct target_request request_of(struct cli *cli,
                                        const struct config_target *config)
{
    return (struct target_request){.config = config,
                                   .paths = cli->paths,
                                   .ui = &cli->ui,
                                   .mode = REPX_OPEN_PROMPT,
                                   .fault = cli->fault ? &cli->fault_plan : NULL};
}

/* Our own transports and bootstrap to another host: with those it is known that they wait
 * before they change anything. */
static int takes_time(const struct config_target *config)
{
    static const char *const own[] = {"auto", "ssh", "openssh"};
    int ours = 0;

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        ours |= strcmp(config->transport, own[i]) == 0;
    return ours && config->address && strcmp(config->bootstrap, "bootstrap") == 0;
}

void cli_target_begin(struct cli *cli, const struct config_target *config)
{
    const char *lab = cli->lab_path ? cli->lab_path : DEFAULT_LAB;

    if (cli->target || cli->opening || !takes_time(config) || access(lab, R_OK) < 0 ||
        cli_paths(cli, NULL) < 0)
        return;
    struct target_request request = request_of(cli, config);
    cli->opening = opening_begin(&request);
}

int cli_target(struct cli *cli, const char *fallback, struct repx_err *err)
{
    const struct config_target *config;

    if (cli->target)
        return 0;
    if (cli->opening) {
        cli->target = opening_end(cli->opening, err);
        cli->opening = NULL;
        return cli->target ? 0 : -1;
    }
    config = cli_target_config(cli, fallback, err);
    if (!config || cli_paths(cli, err) < 0)
        return -1;
    struct target_request request = request_of(cli, config);
    cli->target = target_open(&request, err);
    return cli->target ? 0 : -1;
}

void cli_close(struct cli *cli)
{
    if (cli->opening)
        ui_stop();
    opening_stop(cli->opening);
    target_close(cli->target);
    plugin_paths_destroy(cli->paths);
    lab_close(cli->lab);
    config_close(cli->config);
    options_release(global_options, cli);
}
