/* SPDX-License-Identifier: MIT */
/* config_scratch.h: an environment of one's own for tests that read configuration: HOME,
 * XDG_CONFIG_HOME (scratch/config) and the working directory (scratch/here). */
#ifndef TESTS_CONFIG_SCRATCH_H
#define TESTS_CONFIG_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

static char *scratch;

__attribute__((unused)) static char *scratch_path(const char *name)
{
    return repx_format("%s/%s", scratch, name);
}

/* Write a file below the scratch directory; text NULL removes it. */
__attribute__((unused)) static void scratch_put(const char *name, const char *text)
{
    REPX_AUTO_FREE char *path = scratch_path(name);

    if (!text) {
        (void)repx_remove_tree(AT_FDCWD, path, NULL);
    } else if (repx_write_file(AT_FDCWD, path, text, strlen(text), 0600, NULL) < 0) {
        perror(path);
    }
}

static void scratch_make(const char *name)
{
    REPX_AUTO_FREE char *path = scratch_path(name);

    if (repx_make_dirs(path, 0700, NULL) < 0)
        perror(path);
}

__attribute__((unused)) static void scratch_begin(void)
{
    char name[] = "/tmp/repx-test-XXXXXX";

    scratch = repx_strdup(mkdtemp(name));
    scratch_make("config/repx/repx.d");
    scratch_make("site/repx");
    scratch_make("here");
    REPX_AUTO_FREE char *config = scratch_path("config");
    REPX_AUTO_FREE char *site = scratch_path("site");
    REPX_AUTO_FREE char *here = scratch_path("here");

    if (chdir(here) < 0)
        perror(here);
    (void)setenv("HOME", "/home/me", 1);
    (void)setenv("XDG_CONFIG_HOME", config, 1);
    (void)setenv("XDG_CONFIG_DIRS", site, 1);
    (void)unsetenv("XDG_STATE_HOME");
}

__attribute__((unused)) static void scratch_end(void)
{
    if (chdir("/") == 0)
        (void)repx_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    scratch = NULL;
}

#endif
