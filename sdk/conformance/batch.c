/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/child.h>
#include <kit/err.h>
#include <kit/file.h>

#define SETUP_MS 10000
#define FILE_MAX (256u << 20)

static char *path_of(const struct conform *c, const char *name)
{
    return repx_format("%s/fake/%s", c->dir, name);
}

static void put(const struct conform *c, const char *name, const char *text)
{
    REPX_AUTO_FREE char *path = path_of(c, name);

    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

static void get(const struct conform *c, const char *name, struct repx_buf *to)
{
    REPX_AUTO_FREE char *path = path_of(c, name);

    (void)repx_read_file(AT_FDCWD, path, FILE_MAX, to, NULL);
}

int batch_set_up(struct conform *c, const char *program, struct repx_err *err)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/fake", c->dir);
    REPX_AUTO_FREE char *path = repx_format(
        "%s/bin:%s", dir, getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    const char *const argv[] = {program, "--setup", c->fake, dir, NULL};
    struct repx_buf said REPX_AUTO_BUF = {0};
    int status = 0;

    if (repx_child_run(argv, SETUP_MS, NULL, &said, &status, err) < 0)
        return -1;
    if (status != 0)
        return repx_fail(err, REPX_E_FAILED, "%s", repx_buf_text(&said));
    (void)setenv("PATH", path, 1);
    return 0;
}

void batch_fault(const struct conform *c, const char *line)
{
    put(c, "fault", line);
}

void batch_rows(const struct conform *c, size_t rows)
{
    REPX_AUTO_FREE char *text = repx_format("%zu\n", rows);

    put(c, "rows", text);
}

void batch_forget(const struct conform *c, int forget)
{
    REPX_AUTO_FREE char *path = path_of(c, "forget");

    if (forget) {
        put(c, "forget", "");
    } else {
        (void)unlink(path);
    }
}

int64_t batch_jobs(const struct conform *c)
{
    struct repx_buf b REPX_AUTO_BUF = {0};

    get(c, "last", &b);
    return strtoll(repx_buf_text(&b), NULL, 10);
}

size_t batch_calls(const struct conform *c)
{
    struct repx_buf b REPX_AUTO_BUF = {0};
    size_t lines = 0;

    get(c, "calls", &b);
    for (size_t i = 0; i < b.len; i++)
        lines += b.data[i] == '\n';
    return lines;
}

int batch_hangs(const struct conform *c)
{
    struct repx_buf b REPX_AUTO_BUF = {0};

    get(c, "hanging", &b);
    long pid = strtol(repx_buf_text(&b), NULL, 10);
    return pid > 1 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}
