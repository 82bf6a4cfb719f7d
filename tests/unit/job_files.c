/* SPDX-License-Identifier: MIT */
/* Files of jobs as the agent hands them out, and roots of garbage collection. */
#define _GNU_SOURCE /* O_PATH */

#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/store_fs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

static char base[] = "/tmp/repx-files-XXXXXX";
static struct site site;

static void write_at(const char *path, const char *text)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", base, path);
    REPX_AUTO_FREE char *parent =
        repx_strndup(whole, (size_t)(strrchr(whole, '/') - whole));
    struct repx_err err = {0};

    ok(repx_make_dirs(parent, 0755, &err) == 0 &&
           repx_write_file(AT_FDCWD, whole, text, strlen(text), 0644, &err) == 0,
       "fixture %s", path);
}

static void link_at(const char *target, const char *path)
{
    ok(symlinkat(target, site.base_fd, path) == 0, "fixture %s -> %s", path, target);
}

static void site_make(void)
{
    static char state[64];
    struct repx_err err = {0};

    (void)snprintf(state, sizeof(state), "%s/.repx", base);
    (void)repx_make_dirs(state, 0755, &err);
    site = (struct site){.base = base,
                         .state = state,
                         .base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC),
                         .state_fd = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

/* J as a supervisor leaves it, after one attempt that counts and one that does not. */
static void job_make(void)
{
    write_at("outputs/j/attempts/1/repx/stdout.log", "old\n");
    write_at("outputs/j/attempts/2/repx/stdout.log", "one\ntwo\nthree\n");
    write_at("outputs/j/attempts/2/out/d/x.txt", "x");
    write_at("outputs/j/attempts/2/out/empty", "");
    write_at("secret", "not yours");
    link_at("attempts/2/repx", "outputs/j/repx");
    link_at("attempts/2/out", "outputs/j/out");
    link_at("d/x.txt", "outputs/j/attempts/2/out/near");
    link_at("../../../../../secret", "outputs/j/attempts/2/out/up");
    link_at("/etc/passwd", "outputs/j/attempts/2/out/away");
    link_at("loop", "outputs/j/attempts/2/out/loop");
}

static const struct {
    const char *path, *text; /* NULL: refused, with this code */
    int32_t code;
} reads[] = {
    {"j/repx/stdout.log", "one\ntwo\nthree\n", 0},
    {"j/out/d/x.txt", "x", 0},
    {"j/out/near", "x", 0},
    {"j/attempts/1/repx/stdout.log", "old\n", 0},
    {"j/out/up", NULL, REPX_E_USAGE},
    {"j/out/away", NULL, REPX_E_USAGE},
    {"j/out/loop", NULL, REPX_E_USAGE},
    {"j/out/d", NULL, REPX_E_USAGE},
    {"j/out/nothing", NULL, REPX_E_NOENT},
    {"nothing/out/x", NULL, REPX_E_NOENT},
};

static void what_is_below_the_outputs_is_read(void)
{
    struct repx_err err = {0};
    int outputs = outputs_open(&site, &err);

    for (size_t i = 0; i < sizeof(reads) / sizeof(*reads); i++) {
        char text[64] = "";
        err = (struct repx_err){0};
        int fd = outputs_file(&site, outputs, reads[i].path, &err);
        if (!reads[i].text) {
            ok(fd < 0 && err.code == reads[i].code, "%s: %s", reads[i].path, err.text);
            continue;
        }
        ok(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0, "%s opens", reads[i].path);
        is(text, reads[i].text, "and holds");
        repx_close_fd(&fd);
    }
    repx_close_fd(&outputs);
}

/* What a worker writes to its descriptor. */
static char *output_of(int (*work)(int out), int *rc)
{
    char path[] = "/tmp/repx-out-XXXXXX";
    int fd = mkstemp(path);
    struct repx_buf b = {0};
    struct repx_err err = {0};

    *rc = work(fd);
    (void)close(fd);
    (void)repx_read_file(AT_FDCWD, path, 1 << 20, &b, &err);
    (void)unlink(path);
    return repx_buf_detach(&b);
}

static size_t list_len;

static int list_job(int out)
{
    struct repx_err err = {0};
    int rc = list_below(&site, "j", out, &err);

    list_len = (size_t)lseek(out, 0, SEEK_CUR);
    return rc;
}

static void a_listing_shows_the_attempt_that_counts(void)
{
    REPX_AUTO_BUF struct repx_buf all = {0};
    struct repx_err err = {0};
    struct msg_field f;
    size_t at = 0;
    int rc;
    REPX_AUTO_FREE char *data = output_of(list_job, &rc);

    while (msg_next(data, list_len, &at, &f) == 1) {
        REPX_AUTO_FREE char *name = msg_text(f.bytes, f.length, F_NAME);
        repx_buf_fmt(&all, "%s:%d ", name,
                     (int)msg_number(f.bytes, f.length, F_KIND, 0));
    }
    ok(rc == 0, "listed");
    is(repx_buf_text(&all),
       "out:2 out/away:3 out/d:2 out/d/x.txt:1 out/empty:1 out/loop:3 out/near:3 out/up:3 "
       "repx:2 repx/stdout.log:1 ",
       "links of attempts as directories, others as links, nothing twice");
    ok(list_below(&site, "k", STDERR_FILENO, &err) < 0 && err.code == REPX_E_NOENT,
       "a job that never ran is not there");
    ok(list_below(&site, "j/out/empty", STDERR_FILENO, &err) < 0 &&
           err.code == REPX_E_USAGE,
       "a file is no directory: %s", err.text);
}

static int64_t tail_lines;

static int tail_log(int out)
{
    const struct tail_args args = {"j/repx/stdout.log", tail_lines, 0};
    struct repx_err err = {0};

    return tail_file(&site, &args, out, &err);
}

static const struct {
    int64_t lines;
    const char *text;
} tails[] = {
    {-1, "one\ntwo\nthree\n"}, {3, "one\ntwo\nthree\n"}, {9, "one\ntwo\nthree\n"},
    {2, "two\nthree\n"},       {1, "three\n"},           {0, ""}};

static void the_last_lines(void)
{
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        int rc;
        tail_lines = tails[i].lines;
        REPX_AUTO_FREE char *text = output_of(tail_log, &rc);
        is(text, tails[i].text, "tail");
    }
}

/* Read until the text is there; a second is plenty. */
static int comes(int fd, const char *text)
{
    char got[256] = "";
    size_t n = 0;

    for (int i = 0; i < 300 && !strstr(got, text); i++) {
        const struct timespec t = {.tv_nsec = 10000000L};
        ssize_t r = read(fd, got + n, sizeof(got) - 1 - n);
        n += r > 0 ? (size_t)r : 0;
        (void)nanosleep(&t, NULL);
    }
    return strstr(got, text) != NULL;
}

static void following(void)
{
    int ends[2];

    if (pipe(ends) < 0)
        return;
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t child = fork();
    if (child == 0) {
        const struct tail_args args = {"late/repx/stdout.log", 10, 1};
        struct repx_err err = {0};
        _exit(tail_file(&site, &args, ends[1], &err) == 0 ? 0 : 1);
    }
    write_at("outputs/late/attempts/1/repx/stdout.log", "first\n");
    link_at("attempts/1/repx", "outputs/late/repx");
    ok(comes(ends[0], "first\n"), "a log that did not exist yet");
    int fd = openat(site.base_fd, "outputs/late/repx/stdout.log",
                    O_WRONLY | O_APPEND | O_CLOEXEC);
    ok(write(fd, "more\n", 5) == 5 && comes(ends[0], "more\n"), "goes on");
    (void)close(fd);
    write_at("outputs/late/attempts/2/repx/stdout.log", "second\n");
    (void)unlinkat(site.base_fd, "outputs/late/repx", 0);
    link_at("attempts/2/repx", "outputs/late/repx");
    ok(comes(ends[0], "second\n"), "and follows a new attempt");
    (void)kill(child, SIGTERM);
    (void)waitpid(child, NULL, 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static int roots_in(const char *path)
{
    int fd = openat(site.base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

static void lab_at_the_common_names(const char *id)
{
    REPX_AUTO_FREE char *text = repx_format(
        "{\"labId\":\"%s\",\"metadata\":\"revision/metadata-top.json\",\"files\":[]}",
        id);

    write_at("artifacts/lab/lab-metadata.json", text);
    write_at("artifacts/revision/metadata-top.json",
             "{\"runs\":[\"revision/metadata-r.json\"]}");
    write_at("artifacts/revision/metadata-r.json", id);
}

static int root(const char *time, const char *id)
{
    REPX_AUTO_FREE char *name = repx_format("auto/p/2026-01-01_00-00-%s_%s", time, id);
    REPX_AUTO_FREE char *manifest = repx_format("%s-lab-metadata.json", id);
    struct repx_err err = {0};
    int rc = gcroot_add(&site, name, manifest, NULL, &err);

    if (rc < 0)
        printf("# root: %s\n", err.text);
    return rc;
}

static void each_lab_keeps_its_own(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};

    lab_at_the_common_names("L0");
    ok(root("00", "L0") == 0 && root("01", "L0") == 0 &&
           roots_in("gcroots/auto/p") == 1,
       "a Lab that is rooted already needs no second root");
    lab_at_the_common_names("L1");
    ok(root("01", "L1") == 0, "another Lab takes the common names");
    ok(repx_read_file(site.base_fd, "artifacts/revision/L0-metadata-r.json", 99, &b,
                      &err) == 0 &&
           b.len == 2 && memcmp(b.data, "L0", 2) == 0,
       "what the first one named is still there");
    b.len = 0;
    ok(repx_read_file(site.base_fd, "artifacts/lab/L1-lab-metadata.json", 999, &b,
                      &err) == 0 &&
           strstr(b.data, "revision/L1-metadata-top.json"),
       "each has its own manifest");
    REPX_AUTO_FREE char *to =
        store_readlink(site.base_fd, "gcroots/auto/p/2026-01-01_00-00-01_L1");
    REPX_AUTO_FREE char *want =
        repx_format("%s/artifacts/lab/L1-lab-metadata.json", base);
    is(to, want, "and its root leads to it");
    for (int i = 2; i < 9; i++) {
        REPX_AUTO_FREE char *id = repx_format("L%d", i);
        REPX_AUTO_FREE char *time = repx_format("%02d", i);
        lab_at_the_common_names(id);
        (void)root(time, id);
    }
    ok(roots_in("gcroots/auto/p") == 5, "the newest five are kept");
    ok(root("10", "gone") < 0, "a Lab that is not there gets no root");
}

/* Another Lab took the names before this one's root was made. */
static void names_that_another_took(void)
{
    static const char *const paths[] = {"lab/lab-metadata.json",
                                        "revision/metadata-top.json",
                                        "revision/metadata-r.json"};
    struct lab_told_file told[3];
    const struct lab_told files = {told, 3};
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};

    lab_at_the_common_names("mine");
    for (size_t i = 0; i < 3; i++) {
        REPX_AUTO_FREE char *path = repx_format("artifacts/%s", paths[i]);
        char hex[DIGEST_HEX];
        b.len = 0;
        (void)repx_read_file(site.base_fd, path, 9999, &b, &err);
        digest_of(b.data, b.len, &told[i].digest);
        told[i].path = (char *)(uintptr_t)paths[i];
        digest_hex(&told[i].digest, hex);
        REPX_AUTO_FREE char *kept = repx_format(".repx/kept/%sf", hex);
        write_at(kept, b.data);
    }
    lab_at_the_common_names("theirs");
    ok(gcroot_add(&site, "auto/p/2027-01-01_00-00-00_mine", "mine-lab-metadata.json",
                  &files, &err) == 0,
       "another Lab took the names first: %s", err.text);
    b.len = 0;
    ok(repx_read_file(site.base_fd, "artifacts/revision/mine-metadata-r.json", 99, &b,
                      &err) == 0 &&
           b.len == 4 && memcmp(b.data, "mine", 4) == 0,
       "what was kept of the first serves");
    told[2].digest.bytes[0] ^= 1;
    write_at("artifacts/lab/lab-metadata.json", "{}");
    ok(gcroot_add(&site, "auto/p/2027-01-01_00-00-01_mine", "mine-lab-metadata.json",
                  &files, &err) < 0 &&
           strstr(err.text, "run again"),
       "what is nowhere is told: %s", err.text);
}

static const struct {
    const char *name, *manifest;
} bad_roots[] = {{"pinned/x", "L8-lab-metadata.json"},
                 {"auto/p", "L8-lab-metadata.json"},
                 {"auto/p/x/y", "L8-lab-metadata.json"},
                 {"auto/p/.x", "L8-lab-metadata.json"},
                 {"auto/p/x", "../L8-lab-metadata.json"},
                 {"auto/p/x", "-lab-metadata.json"},
                 {"auto/p/x", "lab-metadata.json"},
                 {"auto/p/x", ".L-lab-metadata.json"},
                 {"auto/p/x", "other"}};

static void bad_roots_are_refused(void)
{
    for (size_t i = 0; i < sizeof(bad_roots) / sizeof(*bad_roots); i++) {
        struct repx_err err = {0};
        ok(gcroot_add(&site, bad_roots[i].name, bad_roots[i].manifest, NULL, &err) < 0,
           "%s", err.text);
    }
}

int main(void)
{
    struct repx_err err = {0};

    if (!mkdtemp(base))
        return 1;
    site_make();
    job_make();
    what_is_below_the_outputs_is_read();
    a_listing_shows_the_attempt_that_counts();
    the_last_lines();
    following();
    each_lab_keeps_its_own();
    names_that_another_took();
    bad_roots_are_refused();
    (void)repx_remove_tree(AT_FDCWD, base, &err);
    return tap_end();
}
