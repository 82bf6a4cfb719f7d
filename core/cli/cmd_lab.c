/* SPDX-License-Identifier: MIT */
/* lab pack: make a Lab from a definition and scripts. */

#include "cli.h"
#include "core/labpack/labpack.h"

struct lab_pack_args {
    const char *out;
};

static const struct option lab_pack_options[] = {
    {"output", 'o', OPTION_TEXT, "DIR", offsetof(struct lab_pack_args, out),
     "where the Lab goes (default ./result)", 0},
    {0},
};

static int lab_pack_main(struct cli *cli, const void *args, char **words, int count,
                         struct repx_err *err)
{
    const struct lab_pack_args *a = args;
    const char *out = a->out ? a->out : "./result";
    struct lab_pack_report report = {0};
    char size[32];

    (void)cli;
    (void)count;
    if (lab_pack(words[0], out, &report, err) < 0)
        return -1;
    ui_say("Packed %s into %s: %zu runs, %zu jobs, %zu files, %s", words[0], out,
           report.runs, report.jobs, report.files,
           ui_bytes(report.bytes, size, sizeof(size)));
    return 0;
}

static const struct cmd cmd_lab_pack = {
    .name = "pack",
    .usage = "DIR [-o DIR]",
    .summary = "make a Lab from DIR/lab.ini and the scripts it names",
    .options = lab_pack_options,
    .args_size = sizeof(struct lab_pack_args),
    .min_words = 1,
    .max_words = 1,
    .main = lab_pack_main,
};

static const struct cmd *const lab_subs[] = {&cmd_lab_pack, NULL};

const struct cmd cmd_lab = {
    .name = "lab",
    .usage = "COMMAND",
    .summary = "make Labs",
    .subs = lab_subs,
};
