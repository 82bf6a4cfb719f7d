/* SPDX-License-Identifier: MIT */
/* The other texts that transport-ssh reads: key files, and the lines of ssh -G. */
#include <stdint.h>
#include <stdlib.h>

#include <kit/alloc.h>

#include "plugins/transport-ssh/identity.h"
#include "plugins/transport-ssh/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_FREE char *text = repx_strndup((const char *)data, size);
    struct identity id = {0};
    struct settings s = {.given = repx_strdup("h"),
                         .hostname = repx_strdup("h"),
                         .user = repx_strdup("u")};

    identity_parse(text, &id);
    identity_free(&id);
    settings_parse((const char *)data, size, &s);
    for (size_t i = 0; i < s.identities.count; i++) {
        free(settings_expand(&s, s.identities.items[i]));
    }
    settings_free(&s);
    return 0;
}
