/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* realpath */
#include "core/agent/programs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int is_private(const struct site *site, const char *root)
{
    REPX_AUTO_FREE char *base = realpath(site->base, NULL);

    return strcmp(root, site->base) != 0 && (!base || strcmp(root, base) != 0);
}

char *programs_home(const struct site *site)
{
    char *root = programs_root(site);
    const char *home = getenv("HOME");

    if (is_private(site, root))
        return root;
    free(root);
    return home && *home == '/' ? repx_format("%s/.local/share/repx", home) : NULL;
}

int programs_is_self(const char *bin)
{
    REPX_AUTO_FREE char *tail = repx_format("/bin/%s" AGENT, bin);
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[n > 0 ? n : 0] = 0;
    size_t length = strlen(self), want = strlen(tail);
    return length > want && strcmp(self + length - want, tail) == 0;
}

int programs_note(const struct site *site, struct repx_err *err)
{
    REPX_AUTO_FREE char *root = programs_root(site);
    REPX_AUTO_FREE char *bases = repx_format("%s/bases", root);
    REPX_AUTO_FREE char *text = repx_format("%s\n", site->base);
    struct digest digest;
    char hex[DIGEST_HEX];

    if (!is_private(site, root))
        return 0;
    digest_of(site->base, strlen(site->base), &digest);
    digest_hex(&digest, hex);
    REPX_AUTO_FREE char *path = repx_format("%s/%s", bases, hex);
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    if (repx_make_dirs(bases, 0755, err) < 0)
        return -1;
    return repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, err);
}

int programs_still(const struct site *site, const char *agent, struct repx_err *err)
{
    REPX_AUTO_FREE char *root = programs_root(site);
    REPX_AUTO_FREE char *path = repx_format("%s/%s", root, agent);

    if (access(path, F_OK) == 0)
        return 0;
    return repx_fail(err, REPX_E_BUSY,
                     "%s: garbage was collected there while the Lab was looked at; run "
                     "again",
                     path);
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
    char *path = repx_format("%s/%s", root, program);

    if (is_private(site, root) && access(path, F_OK) < 0 &&
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
