/* SPDX-License-Identifier: MIT */
/* Files of a unit that its job wrote: the input is repx.id, repx.array and repx.end, cut at
 * its first zero bytes. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/records.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *base;

static void remove_it(void)
{
    (void)repx_remove_tree(AT_FDCWD, base, NULL);
    free(base);
}

static void once(void)
{
    char dir[] = "/tmp/repx-fuzz.XXXXXX";

    if (base)
        return;
    base = repx_strdup(mkdtemp(dir));
    REPX_AUTO_FREE char *unit = repx_format("%s/key/k", base);
    (void)repx_make_dirs(unit, 0755, NULL);
    (void)atexit(remove_it);
}

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"repx.id", "repx.array", "repx.end"};
    char id[REPX_ID_SIZE];
    uint32_t state = 0;

    once();
    for (size_t i = 0; i < 3; i++) {
        REPX_AUTO_FREE char *path = repx_format("%s/key/k/%s", base, names[i]);
        const uint8_t *cut = i < 2 && size ? memchr(data, 0, size) : NULL;
        size_t n = cut ? (size_t)(cut - data) : size;
        (void)repx_write_file(AT_FDCWD, path, data, n, 0644, NULL);
        data += n + (cut != NULL);
        size -= n + (cut != NULL);
    }
    if (repx_records_find(base, "k", id, &state) == 0)
        return 0;
    if (!id[0] || strlen(id) >= REPX_ID_SIZE || strchr(id, '\n') ||
        state < REPX_STATE_DONE || state > REPX_STATE_ENDED)
        abort();
    return 0;
}
