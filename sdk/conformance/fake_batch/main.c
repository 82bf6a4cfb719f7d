/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/file.h>

#include "fake.h"

#define OUT_PIECE 65536
#define INPUT_MAX (64u << 20)
#define FDS_MAX 256
#define MADE_UP INT64_C(9000000) /* ids of jobs that only `rows` knows */

static const struct fake_product *const products[] = {&fake_slurm, &fake_pbs, &fake_lsf,
                                                      &fake_gridengine};

/* ---- for the products ---- */

static void write_out(struct fake_call *call)
{
    (void)repx_write_all(1, repx_buf_text(&call->out), call->out.len);
    call->out.len = 0;
}

void fake_say(struct fake_call *call, const char *fmt, ...)
{
    va_list ap;
    char text[4096];

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0) {
        repx_buf_add(&call->out, text,
                     (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    }
    if (call->out.len > OUT_PIECE && !call->keep_out)
        write_out(call);
}

int fake_refuse(struct fake_call *call, int status, const char *fmt, ...)
{
    va_list ap;
    char text[4096];

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    repx_buf_fmt(&call->err, "%s\n", text);
    return status;
}

int fake_next(struct fake_call *call, const struct fake_option *options,
              const char **name, const char **value)
{
    char *word = *call->argv;

    if (!word || word[0] != '-' || !word[1])
        return 0;
    call->argv++;
    size_t n = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : strlen(word);
    for (; options->name; options++) {
        if (strlen(options->name) != n || strncmp(options->name, word, n) != 0)
            continue;
        *name = options->name;
        *value = word[n] ? word + n + 1 : "";
        if (options->has_value && !word[n]) {
            if (!*call->argv)
                return fake_refuse(call, -1, "option %s needs a value", word);
            *value = *call->argv++;
        }
        return 1;
    }
    return fake_refuse(call, -1, "unrecognized option '%s'", word);
}

static void make_up(struct fake_call *call, uint64_t rows,
                    void (*each)(struct fake_call *, const struct fake_job *))
{
    struct fake_index state = {FAKE_PENDING, -1, 0, 0};
    char key[32], name[64], comment[64], workdir[64];
    struct fake_job job = {
        .name = name, .comment = comment, .workdir = workdir, .states = &state};

    for (uint64_t i = 0; i < rows; i++) {
        job.id = MADE_UP + (int64_t)i;
        (void)snprintf(key, sizeof(key), "kmadeup%016llu", (unsigned long long)i);
        (void)snprintf(name, sizeof(name), "row.%s", key);
        (void)snprintf(comment, sizeof(comment), "repx1:%s", key);
        (void)snprintf(workdir, sizeof(workdir), "/none/sub/%s", key);
        each(call, &job);
    }
}

static int all_over(const struct fake_job *job)
{
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        if (!fake_is_over(job->states[i].state))
            return 0;
    }
    return 1;
}

void fake_each(struct fake_call *call,
               void (*each)(struct fake_call *call, const struct fake_job *job))
{
    int64_t last = fake_last(call->dir);
    int forget = faccessat(call->dir, "forget", F_OK, 0) == 0;

    for (int64_t id = 1; id <= last; id++) {
        struct fake_job *job = fake_read(call->dir, id);
        if (job && !(forget && all_over(job)))
            each(call, job);
        fake_job_free(job);
    }
    make_up(call, fake_number(call->dir, "rows"), each);
}

/* ---- the daemon ---- */

static void start_daemon(const struct fake_call *call)
{
    if (fork() != 0)
        return;
    (void)setsid();
    if (fork() != 0)
        _exit(0);
    for (int i = 3; i < FDS_MAX; i++) { /* the lock above all */
        if (i != call->dir)
            (void)close(i);
    }
    int fd = openat(call->dir, "daemon", O_RDWR | O_CREAT, 0644);
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        (void)dup2(null, i);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        _exit(0);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    fake_daemon(call->dir, call->product);
}

int fake_submit(struct fake_call *call, struct fake_job *job,
                const struct repx_buf *script)
{
    struct repx_err err = {0};
    REPX_AUTO_CLOSE int lock __attribute__((unused)) = fake_lock(call->dir, &err);
    int wake = -1;

    if (lock >= 0 && fake_add(call->dir, job, script, &err) == 0)
        wake = fake_wake(call->dir, &err);
    if (wake < 0)
        return fake_refuse(call, -1, "fake: %s", err.text);
    if (wake > 0)
        start_daemon(call);
    return 0;
}

/* ---- a call ---- */

static void log_call(const struct fake_call *call, const char *name)
{
    struct repx_buf b REPX_AUTO_BUF = {0};
    REPX_AUTO_CLOSE int fd =
        openat(call->dir, "calls", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    repx_buf_str(&b, name);
    for (char **word = call->argv; *word; word++) {
        repx_buf_char(&b, ' ');
        repx_buf_shell(&b, *word);
    }
    repx_buf_char(&b, '\n');
    if (fd >= 0)
        (void)repx_write_all(fd, b.data, b.len);
}

static void read_input(struct fake_call *call)
{
    ssize_t n;

    do {
        char *to = repx_buf_room(&call->in, OUT_PIECE);
        n = read(0, to, OUT_PIECE);
        if (n > 0)
            call->in.len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    repx_buf_add(&call->in, "", 0);
}

static int serve(struct fake_call *call, const struct fake_command *command)
{
    /* `scontrol show` and the like only look */
    int looks = command->verb == FAKE_VERB_AMEND && call->argv[0] &&
                strcmp(call->argv[0], "show") == 0;
    int verb = looks ? FAKE_VERB_LIMITS : command->verb;
    struct fake_fault fault;
    int status = 0;

    log_call(call, command->name);
    if (command->reads_input)
        read_input(call);
    fake_fault_take(call, verb, &fault);
    if (!fake_fault_before(call, &fault, verb, &status)) {
        status = command->run(call);
        if (status < 0)
            status = 1;
        fake_fault_after(call, &fault, &status);
    }
    write_out(call);
    (void)repx_write_all(2, repx_buf_text(&call->err), call->err.len);
    return status;
}

/* ---- DIR/bin ---- */

static int set_up(const char *product, const char *dir, struct repx_err *err)
{
    REPX_AUTO_FREE char *bin = repx_format("%s/bin", dir);
    REPX_AUTO_FREE char *jobs = repx_format("%s/jobs", dir);
    const struct fake_product *p = NULL;
    char self[PATH_MAX];

    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        if (strcmp(products[i]->name, product) == 0)
            p = products[i];
    }
    if (!p) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s: slurm, pbs, lsf and gridengine are there", product);
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return repx_fail_errno(err, "/proc/self/exe");
    self[n] = 0;
    if (repx_make_dirs(bin, 0755, err) < 0 || repx_make_dirs(jobs, 0755, err) < 0)
        return -1;
    for (const struct fake_command *c = p->commands; c->name; c++) {
        REPX_AUTO_FREE char *link = repx_format("%s/%s", bin, c->name);
        if (symlink(self, link) < 0 && errno != EEXIST)
            return repx_fail_errno(err, "%s", link);
    }
    return 0;
}

static const struct fake_command *find_command(struct fake_call *call, const char *name)
{
    struct stat st;
    size_t count = sizeof(products) / sizeof(products[0]);

    for (size_t i = 0; i < count; i++) {
        /* qsub is of two products: the one whose other commands are here, too */
        REPX_AUTO_FREE char *mark =
            repx_format("bin/%s", products[i]->commands[0].name);
        if (fstatat(call->dir, mark, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        call->product = products[i];
        for (const struct fake_command *c = products[i]->commands; c->name; c++) {
            if (strcmp(c->name, name) == 0)
                return c;
        }
    }
    return NULL;
}

/* DIR is above the directory of the link that we were called by. */
static int open_dir(void)
{
    const char *called = (const char *)getauxval(AT_EXECFN); /* NOLINT */
    REPX_AUTO_FREE char *path = repx_strdup(called ? called : "");
    char *slash = strrchr(path, '/');

    if (!slash)
        return -1;
    *slash = 0;
    REPX_AUTO_FREE char *dir = repx_format("%s/..", path);
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    struct fake_call call = {.dir = -1, .argv = argv + 1};
    struct repx_err err = {0};

    if (argc == 4 && strcmp(argv[1], "--setup") == 0) {
        if (set_up(argv[2], argv[3], &err) == 0)
            return 0;
        (void)fprintf(stderr, "repx-fake-batch: %s\n", err.text);
        return 1;
    }
    call.dir = open_dir();
    const struct fake_command *command =
        call.dir < 0 ? NULL : find_command(&call, name);
    if (!command) {
        (void)fprintf(stderr,
                      "usage: repx-fake-batch --setup "
                      "slurm|pbs|lsf|gridengine DIR\n");
        return 2;
    }
    return serve(&call, command);
}
