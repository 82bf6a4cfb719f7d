/* SPDX-License-Identifier: MIT */
/* helper_call.h: calls of a scheduler's helper, as the agent makes them. */
#ifndef REPX_TEST_HELPER_CALL_H
#define REPX_TEST_HELPER_CALL_H

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/helper_run.h>

struct helper {
    const char *program;
    char *dir;     /* scratch directory */
    char *workdir; /* the scheduler's, in it */
    const char *const *env;
    int status;     /* of the last call */
    json_t *answer; /* its lines */
};

__attribute__((unused)) static void helper_open(struct helper *h, const char *program)
{
    char dir[] = "/tmp/repx-test.XXXXXX";

    *h = (struct helper){.program = program};
    h->dir = repx_strdup(mkdtemp(dir));
    h->workdir = repx_format("%s/queue", h->dir);
}

__attribute__((unused)) static void helper_close(struct helper *h)
{
    (void)repx_remove_tree(AT_FDCWD, h->dir, NULL);
    free(h->dir);
    free(h->workdir);
    json_decref(h->answer);
}

static json_t *helper_lines(const char *text)
{
    json_t *lines = json_array();

    while (*text) {
        size_t n = strcspn(text, "\n");
        (void)json_array_append_new(lines, json_loadb(text, n, 0, NULL));
        text += n + (text[n] == '\n');
    }
    return lines;
}

/* Returns the number of lines; the request is freed. */
__attribute__((unused)) static size_t helper_call(struct helper *h, const char *verb,
                                                  char *request)
{
    const char *const argv[] = {h->program, verb, h->workdir, NULL};
    struct repx_run_output output = {0};
    struct repx_run run = {.size = sizeof(run),
                           .argv = argv,
                           .env = h->env,
                           .input = request,
                           .input_len = strlen(request),
                           .deadline_ms = repx_now_ms() + 60000};
    struct repx_err err = {0};

    json_decref(h->answer);
    h->status = repx_run_command(&run, &output, &err) < 0 ? -1 : run.status;
    h->answer = helper_lines(repx_buf_text(&output.out));
    repx_run_output_free(&output);
    free(request);
    return json_array_size(h->answer);
}

/* Text of a line of the last answer, or "". */
__attribute__((unused)) static const char *helper_text(const struct helper *h,
                                                       size_t line, const char *key)
{
    const char *s =
        json_string_value(json_object_get(json_array_get(h->answer, line), key));

    return s ? s : "";
}

/* Wait until no row is pending or running any more; the last status is in h->answer. */
__attribute__((unused)) static int helper_wait(struct helper *h, int64_t ms)
{
    int64_t until = repx_now_ms() + ms;

    while (repx_now_ms() < until) {
        size_t n = helper_call(h, "status", repx_strdup("{\"v\":1}")), open = 0;
        for (size_t i = 0; i < n; i++) {
            const char *state = helper_text(h, i, "state");
            open += strcmp(state, "pending") == 0 || strcmp(state, "running") == 0;
        }
        if (h->status == 0 && open == 0)
            return 1;
        (void)poll(NULL, 0, 10);
    }
    return 0;
}

/* State of a key's row with that index in the last answer; "" when there is none. */
__attribute__((unused)) static const char *helper_state(const struct helper *h,
                                                        const char *key, int64_t index)
{
    for (size_t i = 0; i < json_array_size(h->answer); i++) {
        const json_t *row = json_array_get(h->answer, i);
        if (strcmp(helper_text(h, i, "key"), key) == 0 &&
            json_integer_value(json_object_get(row, "index")) == index)
            return helper_text(h, i, "state");
    }
    return "";
}

#endif
