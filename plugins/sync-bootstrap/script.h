/* SPDX-License-Identifier: MIT */
/* script.h: the first command (docs/first-command.md). */
#ifndef REPX_BOOTSTRAP_SCRIPT_H
#define REPX_BOOTSTRAP_SCRIPT_H

/* Every answer of the script is one line that holds this mark and then a word. */
#define ANSWER_MARK "@repx-first-command@ "

/* A line for any login shell. Its text is constant. */
extern const char first_command[];

#endif
