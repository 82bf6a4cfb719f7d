/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "helper_queue.h"
#include "helper_record.h"

/* A journal that a crash cut in the middle of a line goes on with a new line. */
static int mend(int fd)
{
    struct stat st;
    char last = '\n';

    if (fstat(fd, &st) < 0)
        return -1;
    if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
        return -1;
    return last == '\n' ? 0 : repx_write_all(fd, "\n", 1);
}

int journal_open(struct queue *q, struct repx_err *err)
{
    struct repx_buf line REPX_AUTO_BUF = {0};

    q->journal = openat(q->dir, "journal",
                        O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (q->journal < 0 || mend(q->journal) < 0)
        return repx_fail_errno(err, "journal");
    record_line(&line, "sssnn", "queue", q->host, q->boot, (int64_t)getpid(),
                (int64_t)process_start(getpid()));
    journal_add(q, &line);
    return 0;
}

int journal_flush(struct queue *q)
{
    while (q->unsaved.len) {
        ssize_t n = write(q->journal, q->unsaved.data, q->unsaved.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        /* The rest of a line that was cut by a full disk follows when there is room;
         * a start that a child writes in between would tear both, so none is made. */
        repx_buf_drop(&q->unsaved, (size_t)n);
    }
    return 0;
}

void journal_add(struct queue *q, const struct repx_buf *line)
{
    repx_buf_add(&q->unsaved, line->data, line->len);
    if (journal_flush(q) < 0)
        q->retry_at = repx_now_ms() + 2000;
}

/* ---- forgetting ---- */

static int batch_old(const struct q_model *m, const struct q_batch *b, int64_t now)
{
    for (size_t i = b->first; i < b->first + b->count; i++) {
        if (m->units[i].left || now - m->units[i].last_s < QUEUE_REMEMBERS_S)
            return 0;
    }
    return 1;
}

/* The journal without the lines of forgotten units. */
static int rewrite(struct queue *q, const char *forget, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0}, kept REPX_AUTO_BUF = {0};
    size_t at = 0;

    if (repx_read_file(q->dir, "journal", QUEUE_FILE_MAX, &text, err) < 0)
        return -1;
    while (at < text.len) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.len - at);
        size_t n = end ? (size_t)(end - line) + 1 : text.len - at;
        const char *tab = memchr(line, '\t', n);
        size_t skip = tab ? (size_t)(tab - line) + 1 : n;
        REPX_AUTO_FREE char *id = repx_strndup(line + skip, n - skip);
        id[strcspn(id, "\t\n")] = 0;
        size_t unit = model_find(&q->m, id);
        if (end && (unit == SIZE_MAX ? strncmp(line, "queue\t", 6) == 0
                                     : !forget[q->m.units[unit].batch]))
            repx_buf_add(&kept, line, n);
        at += n;
    }
    return repx_write_file(q->dir, "journal", kept.data, kept.len, 0600 | REPX_DURABLE,
                           err);
}

void journal_forget(struct queue *q)
{
    REPX_AUTO_FREE char *forget = repx_array(q->m.batch_count, 1);
    int64_t now = (int64_t)time(NULL);
    size_t count = 0;

    for (size_t i = 0; i < q->m.batch_count; i++) {
        forget[i] = (char)batch_old(&q->m, q->m.batches + i, now);
        count += (size_t)forget[i];
    }
    if (!count)
        return;
    /* Batches first: lines without a unit are skipped, a unit without lines would look
     * as if it had never started. */
    for (size_t i = 0; i < q->m.batch_count; i++) {
        REPX_AUTO_FREE char *path = repx_format("batch/%s", q->m.batches[i].name);
        if (forget[i])
            (void)unlinkat(q->dir, path, 0);
    }
    (void)rewrite(q, forget, NULL);
}
