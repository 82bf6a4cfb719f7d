/* SPDX-License-Identifier: MIT */
/* Any bytes as the metadata of a Lab. The three files follow each other, divided by a NUL:
 * manifest, root, run. The index is that of a small Lab. */
#define _GNU_SOURCE /* memfd_create */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/json/json.h"
#include "core/lab/state.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const dirs[] = {"lab",    "revision", "jobs",       "jobs/a",
                                   "jobs/b", "images",   "images/base"};
static const char *const files[] = {
    "lab/lab-metadata.json", "revision/metadata-top.json", "revision/metadata-r1.json",
    "jobs/a/x", "jobs/b/x"};

/* A tree of the text comes back the same, and keeps coming back the same. */
static void check_tree(const char *text, size_t n)
{
    struct repx_err err = {0};
    struct json *v = json_parse(text, n, &err), *again;
    struct repx_buf first = {0}, second = {0};

    if (!v && err.code == REPX_E_NONE)
        abort();
    if (v) {
        json_put_value(&first, v, 0);
        again = json_parse(first.data, first.len, &err);
        if (!again)
            abort();
        json_put_value(&second, again, 0);
        if (strcmp(first.data, second.data) != 0)
            abort();
        first.len = 0;
        json_put_value(&first, v, 2);
        json_free(again);
    }
    json_free(v);
    repx_buf_free(&first);
    repx_buf_free(&second);
}

/* Reading all of a Lab whose files are in memory. */
static int read_all(struct lab_state *s, struct repx_err *err)
{
    struct doc_strings runs = {0};

    if (lab_manifest_read(s, err) < 0 || root_read(s, &runs, err) < 0 ||
        host_tools_find(s, err) < 0)
        return -1;
    for (size_t i = 0; i < runs.count; i++) {
        if (run_read(s, runs.items[i], err) < 0)
            return -1;
    }
    return runs_settle(s, err) < 0 ? -1 : graph_check(s, err);
}

static void check_lab(const struct lab *lab)
{
    for (size_t i = 0; i < lab->job_count; i++) {
        if (doc_bad_name(lab->jobs[i].id) || !lab->jobs[i].params)
            abort();
        for (size_t k = 0; k < lab->jobs[i].dep_count; k++) {
            if (lab->jobs[i].deps[k] >= lab->job_count)
                abort();
        }
        if (lab->jobs[i].type == LAB_SCATTER_GATHER && !lab->jobs[i].sink)
            abort();
    }
    for (size_t i = 0; i < lab->run_count; i++) {
        for (size_t k = 0; k < lab->runs[i].job_count; k++) {
            if (lab->runs[i].jobs[k] >= lab->job_count)
                abort();
        }
    }
}

/* The archive form with the input as the archive: files are ranges of one memory file. */
static void put_file(struct lab_state *s, size_t i, size_t from, size_t to)
{
    size_t at = index_find(&s->source.index, files[i], strlen(files[i]));

    s->source.index.entries[at].length = to - from;
    s->source.index.stamps[at].offset = from;
}

static void make_index(struct lab_state *s, const char *text, size_t n)
{
    struct index *ix = &s->source.index;

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        index_add(ix, REPX_ENTRY_DIR, dirs[i], NULL)->flags = STAMP_KNOWN;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        index_add(ix, REPX_ENTRY_FILE, files[i], NULL)->flags = STAMP_KNOWN;
    index_settle(ix);
    size_t from = 0;
    for (size_t i = 0; i < 3 && from <= n; i++) {
        const char *end = memchr(text + from, 0, n - from);
        size_t to = end ? (size_t)(end - text) : n;
        put_file(s, i, from, to);
        check_tree(text + from, to - from);
        from = to + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lab_state *s = REPX_NEW(struct lab_state);
    struct repx_err err = {0};

    s->names.arena = &s->arena;
    s->source.is_tar = 1;
    s->source.open_fd = -1;
    s->source.fd = memfd_create("metadata", MFD_CLOEXEC);
    if (s->source.fd >= 0 && repx_write_all(s->source.fd, data, size) == 0) {
        make_index(s, (const char *)data, size);
        if (read_all(s, &err) == 0) {
            check_lab(&s->lab);
        } else if (err.code == REPX_E_NONE || !err.text[0]) {
            abort(); /* every failure must say why */
        }
    }
    lab_close(&s->lab);
    return 0;
}
