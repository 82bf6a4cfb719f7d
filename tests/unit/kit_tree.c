/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "tap.h"

#define NOBODY 65534

static char top[] = "/tmp/repx-tree-XXXXXX";

/* A tree whose directory `closed` has that mode, made and removed by somebody who has to ask. */
static int removed_by_owner(mode_t mode)
{
    pid_t pid = fork();
    int status = 0;

    if (pid > 0)
        return waitpid(pid, &status, 0) == pid && status == 0;
    if (getuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        _exit(2);
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct repx_err err = {0};
    struct stat st;
    int made = dir >= 0 && mkdirat(dir, "tree", 0755) == 0 &&
               mkdirat(dir, "tree/closed", 0755) == 0 &&
               mkdirat(dir, "tree/closed/deep", 0755) == 0 &&
               repx_write_file(dir, "tree/closed/deep/file", "x", 1, 0644, &err) == 0 &&
               symlinkat("../..", dir, "tree/closed/link") == 0 &&
               fchmodat(dir, "tree/closed/deep", mode, 0) == 0 &&
               fchmodat(dir, "tree/closed", mode, 0) == 0;
    if (!made)
        _exit(3);
    if (repx_remove_tree(dir, "tree", &err) < 0)
        fprintf(stderr, "# %s\n", err.text);
    _exit(fstatat(dir, "tree", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT ? 0
                                                                                : 1);
}

int main(void)
{
    static const mode_t modes[] = {0755, 0555, 0300, 0200, 0100, 0};
    struct repx_err err = {0};

    if (!mkdtemp(top) || chmod(top, 0777) < 0)
        return 1;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ok(removed_by_owner(modes[i]), "a tree with directories of mode %04o goes",
           (unsigned)modes[i]);
    }
    ok(repx_remove_tree(AT_FDCWD, top, &err) == 0, "and what was left of others goes");
    return tap_end();
}
