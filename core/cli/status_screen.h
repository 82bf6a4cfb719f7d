/* SPDX-License-Identifier: MIT */
/* status_screen.h: how a run looks, from the lines of docs/following.md. */
#ifndef REPX_CLI_STATUS_SCREEN_H
#define REPX_CLI_STATUS_SCREEN_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>

struct json;

/* Two lines of `repx status`. */
void status_say_run(const struct json *run);
/* One line: counts. */
void status_line(const struct json *run, struct repx_buf *to);
/* The whole screen, some lines. */
void status_screen(const struct json *run, struct repx_buf *to);
/* Write it to a terminal over the *drawn lines written last, cut to its size unless it is
 * the last one; *drawn becomes how many it has. */
void status_draw(const struct repx_buf *screen, size_t *drawn, int last);
/* What a scheduler's word for waiting means, or the word itself. */
const char *status_waiting(const char *word);
/* "2026-11-22 12:00:01" here, of milliseconds since 1970. */
const char *status_time(int64_t ms, char *buf, size_t n);

#endif
