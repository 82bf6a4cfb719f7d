/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kit/file.h>

int state_fail(struct lab_state *s, size_t job, const char *fmt, ...)
{
    char text[1024];

    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)repx_fail(s->err, REPX_E_CORRUPT, "%s: jobs.%s%s", s->job_files[job],
                    s->lab.jobs[job].id, doc_visible(&s->arena, text));
    return -1;
}

int state_read(struct lab_state *s, const char *file,
               int (*read)(struct doc *d, void *to), void *to, struct repx_err *err)
{
    struct doc d = {.arena = &s->arena, .names = &s->names, .ctx = s};
    struct repx_buf text = {0};
    struct repx_err why = {0};
    size_t at;
    int rc = -1;

    if (index_resolve(&s->source.index, file, &at, &why) < 0) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: the file: %s; make the Lab again or copy it again", file,
                         why.text);
    }
    if (s->source.index.entries[at].kind != REPX_ENTRY_FILE) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: the file: is no regular file; make the Lab again", file);
    }
    doc_begin(&d, file, NULL, 0, err);
    if (source_text(&s->source, at, LAB_TEXT_MAX, &text, err) == 0) {
        doc_begin(&d, file, text.data, text.len, err);
        rc = read(&d, to);
        if (rc == 0)
            rc = doc_end(&d);
    }
    doc_finish(&d);
    repx_buf_free(&text);
    return rc;
}

int state_path(struct doc *d, const char **path, size_t *at)
{
    struct lab_state *s = d->ctx;
    struct repx_err why = {0};
    const char *given = *path;
    size_t found;

    for (const char *p = given; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return doc_fail(d, "%s: a path with a control character; rename the file",
                            given);
        }
    }
    if (!repx_path_is_inside(given))
        *path = index_clean_path(&s->arena, given, strlen(given));
    if (!*path) {
        return doc_fail(d,
                        "'%s' does not stay inside the Lab; name a file of the Lab, "
                        "without .. and a leading slash",
                        given);
    }
    if (index_resolve(&s->source.index, *path, &found, &why) < 0) {
        return doc_fail(d, "'%s' %s; %s", given, why.text,
                        why.code == REPX_E_NOENT
                            ? "add it or make the Lab again"
                            : "let links lead to something in the Lab");
    }
    if (found == INDEX_NONE) {
        return doc_fail(d, "'%s' leads to the Lab itself; name a file of the Lab",
                        given);
    }
    if (at)
        *at = found;
    return 0;
}
