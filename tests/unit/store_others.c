/* SPDX-License-Identifier: MIT */
/* The store and those who were there before: other sessions, the dead. */
#define _GNU_SOURCE /* O_PATH, usleep */

#include "store_fixture.h"

static void two_sessions_bring_the_same(void)
{
    struct repx_err err = {0};

    site_make();
    struct store *a = opened(), *b = opened();
    (void)place(a, JOB, package, COUNT(package), NULL);
    (void)place(b, JOB, package, COUNT(package), NULL);
    ok(put(a, package, COUNT(package), &err) == 0 && store_verify(a, &err) == 0,
       "first");
    ino_t inode = inode_of(JOB);
    ok(put(b, package, COUNT(package), &err) == 0 && store_verify(b, &err) == 0,
       "second");
    ok(inode_of(JOB) == inode, "what the first brought stays");
    store_close(a);
    store_close(b);
    site_drop();
}

/* Two sessions replace one manifest: what the first brought is there for a root to be made
 * from it, though the second looked what has the name before the first gave it. */
static void manifests_are_kept_before_they_stand(void)
{
    static const struct file first[] = {{"", "one Lab", 0, NULL}};
    const char *name = "artifacts/lab/lab-metadata.json";
    struct repx_err err = {0};
    struct digest d;
    char hex[DIGEST_HEX];

    site_make();
    struct store *s = opened();
    (void)place(s, name, first, 1, NULL);
    ok(put(s, first, 1, &err) == 0 && store_verify(s, &err) == 0, "a manifest");
    store_close(s);
    (void)unlinkat(site.base_fd, name, 0); /* as a rename over it does */
    digest_of("one Lab", 7, &d);
    digest_hex(&d, hex);
    REPX_AUTO_FREE char *kept = repx_format(".repx/kept/%sf", hex);
    REPX_AUTO_BUF struct repx_buf text = {0};
    ok(repx_read_file(site.base_fd, kept, 100, &text, &err) == 0 &&
           strcmp(repx_buf_text(&text), "one Lab") == 0,
       "is kept, whoever took its name: %s", err.text);
    s = opened();
    uint64_t lacks = 1;
    (void)place(s, name, first, 1, &lacks);
    ok(lacks == 0, "and is not sent twice");
    store_close(s);
    site_drop();
}

/* A session that dies before its index is written replaced a package by one that it had staged
 * before that came: all its files are older than what the index says of the name. */
static void what_was_staged_earlier_is_not_believed(void)
{
    static const struct file mine[] = {{"bin/x", "one", 1, NULL}};
    static const struct file other[] = {{"bin/x", "two", 1, NULL}};
    const char *name = "artifacts/jobs/aaaa-x-1.1";
    struct repx_err err = {0};

    site_make();
    struct store *s = opened();
    (void)place(s, "artifacts/jobs/bbbb-x-1.1", other, 1, NULL);
    ok(put(s, other, 1, &err) == 0 && store_verify(s, &err) == 0, "another's");
    store_close(s);
    ok(transfer(name, mine, 1) == 1, "a package");
    REPX_AUTO_FREE char *gone =
        repx_format("rm -rf %s/%s && mv %s/artifacts/jobs/bbbb-x-1.1 %s/%s", base, name,
                    base, base, name);
    ok(system(gone) == 0, "is replaced by it");
    s = opened();
    (void)place(s, name, mine, 1, NULL);
    struct asked a;
    ok(lacking(s, &a) == 1, "the index is not believed, and the package is sent");
    store_close(s);
    site_drop();
}

static void sets_are_known(void)
{
    const uint8_t set[REPX_DIGEST_LEN] = {1, 2, 3};
    const uint8_t other[REPX_DIGEST_LEN] = {4};
    struct repx_err err = {0};

    site_make();
    struct store *s = opened();
    ok(!store_known(s, set), "unknown at first");
    (void)place(s, JOB, package, COUNT(package), NULL);
    ok(store_remember(s, set, &err) < 0, "not complete, not remembered: %s", err.text);
    (void)put(s, package, COUNT(package), &err);
    ok(store_verify(s, &err) == 0 && store_remember(s, set, &err) == 0, "remembered");
    store_close(s);
    s = opened();
    ok(store_known(s, set) && !store_known(s, other), "known, and nothing else");
    free(site.boot);
    site.boot = repx_strdup("boot-2");
    store_close(s);
    s = opened();
    int safe = 0;
    for (int i = 0; i < 100 && !safe; i++) {
        (void)usleep(20000);
        safe = store_known(s, set);
    }
    ok(safe, "after another boot, too, once it was flushed");
    (void)unlinkat(site.base_fd, JOB "/latest", 0);
    ok(!store_known(s, set), "not when a package changed");
    store_close(s);
    site_drop();
}

static struct digest digest_of_tree(const struct file *files, size_t n)
{
    struct repx_entry entries[8];
    struct digest d;

    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(&files[i]);
    digest_tree(entries, n, &d);
    return d;
}

/* Asked in a session of its own. */
static int stands(const char *name, const struct digest *d)
{
    struct store *s = opened();
    int yes = store_stands(s, name, d);

    store_close(s);
    return yes;
}

static void trees_that_stand(void)
{
    static const struct file newer[] = {{"bin/hello", "new", 1, NULL}};
    struct digest d = digest_of_tree(package, COUNT(package));
    struct digest other = digest_of_tree(newer, 1);
    char hex[DIGEST_HEX];

    site_make();
    ok(!stands(JOB, &d), "at first no tree is known to stand");
    (void)transfer(JOB, package, COUNT(package));
    ok(stands(JOB, &d), "then this one");
    ok(!stands("artifacts/jobs/else", &d) && !stands(JOB, &other), "and no other");
    set_of_transfer[0]++;
    (void)transfer("artifacts/jobs/second", newer, 1);
    ok(stands(JOB, &d) && stands("artifacts/jobs/second", &other), "of two sets");
    (void)unlinkat(site.base_fd, JOB "/bin/hello", 0);
    ok(!stands(JOB, &d), "not when a file deep in it is gone");
    (void)transfer(JOB, package, COUNT(package));
    ok(stands(JOB, &d), "but when it is back");
    digest_hex(&d, hex);
    REPX_AUTO_FREE char *link = repx_format("pkg/%s", hex);
    (void)unlinkat(site.state_fd, link, 0);
    ok(!stands(JOB, &d), "not when its digest leads nowhere");
    site_drop();
}

static void every_byte_is_read(void)
{
    static struct asked a;
    struct repx_err err = {0};
    struct stat st;

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    int fd = openat(site.base_fd, JOB "/hello-parameters.json", O_WRONLY | O_CLOEXEC);
    ok(fd >= 0 && pwrite(fd, "#", 1, 0) == 1, "a byte rots");
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    (void)futimens(fd, times);
    (void)close(fd);
    ok(transfer(JOB, package, COUNT(package)) == 0, "its time tells nothing");
    struct store *s = opened();
    store_read_all(s);
    (void)place(s, JOB, package, COUNT(package), NULL);
    ok(lacking(s, &a) == 1, "who reads every byte sees it");
    ok(put(s, package, COUNT(package), &err) == 0 && store_verify(s, &err) == 0,
       "it is sent again");
    store_close(s);
    holds(JOB "/hello-parameters.json", "{}", "and right");
    site_drop();
}

static void names_that_change_hands(void)
{
    static const char name[] = "artifacts/lab/lab-metadata.json";
    const struct file mine = {"", "{\"labId\":\"a\"}", 0, NULL};
    const struct file theirs = {"", "{\"labId\":\"b\"}", 0, NULL};

    site_make();
    ok(transfer(name, &mine, 1) == 1 && transfer(name, &theirs, 1) == 1, "two files");
    ok(transfer(name, &mine, 1) == 0 && transfer(name, &theirs, 1) == 0,
       "in turn under one name: neither is sent twice");
    holds(name, theirs.text, "the last one has it");
    site_drop();
}

static void interrupted_and_resumed(void)
{
    static struct asked a;
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf pack = {0};

    site_make();
    pid_t child = fork();
    if (child == 0) {
        struct store *s = opened();
        (void)place(s, JOB, package, COUNT(package), NULL);
        pack_file(&pack, &package[0], package[0].text);
        pack_file(&pack, &package[1], "{");
        struct store_put *p = store_put_begin(s);
        _exit(store_put_bytes(p, pack.data, pack.len, &err) == 0 ? 0 : 1);
    }
    int status = 1;
    ok(waitpid(child, &status, 0) == child && status == 0,
       "killed within the second file");
    ok(!is_there(JOB), "nothing stands");
    struct store *s = opened();
    (void)place(s, JOB, package, COUNT(package), NULL);
    ok(lacking(s, &a) == 2, "the first is not asked for again");
    ok(put(s, package, COUNT(package), &err) == 0 && store_verify(s, &err) == 0,
       "done");
    holds(JOB "/bin/hello", package[0].text, "right");
    store_close(s);
    ok(stage_is_empty(), "what the dead left is gone");

    s = opened();
    const struct file more[] = {{"a", "alpha", 0, NULL}, {"b", "beta", 0, NULL}};
    (void)place(s, "artifacts/jobs/b", more, 2, NULL);
    ok(put(s, more, 1, &err) == 0, "a session that ends early");
    store_close(s);
    s = opened();
    (void)place(s, "artifacts/jobs/b", more, 2, NULL);
    store_close(s);
    site_drop();
}

static void what_the_dead_left_is_removed(void)
{
    site_make();
    ok(mkdirat(site.state_fd, "stage", 0755) == 0 &&
           mkdirat(site.state_fd, "stage/node.boot-0.1.2.1", 0755) == 0 &&
           mkdirat(site.state_fd, "stage/node.boot-0.1.2.1/t0", 0755) == 0,
       "a session of an earlier boot died");
    ok(transfer(JOB, package, COUNT(package)) == 3 && stage_is_empty(),
       "the next transfer cleans up");
    site_drop();
}

/* A layer that came before the session died is wanted by a later phase of the next one. */
static void a_later_phase_finds_it_too(void)
{
    static const struct file other[] = {{"x", "something else", 0, NULL}};
    static const struct file layer[] = {{"l", "a layer", 0, NULL}};
    static struct asked a;
    struct repx_err err = {0};

    site_make();
    ok(mkdirat(site.state_fd, "stage", 0755) == 0 &&
           mkdirat(site.state_fd, "stage/node.boot-0.1.2.1", 0755) == 0 &&
           repx_write_file(site.state_fd, "stage/node.boot-0.1.2.1/t0", layer[0].text,
                           strlen(layer[0].text), 0644, &err) == 0,
       "a session of an earlier boot died");
    struct store *s = opened();
    (void)place(s, "artifacts/jobs/a", other, 1, NULL);
    ok(put(s, other, 1, &err) == 0 && store_verify(s, &err) == 0, "one phase");
    (void)place(s, "artifacts/images/i", layer, 1, NULL);
    ok(lacking(s, &a) == 0 && store_verify(s, &err) == 0, "the next asks for nothing");
    store_close(s);
    ok(stage_is_empty(), "and then it is gone");
    site_drop();
}

static const struct {
    int error;
    const char *word;
} cures[] = {{ENOSPC, "no room"},
             {EDQUOT, "quota"},
             {EROFS, "read-only"},
             {EACCES, "permission denied"},
             {EPERM, "permission denied"},
             {ELOOP, "remove it"},
             {EIO, "/b/name: "}};

static void errors_name_the_cure(void)
{
    for (size_t i = 0; i < COUNT(cures); i++) {
        struct repx_err err = {0};
        errno = cures[i].error;
        ok(store_fail(&err, "/b", "name") < 0 && strstr(err.text, cures[i].word) &&
               strncmp(err.text, "/b/name", 7) == 0,
           "%s", err.text);
    }
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    two_sessions_bring_the_same();
    manifests_are_kept_before_they_stand();
    what_was_staged_earlier_is_not_believed();
    sets_are_known();
    trees_that_stand();
    every_byte_is_read();
    names_that_change_hands();
    interrupted_and_resumed();
    what_the_dead_left_is_removed();
    a_later_phase_finds_it_too();
    errors_name_the_cure();
    return tap_end();
}
