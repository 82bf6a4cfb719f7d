/* SPDX-License-Identifier: MIT */
/* Plugins that bring libraries of their own, and several in one process. */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/plugin/loader.h"

static char root[] = "/tmp/repx-origin-XXXXXX";

static void copy(const char *built, const char *as)
{
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf bytes = {0};
    REPX_AUTO_FREE char *from = repx_format(BROKEN_DIR "/%s", built);
    REPX_AUTO_FREE char *to = repx_format("%s/%s", root, as);

    if (repx_read_file(AT_FDCWD, from, 64u << 20, &bytes, &err) < 0 ||
        repx_write_file(AT_FDCWD, to, bytes.data, bytes.len, 0644, &err) < 0)
        printf("# %s\n", err.text);
}

static void manifest(const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/transport-%s.ini", root, name);
    REPX_AUTO_FREE char *text =
        repx_format("[plugin]\nkind = transport\nname = %s\nabi = 0.1\n", name);

    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

static uint64_t logins(const struct plugin *p)
{
    struct repx_transport_stats stats = {.size = sizeof(stats)};

    p->ops.transport.stats(NULL, &stats);
    return stats.logins;
}

int main(void)
{
    struct repx_err err = {0};
    const char *dir = root;

    if (!mkdtemp(root) || chmod(root, 0755) < 0)
        return 1;
    copy("origin.so", "transport-origin.so");
    copy("good.so", "transport-broken.so");
    manifest("origin");
    manifest("broken");
    struct plugin_paths *paths = plugin_paths_create(&dir, 1, NULL, 0);
    struct plugin *p = plugin_load(paths, REPX_KIND_TRANSPORT, "origin", &err);
    ok(!p && strstr(err.text, "liborigin_dep.so"),
       "a missing library of its own is named: %s", err.text);
    copy("liborigin_dep.so", "liborigin_dep.so");
    REPX_AUTO_FREE char *library = repx_format("%s/liborigin_dep.so", root);
    (void)chmod(library, 0666);
    err = (struct repx_err){0};
    ok(!plugin_load(paths, REPX_KIND_TRANSPORT, "origin", &err) &&
           strstr(err.text, "liborigin_dep.so can be changed by everybody"),
       "one that others may change is refused: %s", err.text);
    (void)chmod(library, 0644);
    struct plugin *a = plugin_load(paths, REPX_KIND_TRANSPORT, "origin", &err);
    ok(a, "with it beside, by $ORIGIN, it loads %s", err.text);
    struct plugin *b = plugin_load(paths, REPX_KIND_TRANSPORT, "broken", &err);
    ok(b && b != a, "a second plugin in the same process %s", err.text);
    if (a && b) {
        ok(logins(a) == 42, "the first calls its library");
        ok(logins(b) == 7, "the second has its own functions");
        is(b->descriptor->name, "broken", "and its own descriptor");
        is(a->descriptor->name, "origin", "the first has kept its");
    }
    plugin_paths_destroy(paths);
    (void)repx_remove_tree(AT_FDCWD, root, &err);
    return tap_end();
}
