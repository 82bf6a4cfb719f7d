/* SPDX-License-Identifier: MIT */
/* The store against a real directory: what arrives, what is reused, what is refused. */
#define _GNU_SOURCE /* O_PATH, usleep */

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/store.h"
#include "core/agent/store_fs.h"
#include "core/agent/store_pack.h"

static char base[] = "/tmp/repx-store-XXXXXX";
static struct site site;

/* ---- a target, and a client of it ---- */

static void site_make(void)
{
    struct repx_err err = {0};
    static char state[64];

    (void)snprintf(state, sizeof(state), "%s/.repx", base);
    (void)repx_remove_tree(AT_FDCWD, base, &err);
    (void)repx_make_dirs(state, 0755, &err);
    site = (struct site){.base = base,
                         .state = state,
                         .base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         .state_fd = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         .host = repx_strdup("node"),
                         .boot = repx_strdup("boot-1")};
}

static void site_drop(void)
{
    struct repx_err err = {0};

    (void)close(site.base_fd);
    (void)close(site.state_fd);
    free(site.host);
    free(site.boot);
    (void)repx_remove_tree(AT_FDCWD, base, &err);
}

/* A file of a tree: its content is its text. */
struct file {
    const char *path, *text;
    uint32_t executable;
    const char *link;
};

static struct repx_entry entry_of(const struct file *f)
{
    struct repx_entry e = {.size = sizeof(e), .path = f->path, .kind = REPX_ENTRY_FILE};
    struct digest d;

    if (f->link) {
        e.kind = REPX_ENTRY_LINK;
        e.link = f->link;
        return e;
    }
    digest_of(f->text, strlen(f->text), &d);
    memcpy(e.digest, d.bytes, sizeof(e.digest));
    e.executable = f->executable;
    e.length = strlen(f->text);
    return e;
}

static int place(struct store *s, const char *name, const struct file *files, size_t n,
                 uint64_t *lacks)
{
    REPX_AUTO_FREE struct repx_entry *entries =
        repx_array(n + 1, sizeof(struct repx_entry));
    struct store_tree tree;
    struct repx_err err = {0};

    for (size_t i = 0; i < n; i++)
        entries[i] = entry_of(&files[i]);
    const struct repx_tree declared = {sizeof(declared), entries, n, sizeof(*entries)};
    int rc = store_tree_make(&tree, &declared, name, &err);
    if (rc == 0)
        rc = store_place(s, &tree, lacks, &err);
    if (rc < 0)
        printf("# place: %s\n", err.text);
    return rc;
}

struct asked {
    struct digest digests[4096];
    uint32_t executable[4096];
    size_t count;
};

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct asked *a = ctx;

    (void)length;
    memcpy(a->digests[a->count].bytes, digest, REPX_DIGEST_LEN);
    a->executable[a->count++] = executable;
}

static size_t lacking(struct store *s, struct asked *a)
{
    struct repx_err err = {0};

    a->count = 0;
    (void)store_lacking(s, want, a, &err);
    return a->count;
}

static void pack_file(struct repx_buf *pack, const struct file *f, const char *text)
{
    struct repx_entry e = entry_of(f);
    struct pack_head head = {.executable = (uint8_t)e.executable, .length = e.length};
    uint8_t raw[PACK_HEAD];

    memcpy(head.digest.bytes, e.digest, sizeof(e.digest));
    pack_head_put(raw, &head);
    repx_buf_add(pack, raw, sizeof(raw));
    repx_buf_str(pack, text);
}

static const struct file *find_file(const struct file *files, size_t n,
                                    const struct digest *d, uint32_t executable)
{
    for (size_t i = 0; i < n; i++) {
        struct repx_entry e = entry_of(&files[i]);
        if (e.kind == REPX_ENTRY_FILE && e.executable == executable &&
            memcmp(e.digest, d->bytes, sizeof(e.digest)) == 0)
            return &files[i];
    }
    return NULL;
}

/* Sends the files that were asked for. */
static int put(struct store *s, const struct file *files, size_t n,
               struct repx_err *err)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};

    (void)lacking(s, &a);
    for (size_t i = 0; i < a.count; i++) {
        const struct file *f = find_file(files, n, &a.digests[i], a.executable[i]);
        if (f)
            pack_file(&pack, f, f->text);
    }
    struct store_put *p = store_put_begin(s);
    int rc = store_put_bytes(p, pack.data, pack.len, err);
    if (rc == 0)
        rc = store_put_end(p, err);
    store_put_free(p);
    return rc;
}

static char *read_at(const char *path)
{
    struct repx_buf b = {0};
    struct repx_err err = {0};

    return repx_read_file(site.base_fd, path, 1 << 20, &b, &err) < 0
               ? NULL
               : repx_buf_detach(&b);
}

static void holds(const char *path, const char *want, const char *name)
{
    REPX_AUTO_FREE char *got = read_at(path);

    is(got, want, name);
}

static int mode_of(const char *path)
{
    struct stat st = {0};

    return fstatat(site.base_fd, path, &st, 0) < 0 ? -1 : (int)(st.st_mode & 0777);
}

static ino_t inode_of(const char *path)
{
    struct stat st = {0};

    return fstatat(site.base_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_ino;
}

static int is_there(const char *path)
{
    return inode_of(path) != 0;
}

static struct store *opened(void)
{
    struct repx_err err = {0};

    return store_open(&site, &err);
}

/* A whole transfer; how many objects were missing, or -1. */
static int64_t transfer(const char *name, const struct file *files, size_t n)
{
    static const uint8_t set[REPX_DIGEST_LEN] = {9};
    static struct asked a;
    struct store *s = opened();
    struct repx_err err = {0};
    int rc = place(s, name, files, n, NULL);
    int64_t missing = rc < 0 ? -1 : (int64_t)lacking(s, &a);

    if (rc == 0 && (put(s, files, n, &err) < 0 || store_verify(s, &err) < 0 ||
                    store_remember(s, set, &err) < 0)) {
        printf("# transfer: %s\n", err.text);
        missing = -1;
    }
    store_close(s);
    return missing;
}

static int stage_is_empty(void)
{
    struct repx_err err = {0};

    (void)err;
    return unlinkat(site.state_fd, "stage", AT_REMOVEDIR) == 0 ||
           !is_there(".repx/stage");
}

/* ---- */

#define JOB "artifacts/jobs/aaaa-hello-1.1"

static const struct file package[] = {
    {"bin/hello", "#!/bin/sh\necho hello\n", 1, NULL},
    {"hello-parameters.json", "{}", 0, NULL},
    {"nix-input-dependencies.json", "[]", 0, NULL},
    {"latest", NULL, 0, "bin/hello"},
};
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void a_cold_transfer(void)
{
    site_make();
    ok(transfer(JOB, package, COUNT(package)) == 3, "asks for three objects");
    holds(JOB "/bin/hello", package[0].text, "the script is there");
    ok(mode_of(JOB "/bin/hello") == 0755 &&
           mode_of(JOB "/hello-parameters.json") == 0644,
       "with modes");
    holds(JOB "/latest", package[0].text, "the link leads to it");
    ok(stage_is_empty(), "nothing is left in the staging directory");
    ok(transfer(JOB, package, COUNT(package)) == 0, "again: nothing is asked for");
    ino_t before = inode_of(JOB);
    ok(transfer(JOB, package, COUNT(package)) == 0 && inode_of(JOB) == before,
       "and nothing is replaced");
    site_drop();
}

static void what_differs_arrives(void)
{
    struct file other[COUNT(package)];
    struct stat st;

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    memcpy(other, package, sizeof(other));
    other[1].text = "[]";
    ok(transfer(JOB, other, COUNT(other)) == 0,
       "content that lies elsewhere is not sent");
    holds(JOB "/hello-parameters.json", "[]", "but arrives");
    other[1].text = "{1";
    ok(transfer(JOB, other, COUNT(other)) == 1, "one new file is one object");
    holds(JOB "/hello-parameters.json", "{1", "and arrives");

    other[1].executable = 1;
    ok(transfer(JOB, other, COUNT(other)) == 0, "another mode: copied there");
    ok(mode_of(JOB "/hello-parameters.json") == 0755, "and set");
    other[3].link = "hello-parameters.json";
    ok(transfer(JOB, other, COUNT(other)) == 0, "another link: nothing to send");
    holds(JOB "/latest", "{1", "and it leads elsewhere");
    ok(transfer(JOB, other, 2) == 0 && !is_there(JOB "/latest"), "what is gone goes");
    site_drop();
}

static void what_others_changed_is_seen(void)
{
    struct timespec times[2];
    struct stat st;

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    int fd = openat(site.base_fd, JOB "/hello-parameters.json", O_WRONLY | O_CLOEXEC);
    (void)usleep(20000);
    ok(fd >= 0 && write(fd, "xx", 2) == 2 && close(fd) == 0,
       "somebody writes into a file");
    ok(transfer(JOB, package, COUNT(package)) == 1, "it is sent again");
    holds(JOB "/hello-parameters.json", "{}", "and right again");
    (void)fstatat(site.base_fd, JOB "/hello-parameters.json", &st, 0);
    (void)usleep(20000);
    (void)unlinkat(site.base_fd, JOB "/hello-parameters.json", 0);
    fd = openat(site.base_fd, JOB "/hello-parameters.json",
                O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    (void)!write(fd, "yy", 2);
    times[0] = times[1] = st.st_mtim;
    (void)futimens(fd, times);
    (void)close(fd);
    ok(transfer(JOB, package, COUNT(package)) == 1,
       "a file of the same size and time moved over it is seen, too");
    holds(JOB "/hello-parameters.json", "{}", "and put right");
    site_drop();
}

static void single_files(void)
{
    const struct file first = {"", "{\"labId\":\"a\"}", 0, NULL};
    const struct file second = {"", "{\"labId\":\"b\"}", 0, NULL};
    const struct file tag = {"", NULL, 0, "image"};

    site_make();
    ok(transfer("artifacts/lab/lab-metadata.json", &first, 1) == 1, "one file");
    holds("artifacts/lab/lab-metadata.json", first.text, "stands");
    ok(transfer("artifacts/lab/lab-metadata.json", &second, 1) == 1, "another");
    holds("artifacts/lab/lab-metadata.json", second.text, "takes its place");
    ok(transfer("artifacts/lab/x-lab-metadata.json", &second, 1) == 0,
       "the same under another name");
    ok(inode_of("artifacts/lab/lab-metadata.json") ==
           inode_of("artifacts/lab/x-lab-metadata.json"),
       "is a link(2)");
    ok(transfer("artifacts/images/tag", &tag, 1) == 0, "one link");
    REPX_AUTO_FREE char *text = store_readlink(site.base_fd, "artifacts/images/tag");
    is(text, "image", "stands");
    ok(transfer("artifacts/images/tag", &package[0], 1) == 1 &&
           is_there("artifacts/images/tag/bin/hello"),
       "a directory can take its place");
    ok(transfer("artifacts/images/tag", &tag, 1) == 0 &&
           !is_there("artifacts/images/tag/bin/hello"),
       "and a link that of a directory");
    site_drop();
}

static void layers_share_no_inode(void)
{
    const struct file layer = {"", "a layer", 0, NULL};
    const struct file in_package = {"layer", "a layer", 0, NULL};

    site_make();
    ok(transfer("artifacts/store/l-layer.tar", &layer, 1) == 1, "a layer");
    ok(transfer(JOB, &in_package, 1) == 0, "its content elsewhere is not sent");
    ok(inode_of(JOB "/layer") != inode_of("artifacts/store/l-layer.tar"), "but copied");
    site_drop();
}

static void one_object_for_many_places(void)
{
    static struct asked a;
    static const struct file twice[] = {{"a", "same", 0, NULL},
                                        {"b/c", "same", 0, NULL}};
    struct repx_err err = {0};

    site_make();
    struct store *s = opened();
    ok(place(s, "artifacts/jobs/one", twice, 2, NULL) == 0 &&
           place(s, "artifacts/jobs/two", twice, 2, NULL) == 0 &&
           place(s, "artifacts/jobs/two", twice, 2, NULL) == 0,
       "two packages, four places, one declared again");
    ok(lacking(s, &a) == 1, "one object");
    ok(store_verify(s, &err) < 0, "not there yet: %s", err.text);
    ok(!is_there("artifacts/jobs/one"), "and nothing to be seen");
    ok(put(s, twice, 2, &err) == 0 && store_verify(s, &err) == 0,
       "one put fills them all");
    holds("artifacts/jobs/one/a", "same", "here");
    holds("artifacts/jobs/two/b/c", "same", "and there");
    ok(store_have(s, a.digests[0].bytes), "have knows it");
    a.digests[0].bytes[0] ^= 1;
    ok(!store_have(s, a.digests[0].bytes), "and nothing else");
    store_close(s);
    site_drop();
}

static void wrong_bytes_are_refused(void)
{
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf pack = {0};

    site_make();
    struct store *s = opened();
    (void)place(s, JOB, package, COUNT(package), NULL);
    pack_file(&pack, &package[1], "[}");
    struct store_put *p = store_put_begin(s);
    ok(store_put_bytes(p, pack.data, pack.len, &err) < 0 && err.code == REPX_E_CORRUPT,
       "wrong digest: %s", err.text);
    store_put_free(p);
    ok(!is_there(JOB), "nothing stands");
    ok(put(s, package, COUNT(package), &err) == 0 && store_verify(s, &err) == 0,
       "the right bytes still can come");
    pack.len = 0;
    const struct file stranger = {"x", "nobody asked", 0, NULL};
    pack_file(&pack, &stranger, stranger.text);
    p = store_put_begin(s);
    ok(store_put_bytes(p, pack.data, pack.len, &err) == 0 &&
           store_put_end(p, &err) == 0,
       "what nobody asked for is taken and dropped");
    store_put_free(p);
    store_close(s);
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

static void work_in_progress_keeps_its_package(void)
{
    static const struct file newer[] = {
        {"bin/hello", "#!/bin/sh\necho new\n", 1, NULL}};
    struct digest d;
    char hex[DIGEST_HEX];

    site_make();
    (void)transfer(JOB, package, COUNT(package));
    (void)mkdirat(site.state_fd, "live", 0755);
    ok(symlinkat("run 0 key", site.state_fd, "live/aaaa-hello-1.1") == 0, "a claim");
    ok(transfer(JOB, newer, 1) == 1, "a newer package comes while somebody works");
    holds(JOB "/bin/hello", package[0].text, "the old one keeps the name");
    struct repx_entry e = entry_of(&newer[0]);
    digest_tree(&e, 1, &d);
    digest_hex(&d, hex);
    REPX_AUTO_FREE char *waiting = repx_format(".repx/pkg/%s/bin/hello", hex);
    holds(waiting, newer[0].text, "the new one waits under its digest");
    ok(transfer(JOB, newer, 1) == 0, "again: nothing to send");
    holds(JOB "/bin/hello", package[0].text, "still");
    (void)unlinkat(site.state_fd, "live/aaaa-hello-1.1", 0);
    ok(transfer(JOB, newer, 1) == 0, "the work has ended: nothing to send either");
    holds(JOB "/bin/hello", newer[0].text, "but now it has the name");
    holds(waiting, newer[0].text, "and its digest still leads to it");
    ok(transfer(JOB, package, COUNT(package)) >= 0 && !is_there(waiting),
       "replaced, its digest leads nowhere");
    site_drop();
}

/* state_path on another file system: what is renamed must not be built there. */
static void state_elsewhere(void)
{
    static const struct file newer[] = {
        {"bin/hello", "#!/bin/sh\necho new\n", 1, NULL}};
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
    ok(transfer(JOB, package, COUNT(package)) == 3, "a transfer");
    holds(JOB "/bin/hello", package[0].text, "arrives");
    ok(mkdirat(site.state_fd, "live", 0755) == 0 &&
           symlinkat("run 0 key", site.state_fd, "live/aaaa-hello-1.1") == 0,
       "somebody works");
    ok(transfer(JOB, newer, 1) == 1 && transfer(JOB, newer, 1) == 0,
       "a newer package waits");
    struct repx_entry e = entry_of(&newer[0]);
    struct digest d;
    char hex[DIGEST_HEX];
    digest_tree(&e, 1, &d);
    digest_hex(&d, hex);
    REPX_AUTO_FREE char *waiting = repx_format("%s/pkg/%s/bin/hello", elsewhere, hex);
    REPX_AUTO_BUF struct repx_buf text = {0};
    ok(repx_read_file(AT_FDCWD, waiting, 99, &text, &err) == 0, "under its digest");
    is(repx_buf_text(&text), newer[0].text, "whole");
    ok(unlinkat(site.state_fd, "live/aaaa-hello-1.1", 0) == 0, "the work ends");
    ok(transfer(JOB, newer, 1) == 0, "and it moves in");
    text.len = 0;
    ok(repx_read_file(AT_FDCWD, waiting, 99, &text, &err) == 0 &&
           inode_of(JOB "/bin/hello") != 0,
       "its digest leads there");
    holds(JOB "/bin/hello", newer[0].text, "new");
    (void)repx_remove_tree(AT_FDCWD, elsewhere, &err);
    site_drop();
}

static void packages_that_are_the_same_tree(void)
{
    static const struct file newer[] = {
        {"bin/hello", "#!/bin/sh\necho new\n", 1, NULL}};
    struct repx_entry entries[COUNT(package)];
    struct digest d;
    char hex[DIGEST_HEX];

    site_make();
    (void)transfer("artifacts/jobs/twin", package, COUNT(package));
    (void)transfer(JOB, package, COUNT(package));
    for (size_t i = 0; i < COUNT(package); i++)
        entries[i] = entry_of(&package[i]);
    digest_tree(entries, COUNT(package), &d);
    digest_hex(&d, hex);
    REPX_AUTO_FREE char *by_digest = repx_format(".repx/pkg/%s/bin/hello", hex);
    holds(by_digest, package[0].text, "two jobs, one digest");
    (void)transfer(JOB, newer, 1);
    holds(by_digest, package[0].text, "one is replaced: the digest leads to the other");
    (void)transfer("artifacts/jobs/twin", newer, 1);
    ok(!is_there(by_digest), "both: it leads nowhere");
    site_drop();
}

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
                           strlen(layer[0].text), 0644, 0, &err) == 0,
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

static void links_on_the_way_are_not_followed(void)
{
    static const struct file f[] = {{"x", "x", 0, NULL}};

    site_make();
    (void)mkdirat(site.base_fd, "elsewhere", 0755);
    (void)mkdirat(site.base_fd, "artifacts", 0755);
    ok(symlinkat("../elsewhere", site.base_fd, "artifacts/jobs") == 0, "a link");
    ok(transfer(JOB, f, 1) < 0, "a collection that is a link is refused");
    ok(!is_there("elsewhere/aaaa-hello-1.1"), "and nothing was written through it");
    site_drop();
}

#define FILES ((size_t)2000)
#define JOBS ((size_t)100)

static struct file many[FILES];
static char texts[FILES][48];

static double per(uint64_t before, size_t n)
{
    return (double)(store_calls() - before) / (double)n;
}

static void few_calls_a_file(void)
{
    struct repx_err err = {0};

    site_make();
    for (size_t i = 0; i < FILES; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "d%zu/f%04zu", i / 500, i);
        many[i] = (struct file){texts[i], texts[i], i & 1, NULL};
    }
    struct store *s = opened();
    uint64_t before = store_calls();
    int rc = place(s, JOB, many, FILES, NULL);
    rc |= put(s, many, FILES, &err);
    rc |= store_verify(s, &err);
    double each = per(before, FILES);
    ok(rc == 0 && each <= 1.2, "cold: %.3f metadata calls a file", each);
    store_close(s);
    s = opened();
    before = store_calls();
    (void)place(s, JOB, many, FILES, NULL);
    each = per(before, FILES);
    ok(each <= 1.2, "there already: %.3f", each);
    store_close(s);
    site_drop();
}

static void few_calls_a_package(void)
{
    static const char *const names[] = {"bin/x", "d.json", "p.json"};
    static struct asked a;
    struct repx_err err = {0};

    site_make();
    for (size_t i = 0; i < 3 * JOBS; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "job %zu file %zu", i / 3, i % 3);
        many[i] = (struct file){names[i % 3], texts[i], i % 3 == 0, NULL};
    }
    struct store *s = opened();
    uint64_t before = store_calls();
    for (size_t i = 0; i < JOBS; i++) {
        REPX_AUTO_FREE char *name = repx_format("artifacts/jobs/j%zu", i);
        (void)place(s, name, &many[3 * i], 3, NULL);
    }
    int rc = lacking(s, &a) == 3 * JOBS ? 0 : -1;
    rc |= put(s, many, 3 * JOBS, &err);
    rc |= store_verify(s, &err);
    double each = per(before, JOBS);
    ok(rc == 0 && each <= 12.5, "%.2f calls a package of three files", each);
    store_close(s);
    site_drop();
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    a_cold_transfer();
    what_differs_arrives();
    what_others_changed_is_seen();
    single_files();
    layers_share_no_inode();
    one_object_for_many_places();
    wrong_bytes_are_refused();
    interrupted_and_resumed();
    work_in_progress_keeps_its_package();
    state_elsewhere();
    packages_that_are_the_same_tree();
    two_sessions_bring_the_same();
    sets_are_known();
    links_on_the_way_are_not_followed();
    errors_name_the_cure();
    what_the_dead_left_is_removed();
    a_later_phase_finds_it_too();
    few_calls_a_file();
    few_calls_a_package();
    return tap_end();
}
