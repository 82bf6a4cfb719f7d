/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/store_fs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define ENTRIES_MOST 200000
#define DEEPEST 64
#define BATCH 65536

struct found {
    char *path, *link;
    uint32_t kind, executable;
    uint64_t length;
};

struct listing {
    const struct site *site;
    int outputs;
    struct found *items;
    size_t count, cap;
    int cut; /* there were more than fit */
};

static int by_path(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static struct found *add(struct listing *l, char *path, uint32_t kind)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->items = repx_grow(l->items, l->cap, sizeof(*l->items));
    }
    struct found *f = &l->items[l->count++];
    *f = (struct found){.path = path, .kind = kind};
    return f;
}

static void list_dir(struct listing *l, int fd, const char *prefix, int depth);

/* J/out and J/repx are links to the attempt that counts: to the reader they are it. */
static int is_attempt_link(const char *name, const char *target)
{
    static const char attempts[] = "attempts/";

    if ((strcmp(name, "out") != 0 && strcmp(name, "repx") != 0) ||
        strncmp(target, attempts, sizeof(attempts) - 1) != 0)
        return 0;
    const char *p = target + sizeof(attempts) - 1;
    size_t digits = strspn(p, "0123456789");
    return digits && p[digits] == '/' && strcmp(p + digits + 1, name) == 0;
}

static void list_link(struct listing *l, int dir, const char *name, char *path,
                      int depth)
{
    char *target = store_readlink(dir, name);

    if (target && is_attempt_link(name, target)) {
        int fd = store_walk(dir, target, 0);
        (void)add(l, path, REPX_ENTRY_DIR);
        if (fd >= 0)
            list_dir(l, fd, path, depth + 1);
        free(target);
        return;
    }
    add(l, path, REPX_ENTRY_LINK)->link = target ? target : repx_strdup("");
}

static void list_one(struct listing *l, int dir, const char *name, char *path,
                     int depth)
{
    struct stat st;

    if (store_lstat(dir, name, &st) < 0)
        st.st_mode = 0; /* gone meanwhile */
    if (S_ISLNK(st.st_mode)) {
        list_link(l, dir, name, path, depth);
    } else if (S_ISDIR(st.st_mode)) {
        int fd = store_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);
        (void)add(l, path, REPX_ENTRY_DIR);
        if (fd >= 0)
            list_dir(l, fd, path, depth + 1);
    } else if (S_ISREG(st.st_mode)) {
        struct found *f = add(l, path, REPX_ENTRY_FILE);
        f->executable = (st.st_mode & S_IXUSR) != 0;
        f->length = (uint64_t)st.st_size;
    } else {
        free(path);
    }
}

/* Takes fd over. */
static void list_dir(struct listing *l, int fd, const char *prefix, int depth)
{
    DIR *d = fdopendir(fd);
    REPX_AUTO_FREE char *switched = store_readlink(fd, "repx");

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e && !l->cut; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            (switched && strcmp(e->d_name, "attempts") == 0))
            continue;
        l->cut = l->count >= ENTRIES_MOST || depth > DEEPEST;
        if (!l->cut) {
            list_one(l, dirfd(d), e->d_name,
                     *prefix ? repx_format("%s/%s", prefix, e->d_name)
                             : repx_strdup(e->d_name),
                     depth);
        }
    }
    (void)closedir(d);
}

static int send_list(const struct listing *l, int out)
{
    REPX_AUTO_BUF struct repx_buf all = {0};
    REPX_AUTO_BUF struct repx_buf one = {0};

    for (size_t i = 0; i < l->count; i++) {
        const struct found *f = &l->items[i];
        one.len = 0;
        msg_put_text(&one, F_NAME, f->path);
        msg_put_number(&one, F_KIND, f->kind);
        if (f->kind == REPX_ENTRY_FILE) {
            msg_put_number(&one, F_EXEC, f->executable);
            msg_put_number(&one, F_LENGTH, (int64_t)f->length);
        }
        msg_put_text(&one, F_LINK, f->link);
        msg_put(&all, F_ENTRY, one.data, (uint32_t)one.len);
        if (all.len >= BATCH || i + 1 == l->count) {
            if (repx_write_all(out, all.data, all.len) < 0)
                return -1;
            all.len = 0;
        }
    }
    return 0;
}

int list_below(const struct site *site, const char *path, int out, struct repx_err *err)
{
    REPX_AUTO_CLOSE int outputs = outputs_open(site, err);
    struct listing l = {.site = site, .outputs = outputs};

    if (outputs < 0)
        return -1;
    REPX_AUTO_FREE char *real = outputs_resolve(site, outputs, path, err);
    if (!real)
        return -1;
    int fd = store_walk(outputs, real, 0);
    if (fd < 0 && errno == ENOTDIR) {
        return repx_fail(err, REPX_E_USAGE, "%s/outputs/%s: is no directory",
                         site->base, real);
    }
    if (fd < 0)
        return repx_fail_errno(err, "%s/outputs/%s", site->base, real);
    list_dir(&l, fd, "", 0);
    if (l.count)
        qsort(l.items, l.count, sizeof(*l.items), by_path);
    int rc = send_list(&l, out);
    for (size_t i = 0; i < l.count; i++) {
        free(l.items[i].path);
        free(l.items[i].link);
    }
    free(l.items);
    if (rc == 0 && l.cut) {
        return repx_fail(err, REPX_E_FAILED,
                         "%s/outputs/%s: more than %d files; ask for a directory in it",
                         site->base, real, ENTRIES_MOST);
    }
    return rc;
}
