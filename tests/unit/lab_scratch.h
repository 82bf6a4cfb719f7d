/* SPDX-License-Identifier: MIT */
/* lab_scratch.h: a directory to make Labs in, gone at the end. */
#ifndef REPX_TEST_LAB_SCRATCH_H
#define REPX_TEST_LAB_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/lab/lab.h"

static char scratch[] = "/tmp/repx-lab-XXXXXX";

/* Make it, and let the cache be in it. Tests do not go on without. */
static void scratch_begin(void)
{
    if (!mkdtemp(scratch) || chdir(scratch) < 0 ||
        setenv("XDG_CACHE_HOME", scratch, 1) < 0) {
        perror(scratch);
        exit(1);
    }
}

static void scratch_end(void)
{
    if (chdir("/") == 0)
        (void)repx_remove_tree(AT_FDCWD, scratch, NULL);
}

/* A shell command in the scratch directory. */
__attribute__((format(printf, 1, 2), unused)) static int sh(const char *fmt, ...)
{
    char text[8192];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return system(text); /* NOLINT(cert-env33-c): the tests' own text */
}

__attribute__((unused)) static void put(const char *path, const char *text)
{
    REPX_AUTO_FREE char *dir = repx_strdup(path);
    char *slash = strrchr(dir, '/');
    struct repx_err err = {0};

    if (slash)
        *slash = 0;
    if ((slash && repx_make_dirs(dir, 0755, &err) < 0) ||
        repx_write_file(AT_FDCWD, path, text, strlen(text), 0755, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

#endif
