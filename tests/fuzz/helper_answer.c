/* SPDX-License-Identifier: MIT */
/* What a scheduler's helper answers to the agent. */
#include <stddef.h>
#include <stdint.h>

#include "core/agent/scheduler_call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(void *ctx, const json_t *answer)
{
    const char *result = json_string_value(json_object_get(answer, "result"));
    const char *state = json_string_value(json_object_get(answer, "state"));

    (void)ctx;
    (void)scheduler_result(result ? result : "");
    (void)scheduler_state(state ? state : "");
}

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)scheduler_answer("fuzz", (const char *)data, size, line, NULL, NULL);
    return 0;
}
