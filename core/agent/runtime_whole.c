/* SPDX-License-Identifier: MIT */
/* Lines "<sec> <nsec> <entries> <path>"; directories with a line break in their path are left
 * out. */
#include "core/agent/runtime_whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define RECORD_MAX ((size_t)1 << 28)
#define DEEPEST 200

/* How many entries a directory has, or -1. */
static long entries_of(int root, const char *path)
{
    int fd = openat(root, *path ? path : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    long n = 0;

    if (!d) {
        repx_close_fd(&fd);
        return -1;
    }
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}

static void note_dir(int root, const char *path, int depth, struct repx_buf *to);

static long note_children(int root, const char *path, int depth, struct repx_buf *to)
{
    int fd = openat(root, *path ? path : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    long n = 0;

    if (!d)
        repx_close_fd(&fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        n++;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        REPX_AUTO_FREE char *below =
            *path ? repx_format("%s/%s", path, e->d_name) : repx_strdup(e->d_name);
        note_dir(root, below, depth + 1, to);
    }
    if (d)
        (void)closedir(d);
    return n;
}

static void note_dir(int root, const char *path, int depth, struct repx_buf *to)
{
    struct stat st;

    if (depth > DEEPEST || strchr(path, '\n'))
        return;
    long n = note_children(root, path, depth, to);
    if (fstatat(root, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        repx_buf_fmt(to, "%lld %ld %ld %s\n", (long long)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec, n, path);
    }
}

int tree_note(const char *tree, const char *record, struct repx_err *err)
{
    REPX_AUTO_CLOSE int root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (root < 0)
        return repx_fail_errno(err, "%s", tree);
    note_dir(root, "", 0, &text);
    return repx_write_file(AT_FDCWD, record, repx_buf_text(&text), text.len, 0644, err);
}

static int is_as_noted(int root, char *line)
{
    char *end;
    struct stat st;
    long long sec = strtoll(line, &end, 10);
    long nsec = strtol(end, &end, 10), entries = strtol(end, &end, 10);

    if (*end++ != ' ' ||
        fstatat(root, *end ? end : ".", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(st.st_mode))
        return 0;
    return (st.st_mtim.tv_sec == sec && st.st_mtim.tv_nsec == nsec) ||
           entries_of(root, end) >= entries;
}

int tree_whole(const char *tree, const char *record)
{
    REPX_AUTO_CLOSE int root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REPX_AUTO_BUF struct repx_buf text = {0};
    char *line, *rest;

    if (root < 0 || repx_read_file(AT_FDCWD, record, RECORD_MAX, &text, NULL) < 0 ||
        !text.len)
        return 0;
    for (line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!is_as_noted(root, line))
            return 0;
    }
    return 1;
}

int tree_retire(const char *tree, const char *copy, struct repx_err *err)
{
    const char *leaf = strrchr(copy, '/') + 1;
    REPX_AUTO_FREE char *to = repx_format("%.*s.trash.%ld.%s", (int)(leaf - copy), copy,
                                          (long)getpid(), leaf);

    if (repx_remove_tree(AT_FDCWD, to, err) < 0)
        return -1;
    return rename(tree, to) < 0 && errno != ENOENT ? repx_fail_errno(err, "%s", tree)
                                                   : 0;
}
