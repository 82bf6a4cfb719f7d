/* SPDX-License-Identifier: MIT */
/* ui.c: everything that a person sees. stdout is for answers, stderr for talk. Progress is
 * one line that is rewritten, on a terminal only. */
#define _GNU_SOURCE
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>
#include <kit/printable.h>

/* The process has one terminal and one set of signals, so this is the one place with
 * state of its own. A target may be opened by another thread: what both touch is atomic. */
static struct {
    int verbose;
    int tty;
    atomic_int line_shown; /* a progress line stands on the terminal */
    int64_t last_ms, start_ms;
    char unit_who[64];
    int wake[2]; /* the descriptor that tells plugins to stop */
} ui_state;

static atomic_int interrupts; /* lock-free: a signal handler may count, too */
static atomic_int taken;

static void on_signal(int sig)
{
    int saved = errno;

    (void)sig;
    atomic_fetch_add(&interrupts, 1);
    ssize_t told = write(ui_state.wake[1], "!", 1);
    (void)told; /* a full pipe is readable already */
    errno = saved;
}

static void clear_line(void)
{
    if (atomic_exchange(&ui_state.line_shown, 0))
        (void)fputs("\r\033[K", stderr);
}

/* Names and reasons come from Labs, targets and plugins: a terminal must not obey them. In
 * an answer for another program they stay as they are. */
static void put_text(FILE *to, const char *before, const char *text, const char *after)
{
    REPX_AUTO_FREE char *copy = repx_strdup(text);

    if (to == stderr || isatty(STDOUT_FILENO))
        repx_printable(copy, "\n\t");
    fprintf(to, "%s%s%s", before, copy, after);
}

__attribute__((format(printf, 3, 0))) static void put_line(FILE *to, const char *before,
                                                           const char *fmt, va_list ap)
{
    char *text;

    if (vasprintf(&text, fmt, ap) < 0)
        return;
    put_text(to, before, text, "\n");
    free(text);
}

static void ui_log(void *ctx, const char *who, uint32_t level, const char *text)
{
    (void)ctx;
    if (level == REPX_LOG_DEBUG && ui_state.verbose < 2)
        return;
    if (level == REPX_LOG_INFO && ui_state.verbose < 1)
        return;
    (void)fflush(stdout);
    clear_line();
    REPX_AUTO_FREE char *before =
        repx_format("repx: %s%s%s", who ? who : "", who && *who ? ": " : "",
                    level == REPX_LOG_WARN ? "warning: " : "");
    REPX_AUTO_FREE char *line =
        repx_printable_line(text); /* whatever a plugin makes of it */
    put_text(stderr, before, line, "\n");
}

static void progress_text(struct repx_buf *b, const char *unit, uint64_t done,
                          uint64_t total, int64_t ms)
{
    char a[32], c[32], d[32];
    uint64_t rate = ms > 0 ? done * 1000 / (uint64_t)ms : 0;

    if (strcmp(unit, "bytes") == 0) {
        repx_buf_fmt(b, "%s", ui_bytes(done, a, sizeof(a)));
        if (total)
            repx_buf_fmt(b, " of %s", ui_bytes(total, c, sizeof(c)));
        repx_buf_fmt(b, ", %s/s", ui_bytes(rate, d, sizeof(d)));
    } else {
        repx_buf_fmt(b, "%llu", (unsigned long long)done);
        if (total)
            repx_buf_fmt(b, " of %llu", (unsigned long long)total);
        repx_buf_fmt(b, " %s", unit);
    }
    if (total > done && rate) {
        repx_buf_fmt(
            b, ", %s left",
            ui_duration((int64_t)((total - done) * 1000 / rate), a, sizeof(a)));
    }
}

static void show_progress(const char *who, const char *unit, uint64_t done,
                          uint64_t total)
{
    int64_t now = repx_now_ms();

    if (strncmp(ui_state.unit_who, who, sizeof(ui_state.unit_who) - 1) != 0) {
        (void)snprintf(ui_state.unit_who, sizeof(ui_state.unit_who), "%s", who);
        ui_state.start_ms = now;
    }
    if (now - ui_state.last_ms < 100 && done != total)
        return;
    ui_state.last_ms = now;
    REPX_AUTO_BUF struct repx_buf b = {0};
    progress_text(&b, unit, done, total, now - ui_state.start_ms);
    (void)fflush(stdout);
    fprintf(stderr, "\r\033[K%s: %s", who, repx_buf_text(&b));
    (void)fflush(stderr);
    ui_state.line_shown = 1;
}

/* Plugins call from any of their threads. */
static void ui_progress(void *ctx, const char *who, const char *unit, uint64_t done,
                        uint64_t total)
{
    (void)ctx;
    if (!ui_state.tty)
        return;
    flockfile(stderr);
    show_progress(who, unit, done, total);
    funlockfile(stderr);
}

static int ui_canceled(void *ctx)
{
    (void)ctx;
    return interrupts > taken;
}

static int ui_cancel_fd(void *ctx)
{
    (void)ctx;
    return ui_state.wake[0];
}

/* Signals go to the first thread, and this may be another. */
static int answer_or_stop(int fd)
{
    struct pollfd p[2] = {{fd, POLLIN, 0}, {ui_state.wake[0], POLLIN, 0}};

    while (poll(p, 2, -1) < 0) {
        if (errno != EINTR)
            return 0;
    }
    return !p[1].revents;
}

static int ui_secret(void *ctx, const char *prompt, char *answer, size_t len,
                     struct repx_err *err)
{
    struct termios old, quiet;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    (void)ctx;
    if (fd < 0 || tcgetattr(fd, &old) < 0) {
        repx_close_fd(&fd);
        return repx_fail(err, REPX_E_AUTH, "nobody can be asked for `%s`: no terminal",
                         prompt);
    }
    clear_line();
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(fd, TCSAFLUSH, &quiet);
    (void)repx_write_all(fd, prompt, strlen(prompt));
    ssize_t n = answer_or_stop(fd) ? read(fd, answer, len - 1) : -1;
    (void)tcsetattr(fd, TCSAFLUSH, &old);
    (void)repx_write_all(fd, "\n", 1);
    (void)close(fd);
    if (n <= 0)
        return repx_fail(err, REPX_E_AUTH, "no answer to `%s`", prompt);
    answer[n] = 0;
    answer[strcspn(answer, "\r\n")] = 0;
    return 0;
}

void ui_init(struct ui *ui, int verbose)
{
    struct sigaction act = {.sa_handler = on_signal};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    ui_state.verbose = verbose;
    ui_state.tty = isatty(STDERR_FILENO);
    if (pipe2(ui_state.wake, O_CLOEXEC | O_NONBLOCK) < 0)
        ui_state.wake[0] = ui_state.wake[1] = -1;
    (void)sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &act, NULL);
    act.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &act, NULL);
    *ui = (struct ui){NULL, ui_log, ui_progress, ui_canceled, ui_cancel_fd, ui_secret};
}

void ui_say(const char *fmt, ...)
{
    va_list ap;

    clear_line();
    va_start(ap, fmt);
    put_line(stdout, "", fmt, ap);
    va_end(ap);
    if (isatty(STDOUT_FILENO))
        (void)fflush(stdout);
}

void ui_flush(void)
{
    clear_line();
    (void)fflush(stdout);
}

void ui_error(const char *text)
{
    ui_flush();
    if (isatty(STDERR_FILENO) && !getenv("NO_COLOR")) {
        put_text(stderr, "\033[31m[ERROR] ", text, "\033[0m\n");
    } else {
        put_text(stderr, "[ERROR] ", text, "\n");
    }
}

void ui_warn(const char *fmt, ...)
{
    va_list ap;

    ui_flush();
    va_start(ap, fmt);
    put_line(stderr, "repx: warning: ", fmt, ap);
    va_end(ap);
}

void ui_note(const char *fmt, ...)
{
    va_list ap;

    ui_flush();
    va_start(ap, fmt);
    put_line(stderr, "", fmt, ap);
    va_end(ap);
}

void ui_stop(void)
{
    on_signal(0);
}

int ui_screen(size_t *rows, size_t *columns)
{
    const char *term = getenv("TERM");
    struct winsize size;

    if (!isatty(STDOUT_FILENO) || (term && strcmp(term, "dumb") == 0))
        return 0;
    *rows = 24;
    *columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        *rows = size.ws_row ? size.ws_row : *rows;
        *columns = size.ws_col ? size.ws_col : *columns;
    }
    return 1;
}

int ui_interrupts(void)
{
    return interrupts;
}

void ui_take_interrupt(void)
{
    char drain[64];

    atomic_store(&taken, atomic_load(&interrupts));
    while (read(ui_state.wake[0], drain, sizeof(drain)) > 0)
        continue;
}

const char *ui_bytes(uint64_t bytes, char *buf, size_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1024;
        u++;
    }
    (void)snprintf(buf, n, u ? "%.1f %s" : "%.0f %s", v, units[u]);
    return buf;
}

const char *ui_duration(int64_t ms, char *buf, size_t n)
{
    static const struct {
        int64_t s;
        char letter;
    } parts[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t left = ms / 1000;
    size_t at = 0;

    buf[0] = 0;
    if (ms < 10000) {
        (void)snprintf(buf, n, "%lld.%llds", (long long)(ms / 1000),
                       (long long)(ms % 1000 / 100));
        return buf;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && at < n; i++) {
        int64_t v = left / parts[i].s;
        left %= parts[i].s;
        if (v) {
            at += (size_t)snprintf(buf + at, n - at, "%s%lld%c", at ? " " : "",
                                   (long long)v, parts[i].letter);
        }
    }
    return buf;
}
