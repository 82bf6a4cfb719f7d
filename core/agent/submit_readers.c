/* SPDX-License-Identifier: MIT */
/* submit_readers.c: who reads a result that other work with the same job id is to replace. A job
 * that finds nobody there for its producer reads J/out (job_producer.c); whoever comes later waits
 * until it has ended. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

struct found {
    struct live_text *items;
    size_t count, cap;
};

static void find_in(struct submission *s, const char *dir, struct found *f)
{
    int fd = openat(s->site->state_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, e->d_name);
        if (f->count == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 16;
            f->items = repx_grow(f->items, f->cap, sizeof(*f->items));
        }
        struct live_text *t = f->items + f->count;
        if (state_name_ok(e->d_name) && live_link_read(s->site, path, t, NULL) == 1 &&
            strcmp(t->run, s->run->id) != 0)
            f->count++;
    }
    (void)closedir(d);
}

/* By run, so that each is opened once. */
static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct live_text *)a)->text,
                  ((const struct live_text *)b)->text);
}

static void note(struct submission *s, const struct live_text *t)
{
    json_t *line = submission_other_plan(s, t->run, t->index);
    const char *name;
    json_t *input;

    json_object_foreach(json_object_get(line, "inputs"), name, input)
    {
        const char *job = state_text(input, "job", NULL);
        json_t *of = job ? json_object_get(s->readers, job) : NULL;
        if (job && !of) {
            of = json_array();
            json_object_set_new(s->readers, job, of);
        }
        size_t n = json_array_size(of);
        const char *last = n ? json_string_value(json_array_get(of, n - 1)) : "";
        if (job && strcmp(last, t->text) != 0)
            (void)json_array_append_new(of, json_string(t->text));
    }
    json_decref(line);
}

/* Of S/behind nobody has begun; and whoever begins after we are there sees us. */
static void look(struct submission *s)
{
    struct found f = {0};

    s->readers = json_object();
    find_in(s, "next", &f);
    find_in(s, "live", &f);
    if (f.count)
        qsort(f.items, f.count, sizeof(*f.items), by_text);
    for (size_t i = 0; i < f.count; i++)
        note(s, f.items + i);
    free(f.items);
}

const json_t *submission_readers(struct submission *s, const char *job)
{
    if (!s->readers)
        look(s);
    return json_object_get(s->readers, job);
}

void submission_readers_forget(struct submission *s)
{
    json_decref(s->readers);
    s->readers = NULL;
}
