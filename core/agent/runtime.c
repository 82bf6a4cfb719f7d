/* SPDX-License-Identifier: MIT */
#include "runtime.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define KILL_MS 5000

/* REPX_KILL_WAIT: seconds between TERM and KILL. */
static int64_t kill_ms(void)
{
    const char *text = getenv("REPX_KILL_WAIT");
    char *end = NULL;
    double s = text ? strtod(text, &end) : -1;

    return text && end != text && s >= 0 && s <= 3600 ? (int64_t)(s * 1000) : KILL_MS;
}

static const struct {
    const char *name;
    int (*make)(const struct runtime_request *q, struct runtime_command *c,
                struct repx_err *err);
} runtimes[] = {
    {"native", runtime_native},
    {"bwrap", runtime_bwrap},
    {"podman", runtime_engine},
    {"docker", runtime_engine},
    {"charliecloud", runtime_charliecloud},
};

static int prepare(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err)
{
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        if (strcmp(q->runtime, runtimes[i].name) != 0)
            continue;
        if (runtimes[i].make(q, c, err) == 0)
            return 0;
        return i ? repx_wrap(err, "%s", q->runtime) : -1;
    }
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "runtime %s is unknown here; choose native, bwrap, podman, docker "
                     "or charliecloud in execution_types of the target",
                     q->runtime);
}

/* The end of the error log, for a message; on one line. */
static char *log_end(int fd)
{
    char *text = repx_alloc(1025);
    struct stat st;
    off_t from = fstat(fd, &st) == 0 && st.st_size > 1024 ? st.st_size - 1024 : 0;
    REPX_AUTO_FREE char *path = repx_format("/proc/self/fd/%d", fd);
    REPX_AUTO_CLOSE int in = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = in < 0 ? 0 : pread(in, text, 1024, from);

    text[n > 0 ? n : 0] = 0;
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ') {
            *p = p[1] ? ';' : 0;
        } else if ((unsigned char)*p >=
                   0x7f) { /* records are UTF-8, logs need not be */
            *p = '?';
        }
    }
    return text;
}

static void command_finish(struct runtime_command *c)
{
    strings_free(c->argv);
    strings_free(c->env);
    free(c->cwd);
    free(c->container);
    repx_close_fd(&c->status[0]);
    repx_close_fd(&c->status[1]);
}

static void command_say(const struct runtime_command *c, struct repx_buf *said)
{
    for (char **arg = c->argv; said && arg && *arg; arg++) {
        repx_buf_char(said, ' ');
        repx_buf_shell(said, *arg);
    }
}

static void command_run(const struct runtime_request *q, struct runtime_command *c,
                        struct outcome *o)
{
    struct process p = {.argv = c->argv, .env = c->env, .cwd = c->cwd, .in_fd = -1};
    struct repx_err err = {0};

    p.out_fd = q->out_fd;
    p.err_fd = q->err_fd;
    p.keep_fd = c->status[1];
    p.limit_ms = q->limit_ms;
    p.kill_ms = kill_ms();
    p.spare_root = c->spare_root;
    o->asked = process_asked(); /* while an image was unpacked, perhaps */
    if (o->asked)
        return;
    if (process_run(&p, o, &err) < 0) {
        outcome_set(o, "not started: %s", err.text);
        o->exit = -1;
        return;
    }
    if (c->ended) {
        REPX_AUTO_FREE char *said = log_end(q->err_fd);
        c->ended(q, c, said, o);
        return;
    }
    if (c->status[0] < 0 || o->asked || o->timed_out || runtime_bwrap_started(c, o))
        return;
    REPX_AUTO_FREE char *why = log_end(q->err_fd);
    outcome_set(o, "not started: bwrap: %s", *why ? why : "ended without a word");
    o->exit = -1;
}

void runtime_run(const struct runtime_request *q, struct outcome *o,
                 struct repx_buf *said)
{
    struct runtime_command c = {.status = {-1, -1}};
    struct repx_err err = {0};

    *o = (struct outcome){.exit = -1};
    if (prepare(q, &c, &err) < 0) {
        outcome_set(o, "not started: %s", err.text);
    } else {
        command_say(&c, said);
        command_run(q, &c, o);
    }
    command_finish(&c);
}
