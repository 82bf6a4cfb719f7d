/* SPDX-License-Identifier: MIT */
/* Work is promised a package by its digest, and finds it, whatever takes the job's name. */
#define _GNU_SOURCE /* O_PATH, usleep */

#include "store_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/agent/job_package.h"
#include "core/agent/state.h"
#include "core/agent/store_digest.h"

#define TWIN "artifacts/jobs/twin"

static const struct file newer[] = {{"bin/hello", "#!/bin/sh\necho new\n", 1, NULL}};
static const struct file newest[] = {{"bin/hello", "#!/bin/sh\necho newest\n", 1, NULL},
                                     {"data/more", "more\n", 0, NULL}};

static void hex_of(const struct file *files, size_t n, char hex[DIGEST_HEX])
{
    struct repx_entry entries[8];
    struct digest d;

    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(&files[i]);
    digest_tree(entries, n, &d);
    digest_hex(&d, hex);
}

/* Does who was promised these files by their digest read them, and nothing else? */
static int is_kept(const struct file *files, size_t n)
{
    struct repx_err err = {0};
    struct digest is;
    char hex[DIGEST_HEX], found[DIGEST_HEX] = "";

    hex_of(files, n, hex);
    REPX_AUTO_FREE char *path = job_package(&site, "nobody", hex, &err);
    REPX_AUTO_CLOSE int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0 && store_digest(fd, ".", &is))
        digest_hex(&is, found);
    if (strcmp(found, hex) != 0)
        printf("# %s\n", path ? path : err.text);
    return strcmp(found, hex) == 0;
}

static int stands(const struct file *files, size_t n)
{
    struct digest is;
    char hex[DIGEST_HEX], found[DIGEST_HEX] = "";

    hex_of(files, n, hex);
    if (store_digest(site.base_fd, JOB, &is))
        digest_hex(&is, found);
    return strcmp(found, hex) == 0;
}

#define KEPT(files) is_kept(files, COUNT(files))
#define STANDS(files) stands(files, COUNT(files))
#define SEND(files) transfer(JOB, files, COUNT(files))

static int claim(const char *kind, const char *job)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", kind, job);

    (void)mkdirat(site.state_fd, kind, 0755);
    return symlinkat("run 0 key", site.state_fd, path);
}

static void work_in_progress_keeps_the_name(void)
{
    site_make();
    (void)SEND(package);
    ok(claim("live", "aaaa-hello-1.1") == 0, "a claim");
    ok(SEND(newer) == 1, "a newer package comes while somebody works");
    ok(STANDS(package), "the old one keeps the name");
    ok(KEPT(newer) && KEPT(package), "the new one waits under its digest");
    ok(SEND(newer) == 0, "again: nothing to send");
    ok(STANDS(package), "still");
    (void)unlinkat(site.state_fd, "live/aaaa-hello-1.1", 0);
    ok(SEND(newer) == 0, "the work has ended: nothing to send either");
    ok(STANDS(newer), "but now it has the name");
    ok(KEPT(newer) && KEPT(package), "and both digests still lead to what they say");
    ok(SEND(package) == 0 && STANDS(package), "and back: nothing to send");
    ok(KEPT(newer) && KEPT(package), "both digests");
    site_drop();
}

/* One job has ended, the next one has not begun. */
static void queued_work_keeps_the_name(void)
{
    site_make();
    (void)SEND(package);
    ok(claim("next", "aaaa-hello-1.1") == 0, "one waits");
    ok(SEND(newer) == 1, "a newer package comes before it begins");
    ok(STANDS(package), "the one it waits with keeps the name");
    site_drop();
}

/* state_path on another file system: what is renamed must not be built there. */
static void state_elsewhere(void)
{
    char elsewhere[] = "/dev/shm/repx-state-XXXXXX";
    struct stat a, b;
    struct repx_err err = {0};

    site_make();
    if (!mkdtemp(elsewhere) || stat(elsewhere, &a) < 0 || stat(base, &b) < 0 ||
        a.st_dev == b.st_dev) {
        ok(1, "state elsewhere # SKIP there is no second file system at /dev/shm");
        site_drop();
        return;
    }
    (void)close(site.state_fd);
    site.state = elsewhere;
    site.state_fd = open(elsewhere, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ok(SEND(package) == 3 && STANDS(package) && KEPT(package), "state elsewhere");
    ok(claim("live", "aaaa-hello-1.1") == 0 && SEND(newer) == 1 && SEND(newer) == 0,
       "a newer package comes while somebody works, and waits");
    ok(STANDS(package) && KEPT(newer) && KEPT(package), "both digests");
    ok(unlinkat(site.state_fd, "live/aaaa-hello-1.1", 0) == 0 && SEND(newer) == 0,
       "the work ends, and it moves in");
    ok(STANDS(newer) && KEPT(newer) && KEPT(package), "both digests");
    ok(SEND(newest) == 2 && STANDS(newest), "a third");
    ok(KEPT(newest) && KEPT(newer) && KEPT(package), "all digests");
    ok(SEND(package) == 0 && STANDS(package), "the first again");
    ok(KEPT(newest) && KEPT(newer) && KEPT(package), "all digests");
    char hex[DIGEST_HEX];
    hex_of(newer, COUNT(newer), hex);
    REPX_AUTO_FREE char *digest = repx_format(".repx/pkg/%s", hex);
    REPX_AUTO_FREE char *name = repx_format("%s/" JOB, base);
    ok(repx_remove_tree(site.base_fd, digest, &err) == 0 &&
           symlinkat(name, site.base_fd, digest) == 0 && !KEPT(newer),
       "a link of another time says nothing");
    (void)repx_remove_tree(AT_FDCWD, elsewhere, &err);
    site_drop();
}

static void packages_that_are_the_same_tree(void)
{
    site_make();
    (void)transfer(TWIN, package, COUNT(package));
    (void)SEND(package);
    ok(KEPT(package), "two jobs, one digest");
    (void)SEND(newer);
    ok(KEPT(package), "one is replaced");
    (void)transfer(TWIN, newer, COUNT(newer));
    ok(KEPT(package) && KEPT(newer), "both");
    site_drop();
}

/* None of the sessions knows what the others did. */
static void sessions_side_by_side(const char *name)
{
    struct repx_err err = {0};

    site_make();
    struct store *a = opened(), *b = opened(), *c = opened();
    (void)place(b, JOB, newer, COUNT(newer), NULL);
    (void)place(c, JOB, newest, COUNT(newest), NULL);
    (void)place(a, JOB, package, COUNT(package), NULL);
    ok(put(a, package, COUNT(package), &err) == 0 && store_verify(a, &err) == 0 &&
           STANDS(package),
       "%s: the first", name);
    ok(put(b, newer, COUNT(newer), &err) == 0 && store_verify(b, &err) == 0 &&
           STANDS(newer),
       "the second");
    ok(put(c, newest, COUNT(newest), &err) == 0 && store_verify(c, &err) == 0 &&
           STANDS(newest),
       "the third");
    ok(KEPT(package) && KEPT(newer) && KEPT(newest), "all digests");
    store_close(c);
    store_close(b);
    store_close(a);
    ok(KEPT(package) && KEPT(newer) && KEPT(newest), "when they have ended, too");
    site_drop();
}

/* As NFS: names cannot be exchanged. */
static void without_exchange(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {COUNT(code), code};
    int status = 0, before = tap_failed;

    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
            _exit(77);
        sessions_side_by_side("no exchange");
        (void)fflush(stdout);
        _exit(tap_failed != before);
    }
    (void)waitpid(child, &status, 0);
    tap_count += 5;
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "where names are not exchanged");
}

/* Whoever replaces is stopped for a while: nobody waits for him longer than a moment. */
static void the_lease_is_held(void)
{
    struct repx_err err = {0};

    site_make();
    (void)SEND(package);
    ok(lease_take(&site, "packages", 0, NULL, &err) == 0,
       "somebody replaces a package");
    ok(SEND(newer) == 1 && STANDS(package), "the name stays as it is");
    lease_drop(&site, "packages");
    ok(KEPT(newer) && KEPT(package), "and what came waits under its digest");
    ok(SEND(newer) == 0 && STANDS(newer), "later it moves in");
    site_drop();
}

static void what_is_damaged_is_not_kept(void)
{
    char hex[DIGEST_HEX];

    site_make();
    (void)SEND(package);
    (void)SEND(newer);
    hex_of(package, COUNT(package), hex);
    REPX_AUTO_FREE char *file = repx_format(".repx/pkg/%s/bin/hello", hex);
    ok(unlinkat(site.base_fd, file, 0) == 0,
       "a file of a package that waits is purged");
    ok(claim("live", "aaaa-hello-1.1") == 0 && SEND(package) >= 1, "it is sent again");
    ok(KEPT(package) && STANDS(newer), "and waits, whole");
    site_drop();
}

/* Something that we did not bring: what is no tree goes aside, what is one is kept. */
static void what_others_brought(void)
{
    site_make();
    (void)SEND(package);
    ok(mkfifoat(site.base_fd, JOB "/pipe", 0600) == 0, "a pipe in a package");
    ok(SEND(newer) == 1 && STANDS(newer) && KEPT(newer), "is no hindrance");
    site_drop();
}

/* Two bring their packages in turn while a third begins to work, and ends, again and
 * again: what it found at first it finds to the last. */
static void turns(const struct file *files, size_t n, int rounds)
{
    for (int i = 0; i < rounds; i++)
        (void)transfer(JOB, files, n);
    (void)fflush(stdout);
    _exit(0);
}

static int works(void)
{
    int good = claim("live", "aaaa-hello-1.1") == 0;

    for (int i = 0; i < 3; i++)
        good = KEPT(package) && KEPT(newer) && KEPT(newest) && good;
    (void)unlinkat(site.state_fd, "live/aaaa-hello-1.1", 0);
    return good;
}

static void while_somebody_works(void)
{
    int status, running = 2, good = 1;
    size_t times = 0;

    site_make();
    (void)SEND(package);
    (void)SEND(newer);
    (void)SEND(newest);
    (void)fflush(stdout);
    if (fork() == 0)
        turns(newer, COUNT(newer), 200);
    if (fork() == 0)
        turns(newest, COUNT(newest), 200);
    for (; good && running; times++) {
        running -= waitpid(-1, &status, WNOHANG) > 0;
        good = works();
        (void)usleep(300);
    }
    ok(good && times > 10, "who works finds each package as promised");
    printf("# %zu times\n", times);
    while (waitpid(-1, &status, 0) > 0)
        continue;
    site_drop();
}

/* Another session takes the name in the moment after ours got it. */
static const struct file ours[] = {{"bin/hello", "#!/bin/sh\necho ours\n", 1, NULL}};
static const struct file them[] = {{"bin/hello", "#!/bin/sh\necho them\n", 1, NULL}};
static const struct file both[] = {{"bin/hello", "#!/bin/sh\necho ours\n", 1, NULL},
                                   {"data/more", "more\n", 0, NULL}};
static int overtaking, overtaken;

/* What it noted itself is older than what ours is about to note. */
static void overtake(void *ctx)
{
    struct store *s = ctx;
    struct repx_err err = {0};

    if (overtaking)
        return;
    overtaking = 1;
    if (!overtaken && STANDS(ours)) {
        overtaken = put(s, them, COUNT(them), &err) == 0 && store_verify(s, &err) == 0;
        store_close(s);
    }
    (void)usleep(210000); /* so that we are called at the next call, too */
    overtaking = 0;
}

static void overtaken_at_once(void)
{
    struct repx_err err = {0};

    site_make();
    struct store *s = opened();
    (void)place(s, JOB, them, COUNT(them), NULL);
    store_at_work(overtake, s);
    (void)usleep(5000); /* records are ordered by when their sessions began */
    s = opened();
    (void)place(s, JOB, ours, COUNT(ours), NULL);
    (void)usleep(250000);
    ok(put(s, ours, COUNT(ours), &err) == 0 && store_verify(s, &err) == 0 && overtaken,
       "another session takes the name at once %s", err.text);
    store_at_work(NULL, NULL);
    ok(STANDS(them) && KEPT(ours) && KEPT(them), "both digests");
    store_close(s);
    (void)transfer(TWIN, both, COUNT(both));
    holds(TWIN "/bin/hello", ours[0].text, "and nothing is taken for what it is not");
    site_drop();
}

static void the_link_is_gone(void)
{
    struct repx_err err = {0};
    char hex[DIGEST_HEX];

    site_make();
    (void)SEND(package);
    hex_of(package, COUNT(package), hex);
    REPX_AUTO_FREE char *link = repx_format(".repx/pkg/%s", hex);
    ok(unlinkat(site.base_fd, link, 0) == 0, "the link of a digest is gone");
    REPX_AUTO_FREE char *path = job_package(&site, "aaaa-hello-1.1", hex, &err);
    ok(path && strstr(path, "artifacts/jobs/aaaa-hello-1.1"), "its job's name serves");
    (void)SEND(newer);
    REPX_AUTO_FREE char *kept = job_package(&site, "aaaa-hello-1.1", hex, &err);
    ok(kept && strstr(kept, "/pkg/"), "replaced, it is under its digest");
    ok(unlinkat(site.base_fd, link, 0) < 0 &&
           repx_remove_tree(site.base_fd, link, &err) == 0 &&
           !job_package(&site, "aaaa-hello-1.1", hex, &err) &&
           strstr(err.text, "run again"),
       "gone altogether: %s", err.text);
    site_drop();
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    work_in_progress_keeps_the_name();
    queued_work_keeps_the_name();
    state_elsewhere();
    packages_that_are_the_same_tree();
    sessions_side_by_side("three sessions");
    without_exchange();
    the_lease_is_held();
    what_is_damaged_is_not_kept();
    what_others_brought();
    while_somebody_works();
    overtaken_at_once();
    the_link_is_gone();
    return tap_end();
}
