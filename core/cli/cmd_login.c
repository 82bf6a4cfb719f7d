/* SPDX-License-Identifier: MIT */
/* login, logout: authenticate once for later commands, or forget it. */
#include "cli.h"

static int with_target(struct cli *cli, char **words, int login, struct repx_err *err)
{
    cli->target_name = words[0];
    const struct config_target *config = cli_target_config(cli, NULL, err);

    if (!config || cli_paths(cli, err) < 0)
        return -1;
    struct target_request request = {.config = config,
                                     .paths = cli->paths,
                                     .ui = &cli->ui,
                                     .mode = REPX_OPEN_PROMPT};
    if (target_login(&request, login, err) < 0)
        return -1;
    ui_say(login ? "Logged in to '%s'; later commands use this connection until `repx "
                   "logout %s`."
                 : "Logged out of '%s'.",
           config->name, config->name);
    return 0;
}

static int login_main(struct cli *cli, const void *args, char **words, int count,
                      struct repx_err *err)
{
    (void)args;
    (void)count;
    return with_target(cli, words, 1, err);
}

static int logout_main(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    (void)args;
    (void)count;
    return with_target(cli, words, 0, err);
}

const struct cmd cmd_login = {
    .name = "login",
    .usage = "TARGET",
    .summary = "authenticate once; later commands reuse that connection",
    .min_words = 1,
    .max_words = 1,
    .main = login_main,
};

const struct cmd cmd_logout = {
    .name = "logout",
    .usage = "TARGET",
    .summary = "end the connection that login keeps",
    .min_words = 1,
    .max_words = 1,
    .main = logout_main,
};
