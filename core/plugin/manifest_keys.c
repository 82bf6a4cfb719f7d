/* SPDX-License-Identifier: MIT */
#include "manifest_keys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/printable.h>

#include "core/ini/ini.h"
#include "core/plugin/descriptor.h"

#define FILE_MAX ((size_t)256 * 1024)
#define TEXT_MAX 4096u

static struct manifest_key *key_of(struct manifest_keys *keys, const char *name)
{
    struct manifest_key *last = keys->count ? &keys->items[keys->count - 1] : NULL;

    if (last && strcmp(last->name, name) == 0)
        return last;
    if (keys->count == DESCRIPTOR_FIELDS_MAX)
        return NULL;
    keys->items = repx_grow(keys->items, keys->count + 1, sizeof(*keys->items));
    last = &keys->items[keys->count++];
    *last = (struct manifest_key){.name = repx_strdup(name)};
    repx_printable(last->name, "");
    return last;
}

/* A text may go on in indented lines: they come with the same name again. */
static int append(char **to, const char *value)
{
    char *old = *to;

    if ((old ? strlen(old) : 0) + strlen(value) > TEXT_MAX)
        return -1;
    *to = old ? repx_format("%s %s", old, value) : repx_strdup(value);
    free(old);
    repx_printable(*to, "");
    return 0;
}

static int each(void *ctx, const char *section, const char *name, const char *value,
                int line, struct repx_err *err)
{
    static const struct {
        const char *name;
        size_t at;
    } texts[] = {{"type", offsetof(struct manifest_key, type)},
                 {"min", offsetof(struct manifest_key, min)},
                 {"max", offsetof(struct manifest_key, max)},
                 {"initial", offsetof(struct manifest_key, initial)},
                 {"help", offsetof(struct manifest_key, help)}};

    (void)line;
    if (strncmp(section, "config ", 7) != 0)
        return 0;
    struct manifest_key *key = key_of(ctx, section + 7);
    if (!key) {
        return repx_fail(err, REPX_E_CORRUPT, "more than %u keys",
                         DESCRIPTOR_FIELDS_MAX);
    }
    if (strcmp(name, "required") == 0)
        key->required = strcmp(value, "true") == 0;
    if (strcmp(name, "secret") == 0)
        key->secret = strcmp(value, "true") == 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char **to = (char **)(void *)((char *)key + texts[i].at);
        if (strcmp(name, texts[i].name) == 0 && append(to, value) < 0) {
            return repx_fail(err, REPX_E_CORRUPT, "%s is longer than %u bytes", name,
                             TEXT_MAX);
        }
    }
    return 0;
}

int manifest_keys_read(const char *path, struct manifest_keys *keys,
                       struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    memset(keys, 0, sizeof(*keys));
    if (repx_read_file(AT_FDCWD, path, FILE_MAX, &text, err) < 0)
        return -1;
    return ini_each_text(path, repx_buf_text(&text), text.len, each, keys, err);
}

void manifest_keys_free(struct manifest_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        struct manifest_key *k = &keys->items[i];
        free(k->name);
        free(k->type);
        free(k->min);
        free(k->max);
        free(k->initial);
        free(k->help);
    }
    free(keys->items);
    memset(keys, 0, sizeof(*keys));
}
