/* SPDX-License-Identifier: MIT */
/* main.c: find the command, parse, run, say what went wrong. Exit status: 0 done, 1 an
 * error, 2 the command line was wrong. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include <kit/alloc.h>

#include "core/config/nearest.h"

const struct cmd *const commands[] = {
    &cmd_run,          &cmd_status, &cmd_explain,
    &cmd_attach,       &cmd_retry,  &cmd_cancel,
    &cmd_stats,        &cmd_list,   &cmd_show,
    &cmd_log,          &cmd_pull,   &cmd_gc,
    &cmd_trace_params, &cmd_lab,    &cmd_plugin,
    &cmd_login,        &cmd_logout, &cmd_internal_execute,
    &cmd_internal_gc,  NULL,
};

static void help_commands(const struct cmd *const *list, struct repx_buf *to)
{
    for (; *list; list++) {
        if (!(*list)->hidden)
            repx_buf_fmt(to, "  %-14s %s\n", (*list)->name, (*list)->summary);
    }
}

static void help_top(struct repx_buf *to)
{
    repx_buf_str(to,
                 "repx: run the jobs of a Lab on this machine or on a cluster\n\n"
                 "usage: repx [options] COMMAND [arguments]\n\ncommands:\n");
    help_commands(commands, to);
    options_help("options (before or after the command)", global_options, to);
    repx_buf_str(to, "\n`repx COMMAND --help` tells more about one command.\n");
}

static void help_cmd(const char *path, const struct cmd *cmd, struct repx_buf *to)
{
    repx_buf_fmt(to, "%s: %s\n\nusage: %s%s%s\n", path, cmd->summary, path,
                 *cmd->usage ? " " : "", cmd->usage);
    if (cmd->subs) {
        repx_buf_str(to, "\ncommands:\n");
        help_commands(cmd->subs, to);
    }
    options_help("options", cmd->options, to);
    options_help("global options", global_options, to);
}

static void help_all(const char *path, const struct cmd *const *list,
                     struct repx_buf *to)
{
    for (; *list; list++) {
        if ((*list)->hidden)
            continue;
        REPX_AUTO_FREE char *name = repx_format("%s %s", path, (*list)->name);
        repx_buf_char(to, '\n');
        help_cmd(name, *list, to);
        if ((*list)->subs)
            help_all(name, (*list)->subs, to);
    }
}

/* 1 when the version or help was asked for, and shown. */
static int asked(const struct cli *cli, const char *path, const struct cmd *cmd)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (cli->version) {
        repx_buf_fmt(&text, "repx %s\n", REPX_VERSION);
    } else if (cli->help_all) {
        help_top(&text);
        help_all("repx", commands, &text);
    } else if (cmd && (cli->help || !cmd->main)) {
        help_cmd(path, cmd, &text);
    } else if (!cmd) {
        help_top(&text);
    } else {
        return 0;
    }
    (void)fputs(repx_buf_text(&text), stdout);
    return 1;
}

static const struct cmd *find(const struct cmd *const *list, const char *name)
{
    for (; *list; list++) {
        if (strcmp((*list)->name, name) == 0)
            return *list;
    }
    return NULL;
}

static int usage_error(const struct repx_err *err)
{
    ui_error(err->text);
    return 2;
}

/* Parse the arguments of a command and run it. */
static int run_cmd(struct cli *cli, const char *path, const struct cmd *cmd,
                   struct words argv)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE void *args = repx_alloc(cmd->args_size);
    int words = cmd->raw ? argv.count
                         : options_parse(path, cmd->options, args, cli, argv, &err);

    if (words < 0 ||
        (cli->fault && fault_parse(cli->fault, &cli->fault_plan, &err) < 0))
        return usage_error(&err);
    if (!cmd->raw && asked(cli, path, cmd))
        return 0;
    if (words < cmd->min_words || (cmd->max_words >= 0 && words > cmd->max_words)) {
        (void)repx_fail(&err, REPX_E_USAGE, "%s: %s; usage: %s %s", path,
                        words < cmd->min_words ? "something is missing"
                                               : "too many arguments",
                        path, cmd->usage);
        return usage_error(&err);
    }
    ui_init(&cli->ui, cli->verbose);
    int rc = cmd->main(cli, args, argv.at, words, &err);
    if (rc < 0)
        ui_error(err.text);
    ui_flush();
    options_release(cmd->options, args);
    return rc < 0 ? 1 : rc;
}

/* The command that argv names, going down into sub-commands; *path becomes its name. Only
 * the names are taken out of argv: options stand before, between and after them. */
static const struct cmd *descend(struct words *argv, struct repx_buf *path)
{
    const struct cmd *const *list = commands;
    const struct cmd *cmd = NULL;

    while (list) {
        int at = options_skip(cmd ? cmd->options : NULL, *argv);
        const struct cmd *next = at < argv->count ? find(list, argv->at[at]) : NULL;
        if (!next)
            break;
        memmove(argv->at + 1, argv->at, (size_t)at * sizeof(*argv->at));
        argv->at++;
        argv->count--;
        cmd = next;
        repx_buf_fmt(path, " %s", cmd->name);
        list = cmd->subs;
    }
    return cmd;
}

static int unknown_command(const char *path, const struct cmd *const *list,
                           const char *word)
{
    struct repx_err err = {0};
    const char *names[32];
    size_t n = 0;

    for (; *list && n < sizeof(names) / sizeof(names[0]); list++) {
        if (!(*list)->hidden)
            names[n++] = (*list)->name;
    }
    const char *near = nearest_word(word, names, n);
    (void)repx_fail(&err, REPX_E_USAGE,
                    "unknown command `%s %s`; %s%s%s`%s --help` lists them", path, word,
                    near ? "did you mean `" : "", near ? near : "", near ? "`? " : "",
                    path);
    return usage_error(&err);
}

static int dispatch(struct cli *cli, struct words argv)
{
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf path = {0};

    repx_buf_str(&path, "repx");
    const struct cmd *cmd = descend(&argv, &path);
    if (cmd && cmd->main)
        return run_cmd(cli, repx_buf_text(&path), cmd, argv);
    int words = options_parse(repx_buf_text(&path), NULL, NULL, cli, argv, &err);
    if (words < 0)
        return usage_error(&err);
    if (words > 0) {
        return unknown_command(repx_buf_text(&path), cmd ? cmd->subs : commands,
                               argv.at[0]);
    }
    (void)asked(cli, repx_buf_text(&path), cmd);
    return 0;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};

    if (getauxval(AT_SECURE)) {
        (void)fputs("repx: refusing to run set-uid or set-gid\n", stderr);
        return 1;
    }
    repx_large_apart();
    int rc = dispatch(&cli, (struct words){argc - 1, argv + 1});
    cli_close(&cli);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE) /* who closed a pipe has seen enough */
            (void)fputs("[ERROR] standard output cannot be written\n", stderr);
        rc = rc ? rc : 1;
    }
    return rc;
}
