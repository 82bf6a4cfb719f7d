/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS, strsignal */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conform.h"

#define UNTESTED_MAX 64
#define LINE_MAX_LEN 256

/* Shared with the children. */
struct report {
    unsigned count, failed, untested_count;
    char last[LINE_MAX_LEN]; /* the check before whatever happens next */
    char untested[UNTESTED_MAX][LINE_MAX_LEN];
};
static struct report *report;
/* Standard output as it was: while a plugin is at work it may lead elsewhere (around.h). */
static FILE *tap;

void report_begin(void)
{
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        perror("repx-plugin-test");
        _exit(1);
    }
    int fd = fcntl(1, F_DUPFD_CLOEXEC, 10);
    tap = fd < 0 ? stdout : fdopen(fd, "w");
    (void)setvbuf(tap, NULL, _IOLBF, 0);
}

int check(int ok, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(report->last, sizeof(report->last), fmt, args);
    va_end(args);
    for (char *p = report->last; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == '#')
            *p = ' ';
    }
    report->count++;
    report->failed += !ok;
    (void)fprintf(tap, "%s %u - %s\n", ok ? "ok" : "not ok", report->count,
                  report->last);
    (void)fflush(tap);
    return ok;
}

void remark(const char *who, uint32_t level, const char *text)
{
    (void)fprintf(tap, "# %s (%u): %s\n", who, level, text);
}

void untested(const char *fmt, ...)
{
    va_list args;

    if (report->untested_count == UNTESTED_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(report->untested[report->untested_count++], LINE_MAX_LEN, fmt,
                    args);
    va_end(args);
}

void group(const char *name, void (*run)(struct conform *c), struct conform *c,
           unsigned seconds)
{
    char last[LINE_MAX_LEN]; /* check writes its own line where this one stands */
    int status = 0;

    (void)fprintf(tap, "# %s\n", name);
    (void)fflush(tap);
    (void)snprintf(report->last, sizeof(report->last), "its beginning");
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)alarm(seconds);
        run(c);
        (void)fflush(tap);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)kill(-pid, SIGKILL); /* what it left behind in its group */
    memcpy(last, report->last, sizeof(last));
    last[sizeof(last) - 1] = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        (void)check(0, "%s: comes to its end within %u s; hangs after: %s", name,
                    seconds, last);
    } else if (WIFSIGNALED(status)) {
        (void)check(0, "%s: does not crash (%s); last: %s", name,
                    strsignal(WTERMSIG(status)), last);
    } else if (WEXITSTATUS(status) != 0) {
        (void)check(0, "%s: never ends the process (status %d); last: %s", name,
                    WEXITSTATUS(status), last);
    }
}

int report_end(void)
{
    for (unsigned i = 0; i < report->untested_count; i++)
        (void)fprintf(tap, "# not tested: %s\n", report->untested[i]);
    (void)fprintf(tap, "1..%u\n", report->count);
    if (report->failed)
        (void)fprintf(tap, "# %u of %u failed\n", report->failed, report->count);
    return report->failed > 0;
}
