/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/plugin/manifest.h"
#include "core/plugin/paths.h"

struct listing {
    struct plugin_list *list;
    void (*warn)(void *ctx, const char *text);
    void *ctx;
};

const char *plugin_kind_word(uint32_t kind)
{
    return descriptor_kind_word(kind);
}

/* Does KIND- begin the file's name, and .ini end it? Other files may lie here too. */
static int is_manifest_name(const char *file)
{
    size_t n = strlen(file);

    if (n < 5 || strcmp(file + n - 4, ".ini") != 0)
        return 0;
    for (uint32_t kind = REPX_KIND_TRANSPORT; kind <= REPX_KIND_SYNC; kind++) {
        const char *word = plugin_kind_word(kind);
        if (strncmp(file, word, strlen(word)) == 0 && file[strlen(word)] == '-')
            return 1;
    }
    return 0;
}

static int is_listed(const struct plugin_list *list, const struct plugin_info *info)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == info->kind &&
            strcmp(list->items[i].name, info->name) == 0)
            return 1;
    }
    return 0;
}

static void take(struct listing *l, const char *path)
{
    struct manifest m;
    struct repx_err err = {0};

    if (manifest_read(path, &m, &err) < 0) {
        if (l->warn)
            l->warn(l->ctx, err.text);
    } else if (!is_listed(l->list, &m.info)) {
        struct plugin_list *list = l->list;
        list->items = repx_grow(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = m.info;
        memset(&m.info, 0, sizeof(m.info));
    }
    manifest_free(&m);
}

static void take_dir(struct listing *l, const char *dir)
{
    DIR *d = opendir(dir);

    if (!d)
        return; /* most of the search order need not exist */
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (!is_manifest_name(e->d_name))
            continue;
        REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, e->d_name);
        take(l, path);
    }
    (void)closedir(d);
}

static int by_kind_and_name(const void *a, const void *b)
{
    const struct plugin_info *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return strcmp(x->name, y->name);
}

int plugin_list(const struct plugin_paths *paths, struct plugin_list *list,
                void (*warn)(void *ctx, const char *text), void *ctx,
                struct repx_err *err)
{
    struct listing l = {list, warn, ctx};

    memset(list, 0, sizeof(*list));
    if (paths_refuse_privileged(err) < 0)
        return -1;
    for (size_t i = 0; i < paths->count; i++)
        take_dir(&l, paths->dirs[i]);
    if (list->count)
        qsort(list->items, list->count, sizeof(*list->items), by_kind_and_name);
    return 0;
}

void plugin_list_free(struct plugin_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        manifest_info_free(&list->items[i]);
    free(list->items);
    memset(list, 0, sizeof(*list));
}
