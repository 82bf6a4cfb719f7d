/* SPDX-License-Identifier: MIT */
/* Any bytes as config.toml, as a file of repx.d beside it, and as resources.toml: they
 * are read, or refused with a reason. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/config/config.h"

static char directory[] = "/tmp/repx-fuzz-XXXXXX";

static void clean_up(void)
{
    if (chdir("/") == 0)
        (void)repx_remove_tree(AT_FDCWD, directory, NULL);
}

static void prepare(void)
{
    static int done;
    REPX_AUTO_FREE char *dirs = NULL;

    if (done)
        return;
    if (!mkdtemp(directory))
        abort();
    dirs = repx_format("%s/repx/repx.d", directory);
    if (repx_make_dirs(dirs, 0700, NULL) < 0 || chdir(directory) < 0 ||
        setenv("XDG_CONFIG_HOME", directory, 1) < 0 || atexit(clean_up) != 0)
        abort();
    done = 1;
}

static void put(const char *name, const uint8_t *data, size_t size)
{
    if (repx_write_file(AT_FDCWD, name, data, size, 0600, NULL) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0}, why = {0};

    prepare();
    put("repx/config.toml", data, size);
    put("repx/repx.d/a.toml", data, size);
    put("repx/resources.toml", data, size);
    struct config *config = config_open(&err);
    struct resources *resources = resources_open(NULL, &why);

    if ((!config && !err.text[0]) || (!resources && !why.text[0]))
        abort();
    config_close(config);
    resources_close(resources);
    return 0;
}
