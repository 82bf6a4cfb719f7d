/* SPDX-License-Identifier: MIT */
#include "index_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "store_fs.h"

#define FILE_LARGEST (1u << 30)
#define FILES_MANY 8
#define FIRST_LINE "repx-index 1 "
#define NSEC_MOST 999999999
#define UNSAVED_MOST ((size_t)1 << 20)

/* Without printf: there is a line for each file that arrives. */
static void put_number(struct repx_buf *to, uint64_t n)
{
    char digits[21], *at = digits + sizeof(digits);

    *--at = ' ';
    do {
        *--at = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    repx_buf_add(to, at, (size_t)(digits + sizeof(digits) - at));
}

void index_line(struct repx_buf *to, const struct index_entry *e)
{
    char hex[DIGEST_HEX];

    digest_hex(&e->digest, hex);
    hex[DIGEST_HEX - 1] = ' ';
    repx_buf_add(to, "F ", 2);
    repx_buf_add(to, hex, sizeof(hex));
    repx_buf_add(to, e->executable ? "x " : "- ", 2);
    put_number(to, e->size);
    repx_buf_add(to, "-", e->sec < 0);
    put_number(to, e->sec < 0 ? 0 - (uint64_t)e->sec : (uint64_t)e->sec);
    put_number(to, e->nsec);
    put_number(to, e->ino);
    repx_buf_str(to, e->path);
    repx_buf_char(to, '\n');
}

void index_tree_line(struct repx_buf *to, const struct index_tree *t)
{
    char hex[DIGEST_HEX];

    digest_hex(&t->digest, hex);
    repx_buf_fmt(to, "T %s %s\n", hex, t->name);
}

int index_number(const char **at, int64_t *n)
{
    const char *p = *at;
    int minus = *p == '-';
    uint64_t value = 0;

    p += minus;
    if (*p < '0' || *p > '9')
        return 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (value > (UINT64_MAX - 9) / 10)
            return 0;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (*p++ != ' ')
        return 0;
    *at = p;
    *n = minus ? (int64_t)(0 - value) : (int64_t)value;
    return 1;
}

static int take_digest(const char **at, struct digest *d)
{
    char hex[DIGEST_HEX] = "";

    if (strnlen(*at, DIGEST_HEX) < DIGEST_HEX || (*at)[DIGEST_HEX - 1] != ' ')
        return 0;
    memcpy(hex, *at, DIGEST_HEX - 1);
    *at += DIGEST_HEX;
    return digest_parse(hex, d);
}

static int read_entry(const char *p, struct index_entry *e, char *path_room)
{
    int64_t size, ino, nsec;

    if (!take_digest(&p, &e->digest) || (*p != 'x' && *p != '-') || p[1] != ' ')
        return 0;
    e->executable = *p == 'x';
    p += 2;
    if (!index_number(&p, &size) || !index_number(&p, &e->sec) ||
        !index_number(&p, &nsec) || !index_number(&p, &ino) || size < 0 || nsec < 0 ||
        nsec > NSEC_MOST)
        return 0;
    e->nsec = (uint32_t)nsec;
    e->size = (uint64_t)size;
    e->ino = (uint64_t)ino;
    if (!repx_path_is_inside(p))
        return 0;
    e->path = path_room;
    memmove(path_room, p, strlen(p) + 1);
    return 1;
}

static void read_line(struct object_index *ix, char *line, int trusted)
{
    struct index_entry e = {0};
    struct digest d;
    const char *p = line + 2;

    if (line[0] == 'F' && line[1] == ' ' && trusted) {
        if (read_entry(p, &e, line))
            (void)index_remember(ix, &e);
    } else if (line[0] == 'T' && line[1] == ' ' && take_digest(&p, &d) &&
               repx_path_is_inside(p)) {
        index_remember_tree(ix, p, &d);
    }
}

/* Offset behind the last S line: up to there lines of any boot can be trusted. */
static size_t safe_until(const char *text, size_t n)
{
    size_t safe = 0;

    for (const char *p = text, *end = text + n; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            break;
        if (nl - p == 1 && *p == 'S')
            safe = (size_t)(nl + 1 - text);
        p = nl + 1;
    }
    return safe;
}

void index_read(struct object_index *ix, const char *text, size_t n)
{
    REPX_AUTO_FREE char *mine = repx_format("%s%s %s", FIRST_LINE, ix->host, ix->boot);
    REPX_AUTO_BUF struct repx_buf line = {0};
    const char *nl = n ? memchr(text, '\n', n) : NULL;

    if (!nl || strncmp(text, FIRST_LINE, sizeof(FIRST_LINE) - 1) != 0)
        return;
    int same_boot = *ix->boot && (size_t)(nl - text) == strlen(mine) &&
                    memcmp(text, mine, strlen(mine)) == 0;
    size_t safe = same_boot ? n : safe_until(text, n);
    for (const char *p = nl + 1, *end = text + n; p < end; p = nl + 1) {
        nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl)
            return;
        line.len = 0;
        repx_buf_add(&line, p, (size_t)(nl - p));
        if (line.len > 2 && !memchr(line.data, 0, line.len))
            read_line(ix, line.data, (size_t)(p - text) < safe);
    }
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* Writers' names begin with the time, so that later files win when read in order. */
static void list_files(struct object_index *ix)
{
    int fd = store_openat(ix->state_fd, "index", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.' || strstr(e->d_name, ".tmp"))
            continue;
        ix->old = repx_grow(ix->old, ix->old_count + 1, sizeof(*ix->old));
        ix->old[ix->old_count++] = repx_strdup(e->d_name);
    }
    (void)closedir(d);
    if (ix->old_count)
        qsort(ix->old, ix->old_count, sizeof(*ix->old), by_text);
}

struct object_index *index_open(int state_fd, const char *host, const char *boot,
                                const char *writer)
{
    struct object_index *ix = REPX_NEW(struct object_index);

    ix->state_fd = state_fd;
    ix->host = repx_strdup(host);
    ix->boot = repx_strdup(boot);
    ix->writer = repx_strdup(writer);
    index_slots(ix, 1024);
    list_files(ix);
    for (size_t i = 0; i < ix->old_count; i++) {
        REPX_AUTO_BUF struct repx_buf text = {0};
        REPX_AUTO_FREE char *path = repx_format("index/%s", ix->old[i]);
        struct repx_err ignored = {0};
        if (repx_read_file(state_fd, path, FILE_LARGEST, &text, &ignored) == 0)
            index_read(ix, repx_buf_text(&text), text.len);
    }
    return ix;
}

static int open_own(const struct object_index *ix, const char *path)
{
    int fd = store_openat(ix->state_fd, path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd < 0 && errno == ENOENT) {
        (void)store_mkdirat(ix->state_fd, "index");
        fd = store_openat(ix->state_fd, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    return fd;
}

static int write_unsaved(struct object_index *ix, int fd)
{
    REPX_AUTO_FREE char *first =
        repx_format("%s%s %s\n", FIRST_LINE, ix->host, ix->boot);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if ((ix->started || repx_write_all(fd, first, strlen(first)) == 0) &&
        repx_write_all(fd, ix->unsaved.data, ix->unsaved.len) == 0) {
        ix->started = ix->unsynced = 1;
        ix->unsaved.len = 0;
        return 0;
    }
    int saved = errno;
    if (ftruncate(fd, st.st_size) < 0) /* half a line must not meet the next */
        ix->broken = 1;
    errno = saved;
    return -1;
}

/* Append what is unsaved; with `sync` all of the file is on disk then. */
static int append(struct object_index *ix, int sync, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("index/%s", ix->writer);

    if (ix->broken) /* the index may forget */
        return 0;
    int fd = open_own(ix, path);
    int bad = write_unsaved(ix, fd) < 0 || (sync && fsync(fd) < 0);
    int saved = errno;
    bad |= fd >= 0 && close(fd) < 0 && !bad;
    errno = saved;
    if (bad)
        return store_fail(err, "the state directory", path);
    ix->unsynced &= !sync;
    return 0;
}

void index_spill(struct object_index *ix)
{
    struct repx_err ignored = {0};

    if (ix->unsaved.len >= UNSAVED_MOST)
        (void)append(ix, 0, &ignored); /* what cannot be written now saving will tell */
}

void index_prune(struct object_index *ix, int base_fd)
{
    struct stat st;

    for (size_t i = 0; ix->old_count >= FILES_MANY && i < ix->count; i++) {
        struct index_entry *e = index_at(ix, i);
        if (!e->dropped && store_lstat(base_fd, e->path, &st) < 0 && errno == ENOENT)
            index_drop(e);
    }
}

static int by_name_and_time(const void *a, const void *b)
{
    const struct index_tree *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);

    return order ? order : (*x > *y) - (*x < *y);
}

/* Of each name the last word. */
static void merge_trees(struct object_index *ix)
{
    REPX_AUTO_FREE const struct index_tree **sorted =
        repx_array(ix->tree_count + 1, sizeof(struct index_tree *));

    for (size_t i = 0; i < ix->tree_count; i++)
        sorted[i] = &ix->trees[i];
    if (ix->tree_count)
        qsort(sorted, ix->tree_count, sizeof(struct index_tree *), by_name_and_time);
    for (size_t i = 0; i < ix->tree_count; i++) {
        if (i + 1 == ix->tree_count ||
            strcmp(sorted[i]->name, sorted[i + 1]->name) != 0)
            index_tree_line(&ix->unsaved, sorted[i]);
        index_spill(ix);
    }
}

/* One file in place of many. What another writer adds to an old file in this moment is
 * forgotten: the index may forget. Nothing of another boot that was not safe gets in. */
static void merge(struct object_index *ix)
{
    ix->unsaved.len = 0;
    for (size_t i = 0; i < ix->count; i++) {
        if (!index_at(ix, i)->dropped)
            index_line(&ix->unsaved, index_at(ix, i));
        index_spill(ix);
    }
    merge_trees(ix);
}

static void remove_merged(struct object_index *ix)
{
    for (size_t i = 0; i < ix->old_count; i++) {
        REPX_AUTO_FREE char *path = repx_format("index/%s", ix->old[i]);
        if (strcmp(ix->old[i], ix->writer) != 0)
            (void)store_unlinkat(ix->state_fd, path);
        free(ix->old[i]);
    }
    ix->old_count = 0;
}

int index_save(struct object_index *ix, struct repx_err *err)
{
    int many = ix->old_count >= FILES_MANY;

    if (!ix->unsaved.len && !ix->unsynced)
        return 0;
    if (many)
        merge(ix);
    if (append(ix, 1, err) < 0)
        return -1;
    if (many && !ix->broken)
        remove_merged(ix);
    return 0;
}

void index_mark_safe(int state_fd, const char *writer)
{
    REPX_AUTO_FREE char *path = repx_format("index/%s", writer);
    REPX_AUTO_CLOSE int fd = store_openat(state_fd, path, O_WRONLY | O_APPEND, 0);

    if (fd >= 0 && repx_write_all(fd, "S\n", 2) == 0)
        (void)fsync(fd);
}
