/* SPDX-License-Identifier: MIT */
/* A request to a scheduler's helper: the first byte chooses the verb. */
#include <stddef.h>
#include <stdint.h>

#include <kit/helper_request.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const verbs[] = {"limits", "submit", "status",
                                        "find",   "cancel", "amend"};
    struct repx_helper_request r;

    if (size && repx_helper_parse(&r, verbs[data[0] % 6], (const char *)data + 1,
                                  size - 1, NULL) == 0)
        repx_helper_request_free(&r);
    return 0;
}
