/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "helper_model.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

int names_read(int dir, const char *sub, char ***names, size_t *count,
               struct repx_err *err)
{
    int fd = openat(dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    *names = NULL;
    *count = 0;
    if (!d) {
        if (fd >= 0)
            (void)close(fd);
        return errno == ENOENT ? 0 : repx_fail_errno(err, "queue: %s", sub);
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.' || strstr(e->d_name, ".tmp"))
            continue;
        *names = repx_grow(*names, *count + 1, sizeof(char *));
        (*names)[(*count)++] = repx_strdup(e->d_name);
    }
    (void)closedir(d);
    if (*count)
        qsort(*names, *count, sizeof(char *), by_name);
    return 0;
}

/* Add all batches of a subdirectory. A file that went away in between was taken or
 * forgotten by the queue; one that is not a whole batch is another request. */
static int read_batches(struct q_model *m, int dir, const char *sub,
                        struct repx_err *err)
{
    char **names;
    size_t count;

    if (names_read(dir, sub, &names, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        REPX_AUTO_FREE char *path = repx_format("%s/%s", sub, names[i]);
        struct repx_buf text REPX_AUTO_BUF = {0};
        if (repx_read_file(dir, path, QUEUE_FILE_MAX, &text, NULL) == 0)
            (void)model_add_batch(m, names[i], text.data, text.len, NULL);
    }
    names_free(names, count);
    return 0;
}

int model_read(struct q_model *m, int dir, struct repx_err *err)
{
    struct repx_buf journal REPX_AUTO_BUF = {0};
    struct repx_err why = {0};

    /* The journal comes first: units that are forgotten meanwhile then have lines that
     * are skipped; the other way round they would look as if they had never started.
     * The spool comes before the batches, since files move that way. */
    if (repx_read_file(dir, "journal", QUEUE_FILE_MAX, &journal, &why) < 0 &&
        why.code != REPX_E_NOENT) {
        *err = why;
        return -1;
    }
    if (read_batches(m, dir, "spool", err) < 0 ||
        read_batches(m, dir, "batch", err) < 0)
        return -1;
    if (journal.len)
        model_apply_journal(m, journal.data, journal.len);
    return 0;
}

uint64_t process_start(pid_t pid)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    char path[40];
    unsigned long long start = 0;

    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, repx_buf_room(&text, 1024), 1023);
    (void)close(fd);
    if (n <= 0)
        return 0;
    text.data[n] = 0;
    const char *p = strrchr(text.data, ')'); /* the name may hold anything */
    if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
        return 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        start = strtoull(p + 1, NULL, 10);
    return start;
}

char *boot_id(void)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, repx_buf_room(&text, 64), 63);

    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return repx_strdup("");
    text.len = (size_t)n;
    text.data[n] = 0;
    text.data[strcspn(text.data, "\n")] = 0;
    return repx_strdup(text.data);
}

char *host_name(void)
{
    char name[256] = "";

    (void)gethostname(name, sizeof(name) - 1);
    return repx_strdup(name);
}
