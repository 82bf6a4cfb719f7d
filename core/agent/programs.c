/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* realpath */
#include "core/agent/programs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/trust.h"
#include "core/wire/digest.h"

#define AGENT "/repx-agent"
#define PROGRAM_LARGEST (256u << 20)

/* ROOT/bin/SHA256/repx-agent, with at least one byte of ROOT, is cut to ROOT. */
static int cut_to_root(char *self)
{
    size_t n = strlen(self), tail = sizeof("/bin/") - 1 + DIGEST_HEX - 1;
    struct digest d;

    if (n <= tail + sizeof(AGENT) - 1 ||
        strcmp(self + n - (sizeof(AGENT) - 1), AGENT) != 0)
        return 0;
    self[n - (sizeof(AGENT) - 1)] = 0;
    char *bin = self + strlen(self) - tail;
    if (strncmp(bin, "/bin/", 5) != 0 || !digest_parse(bin + 5, &d))
        return 0;
    *bin = 0;
    return 1;
}

char *programs_root(const struct site *site)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0)
        return repx_strdup(site->base);
    self[n] = 0;
    return repx_strdup(cut_to_root(self) ? self : site->base);
}

static int is_digest(const struct repx_buf *bytes, const char *program)
{
    const char *name = strncmp(program, "bin/", 4) == 0 ? program + 4 : "";
    REPX_AUTO_FREE char *hex = repx_strndup(name, strcspn(name, "/"));
    struct digest want, have;

    digest_of(bytes->data, bytes->len, &have);
    return digest_parse(hex, &want) && memcmp(&want, &have, sizeof(want)) == 0;
}

/* What is copied is what was checked, whoever changes the base path meanwhile. */
static int copy_program(const struct site *site, const char *program, const char *to,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf bytes = {0};
    REPX_AUTO_FREE char *dir = repx_strndup(to, (size_t)(strrchr(to, '/') - to));

    if (repx_read_file(site->base_fd, program, PROGRAM_LARGEST, &bytes, err) < 0)
        return repx_wrap(err, "%s", site->base);
    if (!is_digest(&bytes, program)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s/%s is not the file that its name says: remove it and run "
                         "again",
                         site->base, program);
    }
    if (repx_make_dirs(dir, 0755, err) < 0)
        return -1;
    return repx_write_file(AT_FDCWD, to, bytes.data, bytes.len, 0755, err);
}

char *programs_find(const struct site *site, const char *program, struct repx_err *err)
{
    REPX_AUTO_FREE char *root = programs_root(site);
    REPX_AUTO_FREE char *base = realpath(site->base, NULL);
    char *path = repx_format("%s/%s", root, program);
    int elsewhere = strcmp(root, site->base) != 0 && (!base || strcmp(root, base) != 0);

    if (elsewhere && access(path, F_OK) < 0 &&
        copy_program(site, program, path, err) < 0) {
        free(path);
        return NULL;
    }
    int ours = path_is_ours(path, err);
    if (ours == 1)
        return path;
    if (ours == 0)
        err->code = REPX_E_FAILED;
    free(path);
    return NULL;
}
