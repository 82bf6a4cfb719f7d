/* SPDX-License-Identifier: MIT */
/* printable.h: text that came from elsewhere (a Lab, a target, a plugin) on its way to a
 * terminal, which would obey the control characters in it. */
#ifndef REPX_KIT_PRINTABLE_H
#define REPX_KIT_PRINTABLE_H

/* In place: control characters, those of UTF-8 (U+0080 to U+009F) too, become '?', white space
 * among them a blank. `keep`: those that stay, "" or "\n\t". */
void repx_printable(char *text, const char *keep);
/* A copy in one line. The caller frees. */
char *repx_printable_line(const char *text);

#endif
