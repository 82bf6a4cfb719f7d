/* SPDX-License-Identifier: MIT */
/* cli.h: commands as descriptors, and what they share. One command, one file. */
#ifndef REPX_CLI_H
#define REPX_CLI_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/config/config.h"
#include "core/lab/lab.h"
#include "core/plugin/host.h"
#include "core/target/fault.h"
#include "core/target/opening.h"
#include "core/target/target.h"

/* ---- options (options.c) ---- */

#define OPTION_FLAG 1  /* int: 1 when given */
#define OPTION_COUNT 2 /* int: how often */
#define OPTION_TEXT 3  /* const char * */
#define OPTION_INT 4   /* struct option_int */
#define OPTION_LIST 5  /* struct option_list: may be repeated */
#define OPTION_WORD 6  /* const char *: one of the words of `words` */

struct option_int {
    int given;
    int64_t value;
};

struct option_list {
    const char **items;
    size_t count;
};

/* One row: parsing, help and the check of the manual come from it. */
struct option {
    const char *name; /* without "--"; NULL ends the table */
    char letter;      /* or 0 */
    int type;
    const char *arg;  /* name of the argument in help; for OPTION_WORD "a|b|c" */
    size_t offset;    /* in the command's struct of arguments */
    const char *help; /* one line */
    int hidden;
};

struct cli;

struct cmd {
    const char *name;
    const char *usage;   /* what follows the name */
    const char *summary; /* one line */
    const struct option *options;
    size_t args_size;
    int min_words, max_words; /* positional arguments; -1: any number */
    int hidden;
    int raw;                       /* 1: arguments are passed on unparsed */
    const struct cmd *const *subs; /* sub-commands, NULL-ended, or NULL */
    /* Returns the exit status, or -1 with *err. words holds the positional arguments. */
    int (*main)(struct cli *cli, const void *args, char **words, int count,
                struct repx_err *err);
};

/* A command line, or the rest of one. */
struct words {
    int count;
    char **at;
};

/* Parse the arguments of a command (path: its name with those above it, for messages) with
 * its own options, which may be NULL, and the global ones. Positional words are moved to the
 * front; returns their number or -1 (REPX_E_USAGE). */
int options_parse(const char *path, const struct option *own, void *args,
                  struct cli *cli, struct words argv, struct repx_err *err);
/* How many entries at the front are options and their values; all when no word follows. */
int options_skip(const struct option *own, struct words argv);
void options_release(const struct option *options, void *args);
/* The rows that are not hidden, below a heading; nothing when there is none. */
void options_help(const char *heading, const struct option *options,
                  struct repx_buf *to);

/* ---- the process (cli.c) ---- */

struct cli {
    /* global options */
    const char *lab_path;
    const char *resources_path;
    const char *target_name;
    const char *scheduler;
    const char *fault;
    struct option_list plugin_path;
    int verbose, help, help_all, version;
    /* opened on demand, closed at the end */
    struct config *config;
    struct lab *lab;
    struct plugin_paths *paths;
    struct target *target;
    struct opening *opening;      /* of target, while it is being opened */
    struct fault_plan fault_plan; /* of fault, parsed with the command line */
    struct ui ui;
};

extern const struct option global_options[];
extern const struct cmd *const commands[];
extern const struct cmd cmd_run, cmd_list, cmd_list_jobs, cmd_show, cmd_log,
    cmd_trace_params, cmd_lab, cmd_plugin, cmd_login, cmd_logout, cmd_internal_execute,
    cmd_internal_gc, cmd_status, cmd_explain, cmd_attach, cmd_retry, cmd_cancel;
extern const struct cmd cmd_pull, cmd_gc, cmd_stats;
/* The jobs of what `name` names, without filters (list runs NAME). */
int list_jobs_plain(struct cli *cli, const char *name, int json, struct repx_err *err);

int cli_config(struct cli *cli, struct repx_err *err);
int cli_lab(struct cli *cli, struct repx_err *err);
int cli_paths(struct cli *cli, struct repx_err *err);
/* The target that --target names, else `fallback` (may be NULL), else an error. */
const struct config_target *cli_target_config(struct cli *cli, const char *fallback,
                                              struct repx_err *err);
/* Begin to log in to a target that cli_target will be asked for next, if that takes time
 * at all. Nothing is changed there, and nothing said of it, before. */
void cli_target_begin(struct cli *cli, const struct config_target *config);
/* That target, opened. */
int cli_target(struct cli *cli, const char *fallback, struct repx_err *err);
void cli_close(struct cli *cli);

/* ---- the terminal (ui.c) ---- */

void ui_init(struct ui *ui, int verbose);
/* Answers: whole lines to stdout, after clearing a progress line. */
void ui_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_error(const char *text); /* "[ERROR] text" on stderr, red on a terminal */
void ui_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_note(const char *fmt, ...)
    __attribute__((format(printf, 1, 2))); /* on stderr */
void ui_flush(void);
/* As if the user had pressed Ctrl-C: for what is not wanted any more. */
void ui_stop(void);
/* Is stdout a terminal that can be drawn on? With its size now. */
int ui_screen(size_t *rows, size_t *columns);
/* How often the user pressed Ctrl-C (or TERM, HUP came). */
int ui_interrupts(void);
/* Make the next canceled() answer 0 again, so that cancelling itself can be carried out. */
void ui_take_interrupt(void);
/* Sizes as `1.5 KiB`; durations as `1h 2m 3s`. Static buffers: one use per statement. */
const char *ui_bytes(uint64_t bytes, char *buf, size_t n);
const char *ui_duration(int64_t ms, char *buf, size_t n);

#endif
