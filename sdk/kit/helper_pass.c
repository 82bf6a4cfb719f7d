/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create */

#include "helper_pass.h"

#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"
#include "file.h"
#include "helper_main.h"
#include "helper_request.h"
#include "trust.h"

static int is_trusted(const char *program, const char *key, struct repx_err *err)
{
    if (program[0] != '/') {
        return repx_fail(err, REPX_E_USAGE,
                         "%s is \"%s\": give the absolute path on the target", key,
                         program);
    }
    int ours = repx_path_is_ours(program, err);
    if (ours == 1 && access(program, X_OK) < 0) {
        (void)repx_fail_errno(err, "%s", program);
        ours = -1;
    }
    if (ours == 1)
        return 0;
    if (ours == 0)
        err->code = REPX_E_FAILED;
    return repx_wrap(err, "%s is not run", key);
}

/* The bytes that were read, as standard input once more. */
static int give_again(const struct repx_buf *input, struct repx_err *err)
{
    int fd = memfd_create("request", MFD_CLOEXEC);

    if (fd < 0)
        return repx_fail_errno(err, "no room for the request");
    if (repx_write_all(fd, input->data, input->len) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        dup2(fd, STDIN_FILENO) < 0)
        return repx_fail_errno(err, "request");
    return 0;
}

/* Does not return when all is well. */
static int pass(char **argv, const char *key, struct repx_err *err)
{
    struct repx_helper_request request;
    REPX_AUTO_BUF struct repx_buf input = {0};

    if (repx_helper_input(&input, err) < 0 ||
        repx_helper_parse(&request, argv[1], repx_buf_text(&input), input.len, err) < 0)
        return -1;
    const char *program = json_string_value(json_object_get(request.config, key));
    if (!program) {
        (void)repx_fail(err, REPX_E_USAGE, "the configuration has no key %s", key);
    } else if (is_trusted(program, key, err) == 0 &&
               repx_make_dirs(argv[2], 0700, err) == 0 &&
               give_again(&input, err) == 0) {
        REPX_AUTO_FREE char *copy = repx_strdup(program);
        char *const args[] = {copy, argv[1], argv[2], NULL};
        (void)execv(program, args);
        (void)repx_fail_errno(err, "%s", program);
    }
    repx_helper_request_free(&request);
    return -1;
}

int repx_helper_pass(int argc, char **argv, const struct repx_plugin *plugin,
                     const char *key)
{
    struct repx_err err = {0};

    if (repx_helper_usage(argc, argv, plugin))
        return 2;
    (void)pass(argv, key, &err);
    repx_helper_error_line(&err);
    return 1;
}
