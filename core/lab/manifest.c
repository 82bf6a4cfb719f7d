/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "state.h"

/* Manifests tend to be sorted as the index is: the file is one of the next entries. */
static int is_next(const struct index *ix, size_t after, const char *path, size_t *at)
{
    for (size_t i = after + 1; i < ix->count && i <= after + 4; i++) {
        if (ix->entries[i].kind == REPX_ENTRY_FILE &&
            strcmp(ix->entries[i].path, path) == 0) {
            *at = i;
            return 1;
        }
    }
    return 0;
}

static int file_path(struct doc *d, void *slot)
{
    struct lab_state *s = d->ctx;
    struct lab_file *file = slot;
    struct json_text text;
    char path[4096];
    const char *name = path;

    if (json_read_string(&d->r, &text) < 0)
        return doc_fail(d, "byte %zu: %s; make the Lab again", d->r.pos, d->r.problem);
    if (text.len >= sizeof(path))
        return doc_fail(d, "has %zu bytes; use shorter names", text.len);
    memcpy(path, text.at, text.len);
    path[text.len] = 0;
    if (s->file_count && is_next(&s->source.index, s->files[s->file_count - 1].entry,
                                 path, &file->entry))
        return 0;
    if (state_path(d, &name, &file->entry) < 0)
        return -1;
    if (s->source.index.entries[file->entry].kind != REPX_ENTRY_FILE)
        return doc_fail(d, "'%s' is no file; make the Lab again", path);
    return 0;
}

static int file_digest(struct doc *d, void *slot)
{
    struct json_text text;
    struct digest digest;
    char hex[DIGEST_HEX];

    if (json_read_string(&d->r, &text) < 0)
        return doc_fail(d, "byte %zu: %s; make the Lab again", d->r.pos, d->r.problem);
    if (text.len == DIGEST_HEX - 1) {
        memcpy(hex, text.at, text.len);
        hex[text.len] = 0;
        if (digest_parse(hex, &digest)) {
            memcpy(slot, digest.bytes, sizeof(digest.bytes));
            return 0;
        }
    }
    return doc_fail(d, "is not 64 lower-case hexadecimal digits; make the Lab again");
}

static int add_file(struct doc *d, void *ctx)
{
    static const struct doc_field fields[] = {
        {"path", JSON_STRING, DOC_REQUIRED, 0, file_path},
        {"sha256", JSON_STRING, DOC_REQUIRED, offsetof(struct lab_file, digest),
         file_digest},
    };
    struct lab_state *s = ctx;

    if (s->file_count == s->file_cap) {
        s->file_cap = s->file_cap ? s->file_cap * 2 : 256;
        s->files = repx_grow(s->files, s->file_cap, sizeof(*s->files));
    }
    if (doc_object(d, fields, 2, &s->files[s->file_count]) < 0)
        return -1;
    s->file_count++;
    return 0;
}

static int read_files(struct doc *d, void *slot)
{
    (void)slot;
    return doc_list(d, add_file, d->ctx);
}

static int read_id(struct doc *d, void *slot)
{
    const char *bad;

    if (doc_string(d, slot) < 0)
        return -1;
    bad = doc_bad_name(*(const char **)slot);
    return bad ? doc_fail(d, "%s; a name must be safe in a path: make the Lab again",
                          bad)
               : 0;
}

static int read_path(struct doc *d, void *slot)
{
    if (doc_string(d, slot) < 0)
        return -1;
    return state_path(d, slot, NULL);
}

static int read_manifest(struct doc *d, void *to)
{
    static const struct doc_field fields[] = {
        {"labId", JSON_STRING, DOC_REQUIRED, offsetof(struct lab_state, lab.id),
         read_id},
        {"lab_version", JSON_STRING, 0, offsetof(struct lab_state, lab.version),
         doc_string},
        {"metadata", JSON_STRING, DOC_REQUIRED, offsetof(struct lab_state, metadata),
         read_path},
        {"files", JSON_ARRAY, 0, 0, read_files},
    };

    return doc_object(d, fields, sizeof(fields) / sizeof(fields[0]), to);
}

/* Is it lab/<something>lab-metadata.json? */
static int is_manifest(const char *path)
{
    static const char end[] = "lab-metadata.json";
    size_t n = strlen(path);

    return strncmp(path, "lab/", 4) == 0 && !strchr(path + 4, '/') &&
           n >= 4 + sizeof(end) - 1 && strcmp(path + n - (sizeof(end) - 1), end) == 0;
}

static int find_manifest(struct lab_state *s, struct repx_err *err)
{
    const struct index *ix = &s->source.index;
    size_t at = index_find(ix, "lab/lab-metadata.json", 21), other = INDEX_NONE;

    for (size_t i = 0; at == INDEX_NONE && i < ix->count; i++) {
        if (!is_manifest(ix->entries[i].path) || ix->entries[i].kind == REPX_ENTRY_DIR)
            continue;
        if (other != INDEX_NONE) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "lab/: manifests: both %s and %s; leave one, with its Lab",
                             ix->entries[other].path, ix->entries[i].path);
        }
        other = i;
    }
    if (at == INDEX_NONE)
        at = other;
    if (at == INDEX_NONE) {
        return repx_fail(
            err, REPX_E_NOENT,
            "lab/*lab-metadata.json: is not there, so this is no Lab; name "
            "one with --lab");
    }
    s->lab.manifest = ix->entries[at].path;
    return 0;
}

int lab_manifest_read(struct lab_state *s, struct repx_err *err)
{
    if (find_manifest(s, err) < 0)
        return -1;
    s->lab.version = "";
    return state_read(s, s->lab.manifest, read_manifest, s, err);
}

int manifest_check(struct lab_state *s, struct repx_err *err)
{
    size_t *which = repx_array(s->file_count + 1, sizeof(*which));
    struct repx_err why = {0};

    for (size_t i = 0; i < s->file_count; i++)
        which[i] = s->files[i].entry;
    int rc = source_digest(&s->source, which, s->file_count, &why);
    free(which);
    if (rc < 0) {
        (void)repx_fail(err, why.code, "%s: files: %s", s->lab.manifest, why.text);
        return -1;
    }
    for (size_t i = 0; i < s->file_count; i++) {
        const struct repx_entry *e = &s->source.index.entries[s->files[i].entry];
        struct digest is, must;
        char is_hex[DIGEST_HEX], must_hex[DIGEST_HEX];
        if (memcmp(e->digest, s->files[i].digest, REPX_DIGEST_LEN) == 0)
            continue;
        memcpy(is.bytes, e->digest, REPX_DIGEST_LEN);
        memcpy(must.bytes, s->files[i].digest, REPX_DIGEST_LEN);
        digest_hex(&is, is_hex);
        digest_hex(&must, must_hex);
        return repx_fail(
            err, REPX_E_CORRUPT,
            "%s: files[%zu]: %s has the digest %s and must have %s: it was "
            "changed or damaged; make the Lab again or copy it again",
            s->lab.manifest, i, doc_visible(&s->arena, e->path), is_hex, must_hex);
    }
    return 0;
}
