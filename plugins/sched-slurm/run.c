/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

static int run_command(const struct slurm *s, struct repx_run *run,
                       struct repx_err *err)
{
    run->size = sizeof(*run);
    run->out = run->errors = "";
    /* sbatch when the controller takes no more jobs: for two minutes, and in vain */
    run->stop_at = "sleeping and retrying";
    if (s->host->run(s->host->ctx, run, err) == 0)
        return 0;
    if (err && err->code == REPX_E_NOENT) {
        return repx_fail(err, REPX_E_FAILED,
                         "%s is not in the PATH here: is this machine part of a Slurm "
                         "cluster?",
                         run->argv[0]);
    }
    return -1;
}

int slurm_run(const struct slurm *s, const char *const *argv, const char *input,
              int64_t deadline_ms, struct repx_run *run, struct repx_err *err)
{
    *run = (struct repx_run){
        .argv = argv,
        .input = input,
        .input_len = input ? strlen(input) : 0,
        .deadline_ms = deadline_ms,
    };
    return run_command(s, run, err);
}

int slurm_read(const struct slurm *s, const char *const *argv, const char *const *env,
               int64_t deadline_ms, struct slurm_rows *rows, struct repx_err *err)
{
    struct repx_lines lines = {.line = slurm_take_row, .ctx = rows};
    struct repx_run run = {.argv = argv,
                           .env = env,
                           .deadline_ms = deadline_ms,
                           .output = repx_lines_take,
                           .output_ctx = &lines};

    rows->count = rows->read = 0;
    int rc = run_command(s, &run, err);
    int cut = repx_lines_end(&lines) < 0;
    if (rc < 0)
        return -1;
    if (run.status != 0) {
        rows->no_accounting = slurm_no_accounting(run.errors);
        return slurm_fail(&run, argv[0], err);
    }
    if (cut || (rows->count && !rows->read)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: its answer %s", argv[0],
                         cut ? "breaks off" : "is none of Slurm's");
    }
    return 0;
}

/* Where a line's message begins, after "sbatch: error: ". */
static const char *message_of(const char *line, size_t n)
{
    static const char mark[] = "error: ";

    for (const char *p = line; p + sizeof(mark) - 1 <= line + n; p++) {
        if (strncmp(p, mark, sizeof(mark) - 1) == 0)
            return p + sizeof(mark) - 1;
    }
    return line;
}

char *slurm_message(const char *errors)
{
    struct repx_buf b = {0};

    while (*errors && b.len < 1000) {
        size_t n = strcspn(errors, "\n");
        const char *from = message_of(errors, n);
        size_t length = (size_t)(errors + n - from);
        if (length) {
            repx_buf_fmt(&b, "%s%.*s", b.len ? "; " : "",
                         (int)(length < 400 ? length : 400), from);
        }
        errors += n + (errors[n] == '\n');
    }
    return repx_buf_detach(&b);
}

int slurm_fail(const struct repx_run *run, const char *command, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = slurm_message(run->errors);

    return repx_fail(err,
                     slurm_unreachable(run->errors) ? REPX_E_TIMEOUT : REPX_E_FAILED,
                     "%s: %s", command, *text ? text : "no reason given");
}
