/* SPDX-License-Identifier: MIT */
/* run_find.c: the runs of a base path, and the one that a person means. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/state_check.h"

#define STAMP 16     /* characters of the time in an id */
#define LISTED_MAX 8 /* ids in a message */

struct entry {
    char *id;
    int64_t t; /* of the record; read only where stamps are equal */
};

static int64_t record_time(struct site *site, const char *id)
{
    REPX_AUTO_FREE char *path = repx_format("runs/%s/run.json", id);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(site->state_fd, path, STATE_LINE_MAX, &b, NULL) < 0)
        return 0;
    json_t *record = run_record_parse(repx_buf_text(&b), b.len, NULL);
    int64_t t = state_int(record, "t", 0);
    json_decref(record);
    return t;
}

static int newest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int stamps = strncmp(y->id, x->id, STAMP);

    if (stamps || x->t == y->t)
        return stamps ? stamps : strcmp(y->id, x->id);
    return x->t < y->t ? 1 : -1;
}

static void note(struct entry **list, size_t *count, const char *name)
{
    if (!run_id_ok(name))
        return;
    if ((*count & (*count - 1)) == 0)
        *list = repx_grow(*list, *count ? *count * 2 : 1, sizeof(**list));
    (*list)[(*count)++] = (struct entry){repx_strdup(name), 0};
}

static void sort(struct site *site, struct entry *list, size_t count)
{
    if (count > 1)
        qsort(list, count, sizeof(*list), newest_first);
    for (size_t i = 1; i < count; i++) {
        if (strncmp(list[i].id, list[i - 1].id, STAMP) != 0)
            continue;
        list[i - 1].t =
            list[i - 1].t ? list[i - 1].t : record_time(site, list[i - 1].id);
        list[i].t = record_time(site, list[i].id);
    }
    if (count > 1)
        qsort(list, count, sizeof(*list), newest_first);
}

void run_ids_free(char **ids, size_t count)
{
    for (size_t i = 0; ids && i < count; i++)
        free(ids[i]);
    free(ids);
}

char **run_ids(struct site *site, size_t *count, struct repx_err *err)
{
    int fd = openat(site->state_fd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct entry *list = NULL;
    int broken = 0;

    *count = 0;
    if (!d && errno != ENOENT) {
        (void)repx_fail_errno(err, "%s/runs", site->state);
        repx_close_fd(&fd);
        return NULL;
    }
    for (const struct dirent *e; d && (e = repx_readdir(d));)
        note(&list, count, e->d_name);
    if (d) {
        broken = errno && repx_fail_errno(err, "%s/runs", site->state) < 0;
        (void)closedir(d);
    }
    sort(site, list, *count);
    char **ids = repx_array(*count + 1, sizeof(*ids));
    for (size_t i = 0; i < *count; i++)
        ids[i] = list[i].id;
    free(list);
    if (!broken)
        return ids;
    run_ids_free(ids, *count);
    return NULL;
}

static int means(const char *id, const char *text)
{
    size_t n = strlen(text);

    return strncmp(id, text, n) == 0 || strncmp(id + STAMP + 1, text, n) == 0;
}

static char *pick(const struct site *site, char **ids, size_t count, const char *text,
                  struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};
    size_t found = 0, at = 0;

    if (count && strcmp(text, "last") == 0)
        return repx_strdup(ids[0]);
    for (size_t i = 0; *text && i < count; i++) {
        if (!means(ids[i], text))
            continue;
        at = i;
        if (++found <= LISTED_MAX)
            repx_buf_fmt(&names, "\n  - %s", ids[i]);
    }
    if (found == 1)
        return repx_strdup(ids[at]);
    if (found) {
        (void)repx_fail(err, REPX_E_USAGE, "`%.60s` begins the names of %zu runs:%s",
                        text, found, repx_buf_text(&names));
    } else {
        (void)repx_fail(err, REPX_E_NOENT,
                        "no run `%.60s` in %s; `repx status` lists them", text,
                        site->base);
    }
    return NULL;
}

char *run_find(struct site *site, const char *text, struct repx_err *err)
{
    size_t count;
    char **ids = run_ids(site, &count, err);

    if (!ids)
        return NULL;
    char *id = pick(site, ids, count, text, err);
    run_ids_free(ids, count);
    return id;
}
