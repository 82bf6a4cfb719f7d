/* SPDX-License-Identifier: MIT */
#include "tools.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "jobid.h"

/* Does the program ask for an interpreter, that is, is it dynamically linked? Of files
 * that are no 64-bit ELF nothing is known, and they pass. */
static int is_dynamic(int fd)
{
    Elf64_Ehdr h;
    Elf64_Phdr p;

    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64)
        return 0;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        off_t at = (off_t)(h.e_phoff + (Elf64_Off)i * sizeof(p));
        if (pread(fd, &p, sizeof(p), at) != (ssize_t)sizeof(p))
            return 0;
        if (p.p_type == PT_INTERP)
            return 1;
    }
    return 0;
}

static int open_tool(const struct def_tool *tool, const char *dir, struct repx_err *err)
{
    struct stat st;
    REPX_AUTO_FREE char *path = *tool->path == '/'
                                    ? repx_strdup(tool->path)
                                    : repx_format("%s/%s", dir, tool->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = 0;

    if (fd < 0 || fstat(fd, &st) < 0) {
        rc = repx_fail_errno(err, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = repx_fail(err, REPX_E_USAGE, "%s is not a file", path);
    } else if (is_dynamic(fd)) {
        rc = repx_fail(err, REPX_E_USAGE,
                       "%s is dynamically linked and may not run on the target; name a "
                       "static program",
                       path);
    }
    if (rc < 0)
        repx_close_fd(&fd);
    return rc < 0 ? -1 : fd;
}

static int by_name(const void *a, const void *b)
{
    const struct def_tool *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Into store/, under a name that its content gives; *stored is that path. */
static int store(struct tree *t, int fd, const char **stored, struct repx_err *err)
{
    char id[BASE32_ID + 1];
    struct digest d;

    if (digest_fd(fd, &d, NULL, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return repx_fail_errno(err, "seeking");
    base32_id(&d, id);
    *stored = pool_format(&t->pool, "store/%s-tool", id);
    return tree_find(t, *stored) ? 0 : tree_copy(t, fd, *stored, 0755, &d, err);
}

static int add_all(struct tree *t, const struct def_tool *tools, size_t count,
                   const char *dir, struct repx_err *err)
{
    struct repx_buf text = {0};
    struct digest d;
    char hex[DIGEST_HEX];
    const char **stored = pool_array(&t->pool, count, sizeof(char *));
    int rc = 0;

    repx_buf_str(&text, "repx-host-tools-1\n");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        REPX_AUTO_CLOSE int fd = open_tool(&tools[i], dir, err);
        rc = fd < 0 ? -1 : store(t, fd, &stored[i], err);
        if (rc == 0)
            repx_buf_fmt(&text, "%s %s\n", tools[i].name, stored[i]);
    }
    digest_of(repx_buf_text(&text), text.len, &d);
    repx_buf_free(&text);
    digest_hex(&d, hex);
    if (rc == 0)
        rc = tree_dir(t, pool_format(&t->pool, "host-tools/%s/bin", hex), err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = tree_symlink(
            t, pool_format(&t->pool, "../../../%s", stored[i]),
            pool_format(&t->pool, "host-tools/%s/bin/%s", hex, tools[i].name), err);
    }
    return rc;
}

int tools_add(struct tree *t, const struct def *d, const char *dir,
              struct repx_err *err)
{
    struct def_tool *tools = pool_array(&t->pool, d->tool_count, sizeof(*tools));

    if (d->tool_count) {
        memcpy(tools, d->tools, d->tool_count * sizeof(*tools));
        qsort(tools, d->tool_count, sizeof(*tools), by_name);
    }
    return add_all(t, tools, d->tool_count, dir, err) < 0 ? repx_wrap(err, "host-tools")
                                                          : 0;
}
