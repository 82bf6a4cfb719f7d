/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/config/nearest.h"
#include "core/plugin/host.h"
#include "core/plugin/loader.h"
#include "core/plugin/trust.h"
#include "core/wire/digest.h"

static char root[] = "/tmp/repx-plugin-XXXXXX";

static void put(const char *path, const void *bytes, size_t n)
{
    struct repx_err err = {0};

    if (repx_write_file(AT_FDCWD, path, bytes, n, 0644, &err) < 0)
        printf("# %s\n", err.text);
}

/* A directory of its own holding transport-broken.so (built as BUILT.so) and its
 * manifest, with the digest or another one. */
static char *install(const char *built, const char *as, int pin, int right)
{
    static int number;
    struct repx_err err = {0};
    struct repx_buf so = {0}, ini = {0};
    struct digest d;
    char hex[DIGEST_HEX];
    char *dir = repx_format("%s/%d", root, ++number);

    (void)mkdir(dir, 0755);
    REPX_AUTO_FREE char *from = repx_format(BROKEN_DIR "/%s.so", built);
    if (strcmp(built, "text") == 0) {
        repx_buf_str(&so, "#!/bin/sh\necho no library\n");
    } else if (repx_read_file(AT_FDCWD, from, 64u << 20, &so, &err) < 0) {
        printf("# %s\n", err.text);
    }
    digest_of(right ? so.data : "", right ? so.len : 0, &d);
    digest_hex(&d, hex);
    repx_buf_fmt(&ini, "[plugin]\nkind = transport\nname = %s\nabi = 0.1\n", as);
    if (pin)
        repx_buf_fmt(&ini, "sha256 = %s\n", hex);
    REPX_AUTO_FREE char *to = repx_format("%s/transport-%s.so", dir, as);
    REPX_AUTO_FREE char *beside = repx_format("%s/transport-%s.ini", dir, as);
    put(to, so.data, so.len);
    put(beside, ini.data, ini.len);
    repx_buf_free(&so);
    repx_buf_free(&ini);
    return dir;
}

static struct plugin *load_from(const char *dir, const char *name, struct repx_err *err)
{
    struct plugin_paths *paths = plugin_paths_create(&dir, 1, NULL, 0);
    struct plugin *p = plugin_load(paths, REPX_KIND_TRANSPORT, name, err);

    plugin_paths_destroy(paths);
    return p;
}

static const struct {
    const char *built, *want;
} broken[] = {
    {"text", "transport-broken.so"},
    {"symbol", "exports no symbol repx_plugin_v0"},
    {"magic", "magic is 0000000000000011, need 3176786570657252"},
    {"major", "built for ABI 7.1, this repx has 0.1"},
    {"huge", "descriptor is 65537 bytes, at most 65536"},
    {"tiny", "descriptor is 40 bytes, need at least"},
    {"slot", "exit_status is NULL, but every transport plugin must have it"},
    {"kind", "phase is 0, need 1 (bootstrap)"},
    {"kind9", "kind is 9, need 1 (transport)"},
    {"name", "name is \"other\", its manifest says \"broken\""},
    {"vhuge", "vtable is 70000 bytes, at most 65536"},
    {"vtiny", "vtable is 16 bytes, need at least"},
};

static void refusals_name_the_field_and_both_values(void)
{
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct repx_err err = {0};
        REPX_AUTO_FREE char *dir = install(broken[i].built, "broken", 1, 1);
        ok(!load_from(dir, "broken", &err) && strstr(err.text, broken[i].want) &&
               strstr(err.text, dir),
           "%s: %s", broken[i].built, err.text);
        ok(err.code == REPX_E_UNSUPPORTED, "%s: its code is UNSUPPORTED",
           broken[i].built);
    }
}

static void older_and_newer_plugins_load(void)
{
    struct repx_err err = {0};
    struct repx_transport_stats stats = {.size = sizeof(stats)};
    REPX_AUTO_FREE char *newer = install("good", "broken", 1, 1);
    REPX_AUTO_FREE char *older = install("older", "broken", 0, 1);
    struct plugin *p = load_from(newer, "broken", &err);

    ok(p, "a longer vtable loads %s", err.text);
    if (!p)
        return;
    p->ops.transport.stats(NULL, &stats);
    ok(stats.logins == 7, "and its functions can be called");
    ok(p->ops.transport.suits && !p->ops.transport.login, "what it lacks is NULL");
    ok(p->ops.transport.size == sizeof(struct repx_transport_ops), "cut at our size");
    ok(load_from(newer, "broken", &err) == p, "loading it again gives the same");
    p = load_from(older, "broken", &err);
    ok(p, "a shorter vtable loads, without a pin too %s", err.text);
    ok(p && p->ops.transport.stats && !p->ops.transport.suits,
       "functions newer than the plugin are NULL");
}

static void a_digest_that_differs_is_refused(void)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *dir = install("good", "broken", 1, 0);

    ok(!load_from(dir, "broken", &err) && err.code == REPX_E_CORRUPT &&
           strstr(err.text, "its manifest says e3b0c442"),
       "%s", err.text);
}

static void a_manifest_that_others_may_change_is_refused(void)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *dir = install("good", "broken", 1, 1);
    REPX_AUTO_FREE char *ini = repx_format("%s/transport-broken.ini", dir);

    (void)chmod(ini, 0666);
    ok(!load_from(dir, "broken", &err) &&
           strstr(err.text, "broken.ini can be changed by"),
       "%s", err.text);
}

static void unknown_names_list_what_is_there(void)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *dir = install("good", "broken", 0, 1);
    REPX_AUTO_FREE char *so = repx_format("%s/transport-stray.so", dir);

    ok(!load_from(dir, "brokn", &err) && err.code == REPX_E_NOENT &&
           strstr(err.text, "did you mean \"broken\"?"),
       "%s", err.text);
    ok(!load_from(dir, "../broken", &err) && err.code == REPX_E_NOENT,
       "a path is no name: %s", err.text);
    put(so, "x", 1);
    ok(!load_from(dir, "stray", &err) && strstr(err.text, "has no manifest"), "%s",
       err.text);
}

static void warned(void *ctx, const char *text)
{
    (void)text;
    ++*(int *)ctx;
}

static void listing_reads_manifests_and_the_first_wins(void)
{
    struct repx_err err = {0};
    struct plugin_list list;
    int warnings = 0;
    REPX_AUTO_FREE char *a = install("text", "broken", 0, 1);
    REPX_AUTO_FREE char *b = install("good", "broken", 0, 1);
    REPX_AUTO_FREE char *bad = repx_format("%s/sync-bad.ini", b);
    const char *dirs[] = {a, b};
    size_t mine = 0;

    put(bad, "[plugin]\n", 9);
    struct plugin_paths *paths = plugin_paths_create(&dirs[0], 1, &dirs[1], 1);
    ok(plugin_list(paths, &list, warned, &warnings, &err) == 0, "lists");
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.items[i].name, "broken") != 0)
            continue;
        mine++;
        ok(strncmp(list.items[i].file, a, strlen(a)) == 0,
           "the first on the path wins");
    }
    ok(mine == 1, "once");
    ok(warnings >= 1, "a broken manifest is warned about");
    plugin_list_free(&list);
    plugin_paths_destroy(paths);
}

static int trusted(const char *path, struct repx_err *err)
{
    char *real = NULL;
    int rc = trust_file(path, &real, err);

    free(real);
    return rc == 0;
}

static void what_others_may_change_is_not_trusted(void)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *dir = repx_format("%s/trust", root);
    REPX_AUTO_FREE char *file = repx_format("%s/f", dir);
    REPX_AUTO_FREE char *link = repx_format("%s/link", root);

    (void)mkdir(dir, 0755);
    put(file, "x", 1);
    ok(symlink(file, link) == 0, "a link");
    ok(trusted(file, &err), "ours below a sticky /tmp %s", err.text);
    ok(trusted(link, &err), "through a link");
    (void)chmod(file, 0666);
    ok(!trusted(file, &err) && strstr(err.text, "chmod o-w"), "%s", err.text);
    ok(!trusted(link, &err), "also through a link");
    (void)chmod(dir, 0700);
    ok(trusted(file, &err), "nobody can reach it below a private directory");
    (void)chmod(dir, 0777);
    (void)chmod(file, 0644);
    ok(!trusted(file, &err) && strstr(err.text, "/trust can be changed by everybody"),
       "%s", err.text);
    (void)chmod(dir, 01777);
    ok(trusted(file, &err), "a sticky directory passes");
    (void)chmod(dir, 0755);
    if (geteuid() != 0) {
        ok(1, "owners and groups # SKIP needs root");
        return;
    }
    ok(chown(file, 12345, 0) == 0, "another owner");
    ok(!trusted(file, &err) && strstr(err.text, "belongs to user 12345"), "%s",
       err.text);
    ok(chown(file, 0, 12345) == 0, "another group");
    (void)chmod(file, 0664);
    ok(!trusted(file, &err) && strstr(err.text, "chmod g-w"), "%s", err.text);
}

#define TEXTS(...)                 \
    .texts = (const char *const[]) \
    {                              \
        __VA_ARGS__                \
    }

static const struct {
    struct config_value value;
    const char *want; /* NULL: accepted */
} settings[] = {
    {{"port", TEXTS("1022"), 1, 0, "f:1"}, NULL},
    {{"port", TEXTS("0"), 1, 0, "f:1"}, "f:1: port: is 0, must be 1 to 65535"},
    {{"port", TEXTS("x"), 1, 0, "f:1"}, "f:1: port: is \"x\", must be a whole number"},
    {{"port", TEXTS("1", "2"), 2, 1, "f:1"}, "f:1: port: is a list, must be one value"},
    {{"prot", TEXTS("1"), 1, 0, "f:2"}, "did you mean \"port\"?"},
    {{"patience", TEXTS("5"), 1, 0, "f:3"}, "must be a time such as \"30s\""},
    {{"patience", TEXTS("5m"), 1, 0, "f:3"}, NULL},
    {{"room", TEXTS("2G"), 1, 0, "f:3"}, NULL},
    {{"room", TEXTS("big"), 1, 0, "f:3"}, "must be a size"},
    {{"quiet", TEXTS("yes"), 1, 0, "f:3"}, "must be true or false"},
    {{"keys", TEXTS("a", "b"), 2, 1, "f:3"}, NULL},
    {{"user", TEXTS("me"), 1, 0, "f:3"}, NULL},
    {{"user", TEXTS("5"), 1, 0, "f:3", "an integer"},
     "user: is an integer, must be a text"},
    {{"keys", TEXTS("a", "1"), 2, 1, "f:3", "an integer"}, "keys: holds an integer"},
    {{"pin", TEXTS("98765"), 1, 0, "f:4"}, "f:4: pin: is ..., must be 1 to 10"},
    {{"pin", TEXTS("hunter2"), 1, 0, "f:4"}, "f:4: pin: is \"...\", must be a whole"},
};

static void settings_are_checked_against_the_fields(struct plugin *p)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        struct repx_err err = {0};
        const struct config_table table = {
            .name = "broken", .where = "f:0", .values = &settings[i].value, .count = 1};
        struct host *h = host_create(p, &table, NULL, &err);
        if (settings[i].want) {
            ok(!h && strstr(err.text, settings[i].want) && err.code == REPX_E_USAGE,
               "%s", err.text);
        } else {
            ok(h, "%s = %s %s", settings[i].value.key, settings[i].value.texts[0],
               err.text);
        }
        host_destroy(h);
    }
}

static const struct config_value host_values[] = {
    {"keys", TEXTS("a", "b"), 2, 1, "f:1"},
    {"patience", TEXTS("250ms"), 1, 0, "f:2"},
    {"room", TEXTS("2K"), 1, 0, "f:3"},
};

static void a_host_gives_values_and_defaults(struct plugin *p)
{
    const struct config_table table = {.values = host_values, .count = 3};
    struct repx_err err = {0};
    struct host *h = host_create(p, &table, NULL, &err);
    int64_t n = 0;

    ok(h, "a host %s", err.text);
    if (!h)
        return;
    const struct repx_host *s = host_services(h);
    is(s->config_text(s->ctx, "keys", 1), "b", "the second of a list");
    ok(!s->config_text(s->ctx, "keys", 2), "past its end");
    ok(!s->config_text(s->ctx, "user", 0), "unset is NULL");
    ok(s->config_number(s->ctx, "patience", &n) && n == 250, "a duration in ms");
    ok(s->config_number(s->ctx, "room", &n) && n == 2048, "a size in bytes");
    ok(s->config_number(s->ctx, "port", &n) && n == 22, "a default counts as set");
    ok(!s->config_number(s->ctx, "keys", &n), "a list is no number");
    ok(!s->run, "a transport gets no run");
    char answer[8];
    ok(s->secret(s->ctx, "password?", answer, sizeof(answer), &err) < 0 &&
           err.code == REPX_E_AUTH,
       "nobody to ask is an authentication error");
    host_destroy(h);
}

static void near_words_are_suggested(void)
{
    static const char *const words[] = {"ssh", "openssh", "local"};

    is(nearest_word("opnssh", words, 3), "openssh", "one letter missing");
    is(nearest_word("locla", words, 3), "local", "two exchanged");
    is(nearest_word("teleport", words, 3), NULL, "nothing near");
}

int main(void)
{
    struct repx_err err = {0};

    if (!mkdtemp(root) || chmod(root, 0755) < 0)
        return 1;
    refusals_name_the_field_and_both_values();
    older_and_newer_plugins_load();
    a_digest_that_differs_is_refused();
    a_manifest_that_others_may_change_is_refused();
    unknown_names_list_what_is_there();
    listing_reads_manifests_and_the_first_wins();
    what_others_may_change_is_not_trusted();
    REPX_AUTO_FREE char *dir = install("good", "broken", 1, 1);
    struct plugin *p = load_from(dir, "broken", &err);
    if (p) {
        settings_are_checked_against_the_fields(p);
        a_host_gives_values_and_defaults(p);
    } else {
        ok(0, "%s", err.text);
    }
    near_words_are_suggested();
    (void)repx_remove_tree(AT_FDCWD, root, &err);
    return tap_end();
}
