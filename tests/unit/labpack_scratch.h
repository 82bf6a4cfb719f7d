/* SPDX-License-Identifier: MIT */
/* labpack_scratch.h: a directory of its own for a test that packs Labs. */
#ifndef REPX_LABPACK_SCRATCH_H
#define REPX_LABPACK_SCRATCH_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

static char scratch[] = "/tmp/repx-labpack.XXXXXX";

__attribute__((unused)) static int scratch_begin(void)
{
    return mkdtemp(scratch) && chdir(scratch) == 0 ? 0 : -1;
}

__attribute__((unused)) static void scratch_end(void)
{
    if (chdir("/") == 0)
        (void)repx_remove_tree(AT_FDCWD, scratch, NULL);
}

/* Write a file below the scratch directory; directories are made. */
__attribute__((unused)) static void put(const char *path, const char *text)
{
    const char *slash = strrchr(path, '/');
    REPX_AUTO_FREE char *dir =
        slash ? repx_strndup(path, (size_t)(slash - path)) : NULL;

    if (dir)
        (void)repx_make_dirs(dir, 0755, NULL);
    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

/* The file's text, "" when it cannot be read. Caller frees. */
__attribute__((unused)) static char *get(const char *path)
{
    struct repx_buf b = {0};

    (void)repx_read_file(AT_FDCWD, path, 1u << 24, &b, NULL);
    return repx_buf_detach(&b);
}

__attribute__((unused)) static int is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

#endif
