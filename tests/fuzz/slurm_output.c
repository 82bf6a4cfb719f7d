/* SPDX-License-Identifier: MIT */
/* What Slurm's commands print. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "plugins/sched-slurm/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_FREE char *text = repx_strndup((const char *)data, size);
    char id[SLURM_ID_MAX];
    struct slurm_row row;

    (void)slurm_parse_id(text, id);
    (void)slurm_classify(1, text);
    (void)slurm_config_number(text, "MaxArraySize", -1);
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        REPX_AUTO_FREE char *copy = repx_strdup(line);
        (void)slurm_parse_queue(copy, &row);
        (void)slurm_parse_account(line, &row);
        line = end ? end + 1 : NULL;
    }
    return 0;
}
