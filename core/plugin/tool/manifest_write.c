/* SPDX-License-Identifier: MIT */
#include "manifest_write.h"

#include <inttypes.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/plugin/descriptor.h"

#define WIDTH 90u     /* a line is broken at the first space after this many bytes */
#define WORD_MAX 100u /* and a word is cut here: 190 in all, the reader takes 198 */

static int is_plain(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

/* name = text: control characters and line ends count as spaces. A ';' after a space
 * would begin a comment, so it becomes a comma. */
static void add(struct repx_buf *to, const char *name, const char *text)
{
    size_t column = strlen(name) + 2;

    repx_buf_fmt(to, "%s =", name);
    for (const char *p = text; *p;) {
        while (*p && !is_plain(*p))
            p++;
        size_t n = 0;
        while (n < WORD_MAX && p[n] && is_plain(p[n]))
            n++;
        if (!n)
            break;
        if (column > WIDTH) {
            repx_buf_str(to, "\n   ");
            column = 3;
        }
        repx_buf_char(to, ' ');
        repx_buf_char(to, (char)(*p == ';' ? ',' : *p));
        repx_buf_add(to, p + 1, n - 1);
        column += n + 1;
        p += n;
    }
    repx_buf_char(to, '\n');
}

static void add_number(struct repx_buf *to, const char *name, int64_t n)
{
    REPX_AUTO_FREE char *text = repx_format("%" PRId64, n);

    add(to, name, text);
}

static void add_field(struct repx_buf *to, const struct repx_field *f)
{
    repx_buf_fmt(to, "\n[config %.64s]\n", f->name);
    add(to, "type", descriptor_type_word(f->type));
    if (f->flags & REPX_FIELD_REQUIRED)
        add(to, "required", "true");
    if (f->flags & REPX_FIELD_SECRET)
        add(to, "secret", "true");
    if (f->min || f->max) {
        add_number(to, "min", f->min);
        add_number(to, "max", f->max);
    }
    if (f->initial && !(f->flags & REPX_FIELD_SECRET))
        add(to, "initial", f->initial);
    add(to, "help", f->help);
}

void manifest_write(struct repx_buf *to, const struct repx_plugin *plugin,
                    const char *sha256, const char *helpers)
{
    REPX_AUTO_FREE char *abi =
        repx_format("%" PRIu32 ".%" PRIu32, plugin->abi_major, plugin->abi_minor);

    repx_buf_str(to, "[plugin]\n");
    add(to, "kind", descriptor_kind_word(plugin->kind));
    add(to, "name", plugin->name);
    if (plugin->phase)
        add(to, "phase", descriptor_phase_word(plugin->phase));
    add(to, "abi", abi);
    add(to, "version", plugin->version);
    add(to, "vendor", plugin->vendor);
    add(to, "license", plugin->license);
    add(to, "summary", plugin->summary);
    add(to, "sha256", sha256);
    if (helpers[0])
        repx_buf_fmt(to, "\n[helpers]\n%s", helpers);
    for (uint64_t i = 0; i < plugin->field_count; i++) {
        struct repx_field f = descriptor_field(plugin, i);
        add_field(to, &f);
    }
}
