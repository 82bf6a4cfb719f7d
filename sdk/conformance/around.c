/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create, mallinfo2 */
#include "around.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "conform.h"

struct around {
    struct sigaction signals[NSIG];
    sigset_t mask;
    char *directory, *locale;
    struct repx_buf environment;
    mode_t umask;
    size_t fds;
    int printed; /* where standard output and error lead */
};

size_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        (void)closedir(d);
    return n;
}

size_t inheritable_fds(int keep)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        int fd = (int)strtol(e->d_name, NULL, 10);
        int flags = fd > 2 ? fcntl(fd, F_GETFD) : FD_CLOEXEC;
        if (flags < 0 || flags & FD_CLOEXEC)
            continue;
        n++;
        if (keep)
            (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
    if (d)
        (void)closedir(d);
    return n;
}

size_t heap_in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void put_environment(struct repx_buf *to)
{
    for (char **e = environ; *e; e++)
        repx_buf_fmt(to, "%s\n", *e);
}

static mode_t current_umask(void)
{
    mode_t mask = umask(022);

    (void)umask(mask);
    return mask;
}

struct around *around_begin(void)
{
    struct around *a = REPX_NEW(struct around);

    (void)fflush(stdout);
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, NULL, &a->signals[i]);
    (void)sigprocmask(SIG_SETMASK, NULL, &a->mask);
    a->directory = getcwd(NULL, 0);
    a->locale = repx_strdup(setlocale(LC_ALL, NULL));
    put_environment(&a->environment);
    a->umask = current_umask();
    a->printed = memfd_create("printed", MFD_CLOEXEC);
    a->fds = count_fds();
    if (a->printed >= 0) {
        (void)dup2(a->printed, 1);
        (void)dup2(a->printed, 2);
    }
    return a;
}

static int signals_are(const struct around *a)
{
    sigset_t mask;

    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction now;
        if (sigaction(i, NULL, &now) == 0 &&
            (now.sa_handler != a->signals[i].sa_handler ||
             sigismember(&mask, i) != sigismember(&a->mask, i)))
            return 0;
    }
    return 1;
}

/* The first of them that is not as it was, or NULL. */
static const char *what_changed(const struct around *a)
{
    REPX_AUTO_FREE char *directory = getcwd(NULL, 0);
    REPX_AUTO_BUF struct repx_buf environment = {0};

    put_environment(&environment);
    if (!signals_are(a))
        return "signals";
    if (!directory || strcmp(directory, a->directory) != 0)
        return "the working directory";
    if (strcmp(setlocale(LC_ALL, NULL), a->locale) != 0)
        return "the locale";
    if (current_umask() != a->umask)
        return "the umask";
    if (strcmp(repx_buf_text(&environment), repx_buf_text(&a->environment)) != 0)
        return "the environment";
    return count_fds() != a->fds ? "the number of open descriptors" : NULL;
}

void around_end(struct around *a)
{
    char text[200] = "";

    (void)fflush(stdout);
    const char *changed = what_changed(a);
    ssize_t n = a->printed < 0 ? 0 : pread(a->printed, text, sizeof(text) - 1, 0);
    (void)check(!changed,
                "signals, directory, locale, umask, environment and "
                "descriptors are as they were%s%s",
                changed ? "; changed: " : "", changed ? changed : "");
    (void)check(n <= 0, "nothing is printed %s", text);
    repx_close_fd(&a->printed);
    repx_buf_free(&a->environment);
    free(a->directory);
    free(a->locale);
    free(a);
}
