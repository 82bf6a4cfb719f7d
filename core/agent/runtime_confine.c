/* SPDX-License-Identifier: MIT */
/* runtime_confine.c: a program in namespaces of its own, for runtimes that confine less
 * than we want.
 *
 *     internal-confine [--network] [--tmp] [--read|--write|--keep PATH]... -- PROGRAM ...
 *
 * Paths stay where they are: those to read become read-only, then those to write become
 * writable again. With --tmp there is a /tmp of its own, and in it only the paths that are
 * named. The program's end is the end of everything it started: the first
 * process in there is ours, and it ends with the supervisor, whatever happens. */
#define _GNU_SOURCE /* unshare */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/runtime.h"
#include "core/agent/runtime_tar.h"

enum { READ, WRITE, KEEP };

struct bound {
    const char *path;
    int how;
    int fd; /* what lies there before anything is covered */
};

struct confine {
    struct bound *paths;
    size_t count;
    int network, tmp;
    char **argv;
};

static int options(struct confine *c, char **argv, struct repx_err *err)
{
    static const char *const names[] = {"--read", "--write", "--keep"};

    for (; *argv && strcmp(*argv, "--") != 0; argv++) {
        int how = 0;
        while (how < 3 && strcmp(*argv, names[how]) != 0)
            how++;
        if (strcmp(*argv, "--network") == 0) {
            c->network = 1;
        } else if (strcmp(*argv, "--tmp") == 0) {
            c->tmp = 1;
        } else if (how < 3 && argv[1]) {
            c->paths = repx_grow(c->paths, c->count + 1, sizeof *c->paths);
            c->paths[c->count++] = (struct bound){*++argv, how, -1};
        } else {
            return repx_fail(err, REPX_E_USAGE, "%s: unknown", *argv);
        }
    }
    if (!*argv || !argv[1])
        return repx_fail(err, REPX_E_USAGE, "which program?");
    c->argv = argv + 1;
    return 0;
}

/* ---- namespaces ---- */

static int map_ids(uid_t uid, gid_t gid, struct repx_err *err)
{
    static const char *const names[] = {"setgroups", "uid_map", "gid_map"};

    for (size_t i = 0; i < 3; i++) {
        long id = i == 1 ? (long)uid : (long)gid;
        REPX_AUTO_FREE char *path = repx_format("/proc/self/%s", names[i]);
        REPX_AUTO_FREE char *text =
            i ? repx_format("%ld %ld 1\n", id, id) : repx_strdup("deny");
        REPX_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || repx_write_all(fd, text, strlen(text)) < 0)
            return repx_fail_errno(err, "%s", path);
    }
    return 0;
}

static int namespaces(const struct confine *c, struct repx_err *err)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC;
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (!c->network)
        flags |= CLONE_NEWNET | CLONE_NEWUTS;
    if (unshare(flags) == 0)
        return 0;
    if (unshare(flags | CLONE_NEWUSER) < 0) {
        return repx_fail(err, REPX_E_FAILED,
                         "this machine gives no namespaces to this account (%s); ask "
                         "its administrator for user namespaces "
                         "(user.max_user_namespaces), or choose another runtime",
                         strerror(errno));
    }
    return map_ids(uid, gid, err);
}

static void loopback_up(void)
{
    REPX_AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {.ifr_name = "lo"};

    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
        return;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    (void)ioctl(fd, SIOCSIFFLAGS, &r); /* only a convenience for scripts */
}

/* ---- mounts ---- */

/* What is mounted below is read-only with it where the kernel can do that (5.12). */
static int make_read_only(const char *path)
{
    struct statvfs st;

#ifdef MOUNT_ATTR_RDONLY
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof attr) == 0)
        return 0;
#endif
    if (statvfs(path, &st) < 0)
        return -1;
    unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
    flags |= st.f_flag & ST_NOSUID ? MS_NOSUID : 0;
    flags |= st.f_flag & ST_NODEV ? MS_NODEV : 0;
    flags |= st.f_flag & ST_NOEXEC ? MS_NOEXEC : 0;
    flags |= st.f_flag & ST_NOATIME ? MS_NOATIME : 0;
    flags |= st.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0;
    flags |= st.f_flag & ST_RELATIME ? MS_RELATIME : 0;
    return mount(NULL, path, NULL, flags, NULL);
}

static int bind_fd(const struct bound *b)
{
    REPX_AUTO_FREE char *from = repx_format("/proc/self/fd/%d", b->fd);

    return mount(from, b->path, NULL, MS_BIND | MS_REC, NULL);
}

/* An empty /tmp, and what is named in it at its place again. */
static int own_tmp(const struct confine *c, struct repx_err *err)
{
    REPX_AUTO_CLOSE int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        return repx_fail_errno(err, "/tmp");
    for (size_t i = 0; i < c->count; i++) {
        const struct bound *b = &c->paths[i];
        struct stat st;
        if (!runtime_inside(b->path, "/tmp") || access(b->path, F_OK) == 0)
            continue;
        if (fstat(b->fd, &st) < 0)
            return repx_fail_errno(err, "%s", b->path);
        if (root_place(root, b->path, S_ISDIR(st.st_mode), err) < 0)
            return -1;
        if (bind_fd(b) < 0)
            return repx_fail_errno(err, "%s", b->path);
    }
    return 0;
}

static int mounts(struct confine *c, struct repx_err *err)
{
    for (size_t i = 0; i < c->count; i++) {
        struct bound *b = &c->paths[i];
        if ((b->fd = open(b->path, O_PATH | O_CLOEXEC)) < 0)
            return repx_fail_errno(err, "%s", b->path);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return repx_fail_errno(err, "mounts of its own");
    if (c->tmp && own_tmp(c, err) < 0)
        return -1;
    for (int how = READ; how <= WRITE; how++) {
        for (size_t i = 0; i < c->count; i++) {
            const struct bound *b = &c->paths[i];
            if (b->how == how &&
                (bind_fd(b) < 0 || (how == READ && make_read_only(b->path) < 0)))
                return repx_fail_errno(err, "%s", b->path);
        }
    }
    return 0;
}

/* ---- processes ---- */

/* The exit status of a child as shells tell it. */
static int wait_for(pid_t pid)
{
    int status;
    pid_t got;

    do {
        got = waitpid(-1, &status, 0); /* the first process in there reaps all */
    } while ((got < 0 && errno == EINTR) || (got > 0 && got != pid));
    if (got < 0)
        return 125;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int end_with_parent(void)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static int first_process(char **program)
{
    pid_t pid;

    (void)end_with_parent();
    (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    pid = fork();
    if (pid == 0) {
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        (void)execv(program[0], program);
        (void)fprintf(stderr, "repx-agent: confine: %s: %s\n", program[0],
                      strerror(errno));
        _exit(125);
    }
    return pid < 0 ? 125 : wait_for(pid);
}

int internal_confine_main(int argc, char **argv)
{
    struct confine c = {.paths = NULL};
    struct repx_err err = {0};

    (void)argc;
    (void)signal(SIGTERM, SIG_IGN); /* the script gets its own */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_DFL);
    if (options(&c, argv + 1, &err) < 0 || namespaces(&c, &err) < 0 ||
        mounts(&c, &err) < 0) {
        (void)fprintf(stderr, "repx-agent: confine: %s\n", err.text);
        return 125;
    }
    (void)end_with_parent(); /* other credentials: the kernel forgot */
    if (!c.network) {
        loopback_up();
        if (sethostname("repx-container", 14) < 0)
            return 125;
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(c.argv ? first_process(c.argv) : 125);
    return pid < 0 ? 125 : wait_for(pid);
}
