/* SPDX-License-Identifier: MIT */
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define TAG_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

const char *runtime_choose(const struct config_target *target, const char *scheduler,
                           const char *image_path)
{
    const struct config_table *table =
        image_path ? config_table_find(target, scheduler) : NULL;
    const char *preferred = target->default_execution_type;

    if (!table || table->execution_type_count == 0)
        return "native";
    for (size_t i = 0; preferred && i < table->execution_type_count; i++) {
        if (strcmp(table->execution_types[i], preferred) == 0)
            return table->execution_types[i];
    }
    return table->execution_types[0];
}

char *runtime_tag(const char *image_path, struct repx_err *err)
{
    const char *slash = strrchr(image_path, '/');
    const char *name = slash ? slash + 1 : image_path;
    const char *dot = strrchr(name, '.');
    char *tag =
        repx_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));

    if (*tag && strspn(tag, TAG_CHARS) == strlen(tag) && strcmp(tag, ".") != 0 &&
        strcmp(tag, "..") != 0)
        return tag;
    (void)repx_fail(
        err, REPX_E_CORRUPT,
        "image `%s`: its name `%s` may hold only letters, digits and . _ : -; "
        "rename the image",
        image_path, tag);
    free(tag);
    return NULL;
}
