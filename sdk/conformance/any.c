/* SPDX-License-Identifier: MIT */
/* any.c: what holds for plugins of every kind: the descriptor, the vtable in every length,
 * the keys, and that the process is left as it was. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/value.h>

#include "around.h"
#include "conform.h"

#define LATER 64 /* bytes of functions that are not known yet */

/* Every vtable of an older time and some of a later one: what lies behind its end must not
 * be looked at, what is not known is passed over, and what every build must hold is asked
 * for. */
static void old_vtables(const struct repx_plugin *d)
{
    char *copy = repx_alloc(DESCRIPTOR_SIZE_MAX);
    size_t full = (size_t)d->vtable_size, shortest = 0, bad = 0;

    for (size_t n = sizeof(uint64_t); n <= full + LATER; n += sizeof(void *)) {
        struct repx_plugin own = *d;
        struct repx_err err = {0};
        union plugin_ops ops;
        uint64_t size = n;
        memset(copy, 0x5a, DESCRIPTOR_SIZE_MAX);
        memcpy(copy, d->vtable, n < full ? n : full);
        memcpy(copy, &size, sizeof(size));
        own.vtable = copy;
        own.vtable_size = n;
        if (descriptor_adopt_ops(&own, &ops, &err) < 0) {
            bad += shortest != 0; /* a longer one may not be worse */
        } else if (!shortest) {
            shortest = n;
        }
    }
    free(copy);
    (void)check(shortest > 0 && !bad,
                "its vtable is taken from %zu to %zu bytes, and longer ones", shortest,
                full);
}

static void keys(const struct repx_plugin *d)
{
    for (uint64_t i = 0; i < d->field_count; i++) {
        struct repx_field f = descriptor_field(d, i);
        int64_t n = 0;
        int is_number = f.type != REPX_FIELD_STRING && f.type != REPX_FIELD_LIST;
        int fits = !f.initial || !is_number ||
                   (repx_value_number(f.type, f.initial, &n) &&
                    ((!f.min && !f.max) || (n >= f.min && n <= f.max)));
        int twice = 0;
        for (uint64_t k = 0; k < i; k++)
            twice += strcmp(descriptor_field(d, k).name, f.name) == 0;
        (void)check(fits && !twice && f.help[0] && !strchr(f.help, '\n') &&
                        strspn(f.name, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
                            strlen(f.name),
                    "key %s: a plain name, one line of help, a default in its range",
                    f.name);
    }
}

/* Loading happened before we look; so it is asked whether the entry is without effects. */
static void entry(struct conform *c)
{
    struct around *around = around_begin();
    struct repx_err err = {0};
    struct host *h = host_create(c->plugin, c->table, &c->ui, &err);

    (void)check(h != NULL, "its keys take this configuration%s%s",
                err.text[0] ? ": " : "", err.text);
    host_destroy(h);
    around_end(around);
}

void any_checks(struct conform *c)
{
    const struct repx_plugin *d = c->plugin->descriptor;

    (void)check(d->version[0] && d->vendor[0] && d->license[0] && d->summary[0] &&
                    !strchr(d->summary, '\n'),
                "version, vendor, license and a summary of one line are there");
    (void)check(strcmp(d->version, c->plugin->info.version) == 0 &&
                    strcmp(d->license, c->plugin->info.license) == 0,
                "its manifest says the same");
    old_vtables(d);
    keys(d);
    entry(c);
}
