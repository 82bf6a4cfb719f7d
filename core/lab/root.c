/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "state.h"

#define GROUPS_MAX 10000
#define RUNS_MAX 10000

struct root {
    const char *repx_version, *schema_version, *git_hash;
    struct doc_strings runs;
    struct repx_buf groups; /* struct lab_group[] */
};

/* A number in the oldest Labs, a string elsewhere. */
static int read_version(struct doc *d, void *slot)
{
    struct json_text raw;

    if (json_peek(&d->r) != JSON_NUMBER)
        return doc_string(d, slot);
    if (json_read_number(&d->r, &raw) < 0)
        return doc_fail(d, "%s; make the Lab again", d->r.problem);
    *(const char **)slot = intern_text(d->names, raw.at, raw.len);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int add_group(struct doc *d, const char *key, void *ctx)
{
    struct repx_buf *groups = ctx;
    struct doc_strings runs = {0};
    size_t n = groups->len / sizeof(struct lab_group);

    if (doc_strings(d, &runs) < 0)
        return -1;
    if (runs.count)
        qsort(runs.items, runs.count, sizeof(*runs.items), by_text);
    struct lab_group group = {.name = key, .runs = runs.items, .run_count = runs.count};
    struct lab_group *all = (void *)groups->data;
    for (size_t i = 0; i < n; i++) {
        if (all[i].name == key) { /* the last of equal keys counts */
            all[i] = group;
            return 0;
        }
    }
    if (n >= GROUPS_MAX)
        return doc_fail(d, "more than %d groups", GROUPS_MAX);
    repx_buf_add(groups, &group, sizeof(group));
    return 0;
}

static int read_groups(struct doc *d, void *slot)
{
    return doc_map(d, add_group, slot);
}

static int add_run(struct doc *d, void *ctx)
{
    struct repx_buf *list = ctx;
    const char *path;

    if (doc_string(d, &path) < 0 || state_path(d, &path, NULL) < 0)
        return -1;
    if (list->len / sizeof(path) >= RUNS_MAX)
        return doc_fail(d, "more than %d runs", RUNS_MAX);
    repx_buf_add(list, &path, sizeof(path));
    return 0;
}

static int read_runs(struct doc *d, void *slot)
{
    struct doc_strings *runs = slot;
    struct repx_buf list = {0};
    int rc = doc_list(d, add_run, &list);

    runs->count = list.len / sizeof(*runs->items);
    runs->items = arena_copy(d->arena, repx_buf_text(&list), list.len);
    repx_buf_free(&list);
    return rc;
}

static int read_root(struct doc *d, void *to)
{
    static const struct doc_field fields[] = {
        {"repx_version", JSON_STRING, 0, offsetof(struct root, repx_version),
         doc_string},
        {"schema_version", -1, DOC_NULLABLE, offsetof(struct root, schema_version),
         read_version},
        {"gitHash", JSON_STRING, 0, offsetof(struct root, git_hash), doc_string},
        {"runs", JSON_ARRAY, DOC_REQUIRED, offsetof(struct root, runs), read_runs},
        {"groups", JSON_OBJECT, 0, offsetof(struct root, groups), read_groups},
    };

    return doc_object(d, fields, sizeof(fields) / sizeof(fields[0]), to);
}

static int by_group(const void *a, const void *b)
{
    const struct lab_group *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int known_version(const char *version)
{
    return strncmp(version, "0.3.", 4) == 0 || strncmp(version, "0.4.", 4) == 0 ||
           strncmp(version, "0.5.", 4) == 0;
}

static const char *warning_of(struct lab_state *s, const struct root *root)
{
    const char *text = NULL;
    REPX_AUTO_FREE char *made = NULL;

    if (root->repx_version && !known_version(root->repx_version)) {
        made = repx_format("the Lab was made by RepX %s; known are 0.3 to 0.5",
                           doc_visible(&s->arena, root->repx_version));
        text = made;
    } else if (s->file_count == 0) {
        text = "the Lab lists no digests, so its files cannot be checked";
    }
    return text ? arena_text(&s->arena, text, strlen(text)) : NULL;
}

int root_read(struct lab_state *s, struct doc_strings *runs, struct repx_err *err)
{
    struct root root = {0};
    int rc = state_read(s, s->metadata, read_root, &root, err);
    size_t n = root.groups.len / sizeof(struct lab_group);

    if (n)
        qsort(root.groups.data, n, sizeof(struct lab_group), by_group);
    s->lab.groups = arena_copy(&s->arena, repx_buf_text(&root.groups), root.groups.len);
    s->lab.group_count = n;
    s->lab.repx_version = root.repx_version     ? root.repx_version
                          : root.schema_version ? root.schema_version
                                                : "";
    s->lab.git_hash = root.git_hash ? root.git_hash : "";
    s->lab.warning = warning_of(s, &root);
    *runs = root.runs;
    repx_buf_free(&root.groups);
    return rc;
}

/* The first directory of host-tools/, by name. */
int host_tools_find(struct lab_state *s, struct repx_err *err)
{
    static const char dir[] = "host-tools/";
    const struct index *ix = &s->source.index;
    size_t at;

    for (size_t i = 0; i < ix->count; i++) {
        const char *path = ix->entries[i].path, *name = path + sizeof(dir) - 1;
        int order = strncmp(path, dir, sizeof(dir) - 1);
        if (order > 0)
            break;
        if (order < 0 || strchr(name, '/') || index_resolve(ix, path, &at, NULL) < 0 ||
            at == INDEX_NONE || ix->entries[at].kind != REPX_ENTRY_DIR)
            continue;
        if (doc_bad_name(name)) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "host-tools/: the directory '%s': %s; rename it",
                             doc_visible(&s->arena, name), doc_bad_name(name));
        }
        s->lab.host_tools = name;
        break;
    }
    return 0;
}
