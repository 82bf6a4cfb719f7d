/* SPDX-License-Identifier: MIT */
/* submit_journal.c: what is intended, before it is asked for, and what came of it. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/submit_own.h"

void journal_line(struct submission *s, const char *what, const char *key, json_t *more)
{
    json_t *j = more ? more : json_object();

    (void)json_object_set_new(j, "v", json_integer(1));
    (void)json_object_set_new(j, "t", json_integer(state_now_ms()));
    (void)json_object_set_new(j, "do", json_string(what));
    (void)json_object_set_new(j, "key", json_string(key));
    REPX_AUTO_FREE char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (text) {
        repx_buf_str(&s->lines, text);
        repx_buf_char(&s->lines, '\n');
    }
}

int journal_write(struct submission *s, int durable, struct repx_err *err)
{
    REPX_AUTO_FREE char *name =
        repx_format("journal.%s.%ld", s->site->host, (long)getpid());

    if (s->journal < 0) {
        s->journal =
            openat(s->run->dir, name,
                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    }
    if (s->journal < 0 || repx_write_all(s->journal, s->lines.data, s->lines.len) < 0 ||
        (durable && fdatasync(s->journal) < 0)) {
        return repx_fail_errno(err,
                               "run %s: %s cannot be written, so nothing more is "
                               "submitted",
                               s->run->id, name);
    }
    s->lines.len = 0;
    return 0;
}
