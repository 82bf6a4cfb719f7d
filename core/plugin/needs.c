/* SPDX-License-Identifier: MIT */
#include "needs.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/file.h>

#include "core/plugin/trust.h"

#define DYNAMIC_MAX 4096u
#define STRINGS_MAX (1u << 20)
#define PARTS_MAX 64u

/* What is read of a file. All of it is hostile. */
struct needs {
    int fd;
    const char *path;
    ElfW(Phdr) parts[PARTS_MAX];
    size_t part_count;
    ElfW(Dyn) * dynamic;
    size_t dynamic_count; /* without DT_NULL and what follows it */
    char *strings;        /* one zero more than strings_len */
    size_t strings_len;
};

static int read_parts(struct needs *n)
{
    ElfW(Ehdr) h;

    if (pread(n->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || h.e_phnum > PARTS_MAX)
        return -1;
    n->part_count = h.e_phnum;
    size_t bytes = n->part_count * sizeof(n->parts[0]);
    return pread(n->fd, n->parts, bytes, (off_t)h.e_phoff) == (ssize_t)bytes ? 0 : -1;
}

/* All of that part's entries before DT_NULL. */
static int read_entries(struct needs *n, const ElfW(Phdr) * p)
{
    size_t count = p->p_filesz / sizeof(n->dynamic[0]);

    if (count > DYNAMIC_MAX)
        return -1;
    n->dynamic = repx_array(count + 1, sizeof(n->dynamic[0]));
    size_t bytes = count * sizeof(n->dynamic[0]);
    if (pread(n->fd, n->dynamic, bytes, (off_t)p->p_offset) != (ssize_t)bytes)
        return -1;
    while (n->dynamic_count < count && n->dynamic[n->dynamic_count].d_tag != DT_NULL)
        n->dynamic_count++;
    return 0;
}

static int read_dynamic(struct needs *n)
{
    for (size_t i = 0; i < n->part_count; i++) {
        if (n->parts[i].p_type == PT_DYNAMIC)
            return read_entries(n, &n->parts[i]);
    }
    return 0;
}

static uint64_t value_of(const struct needs *n, int64_t tag)
{
    for (size_t i = 0; i < n->dynamic_count; i++) {
        if (n->dynamic[i].d_tag == tag)
            return n->dynamic[i].d_un.d_val;
    }
    return 0;
}

static int read_strings(struct needs *n)
{
    uint64_t at = value_of(n, DT_STRTAB), size = value_of(n, DT_STRSZ);

    if (!at || !size)
        return 0;
    for (size_t i = 0; i < n->part_count; i++) {
        const ElfW(Phdr) *p = &n->parts[i];
        if (p->p_type != PT_LOAD || at < p->p_vaddr || at - p->p_vaddr >= p->p_filesz)
            continue;
        if (size > STRINGS_MAX)
            return -1;
        n->strings = repx_alloc((size_t)size + 1);
        n->strings_len = (size_t)size;
        n->strings[size] = 0;
        off_t from = (off_t)(p->p_offset + (at - p->p_vaddr));
        return pread(n->fd, n->strings, (size_t)size, from) == (ssize_t)size ? 0 : -1;
    }
    return -1;
}

static const char *string_at(const struct needs *n, uint64_t at)
{
    return n->strings && at < n->strings_len ? n->strings + at : "";
}

static int depends_on_start(const char *dir, struct repx_err *err)
{
    return repx_fail(
        err, REPX_E_UNSUPPORTED,
        "looks for its libraries in \"%.200s\", which depends on where repx "
        "is started; link it with -Wl,-rpath,'$ORIGIN'",
        dir);
}

/* A library or directory that is not there cannot be loaded from. */
static int safe(const char *path, struct repx_err *err)
{
    return access(path, F_OK) < 0 || trust_file(path, NULL, err) == 0 ? 0 : -1;
}

/* With the plugin's directory in the place of $ORIGIN; NULL for $LIB and the like, which are of
 * the system. The caller frees. */
static char *expanded(const char *path, const char *dir)
{
    static const char *const marks[] = {"$ORIGIN", "${ORIGIN}"};

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(marks[i]);
        if (strncmp(dir, marks[i], len) == 0) {
            return repx_format("%.*s/./%s", (int)(strrchr(path, '/') - path), path,
                               dir + len);
        }
    }
    return dir[0] == '$' ? NULL : repx_strdup(dir);
}

/* One directory of RPATH or RUNPATH. */
static int check_dir(const struct needs *n, const char *dir, struct repx_err *err)
{
    REPX_AUTO_FREE char *full = expanded(n->path, dir);

    if (!full)
        return 0;
    if (full[0] != '/')
        return depends_on_start(dir, err);
    if (safe(full, err) < 0)
        return -1;
    for (size_t i = 0; i < n->dynamic_count; i++) {
        if (n->dynamic[i].d_tag != DT_NEEDED)
            continue;
        REPX_AUTO_FREE char *library =
            repx_format("%s/%s", full, string_at(n, n->dynamic[i].d_un.d_val));
        if (safe(library, err) < 0)
            return -1;
    }
    return 0;
}

static int check_dirs(const struct needs *n, const char *list, struct repx_err *err)
{
    for (;;) {
        size_t len = strcspn(list, ":");
        REPX_AUTO_FREE char *dir = repx_strndup(list, len);
        if (check_dir(n, dir, err) < 0)
            return -1;
        if (!list[len])
            return 0;
        list += len + 1;
    }
}

static int check_all(const struct needs *n, struct repx_err *err)
{
    for (size_t i = 0; i < n->dynamic_count; i++) {
        int64_t tag = n->dynamic[i].d_tag;
        const char *text = string_at(n, n->dynamic[i].d_un.d_val);
        if ((tag == DT_RPATH || tag == DT_RUNPATH) && check_dirs(n, text, err) < 0)
            return -1;
        if (tag != DT_NEEDED || !strchr(text, '/') || text[0] == '$')
            continue;
        if (text[0] != '/')
            return depends_on_start(text, err);
        if (safe(text, err) < 0)
            return -1;
    }
    return 0;
}

int needs_check(const char *path, struct repx_err *err)
{
    struct needs n = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
                      .path = path};
    int rc = 0;

    if (n.fd < 0) {
        rc = repx_fail_errno(err, "cannot be read");
    } else if (read_parts(&n) < 0 || read_dynamic(&n) < 0 || read_strings(&n) < 0) {
        rc = repx_fail(err, REPX_E_CORRUPT,
                       "its dynamic section is damaged; copy it again");
    } else {
        rc = check_all(&n, err);
    }
    if (n.fd >= 0)
        repx_close_fd(&n.fd);
    free(n.dynamic);
    free(n.strings);
    return rc;
}
