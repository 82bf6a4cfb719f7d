/* SPDX-License-Identifier: MIT */
/* What a terminal would obey is not sent to it. */
#define _GNU_SOURCE /* posix_openpt */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/buf.h>
#include <kit/printable.h>

#include "core/cli/cli.h"
#include "tap.h"

#define EVIL "a\033[2Jb\x7f\xc2\x9bm\xc3\xa4"
#define TAME "a?[2Jb???m\xc3\xa4"

static void say(void)
{
    ui_say("%s", EVIL);
}

static void error(void)
{
    ui_error(EVIL);
}

static void warn(void)
{
    ui_warn("%s", EVIL);
}

static void note(void)
{
    ui_note("%s", EVIL);
}

static void log_line(void)
{
    struct ui ui;

    ui_init(&ui, 0);
    ui.log(ui.ctx, "x", REPX_LOG_WARN, EVIL);
}

/* What arrives of it at a terminal, or at a pipe. */
static char *said(void (*what)(void), int terminal)
{
    int ends[2] = {-1, -1};
    struct repx_buf got = {0};
    char bytes[256];
    ssize_t n;

    if (terminal) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        if (ends[0] < 0 || grantpt(ends[0]) < 0 || unlockpt(ends[0]) < 0)
            return NULL;
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    } else if (pipe(ends) < 0) {
        return NULL;
    }
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("NO_COLOR", "1", 1);
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        what();
        _exit(fflush(stdout) != 0);
    }
    (void)waitpid(child, NULL, 0); /* so few bytes wait in the pipe or the terminal */
    (void)close(ends[1]);
    while ((n = read(ends[0], bytes, sizeof(bytes))) > 0)
        repx_buf_add(&got, bytes, (size_t)n);
    (void)close(ends[0]);
    while (got.len && (got.data[got.len - 1] == '\n' || got.data[got.len - 1] == '\r'))
        got.data[--got.len] = 0;
    return repx_buf_detach(&got);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*what)(void);
        int terminal;
        const char *want;
    } rows[] = {
        {"an answer on a terminal", say, 1, TAME},
        {"an answer for a program", say, 0, EVIL},
        {"an error", error, 0, "[ERROR] " TAME},
        {"a warning", warn, 0, "repx: warning: " TAME},
        {"a note", note, 0, TAME},
        {"a plugin's line", log_line, 0, "repx: x: warning: " TAME},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *got = said(rows[i].what, rows[i].terminal);
        is(got, rows[i].want, rows[i].name);
        free(got);
    }

    char text[] = "x\n\ty\r\x01";
    repx_printable(text, "\n");
    is(text, "x\n y ?", "white space is a blank, but for what is to stay");
    return tap_end();
}
