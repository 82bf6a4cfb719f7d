/* SPDX-License-Identifier: MIT */
/* Base paths, stamps, trust and capacity, as a session finds them. */
#define _GNU_SOURCE /* mkdtemp, setenv */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/capacity.h"
#include "core/agent/expand.h"
#include "core/agent/trust.h"

static char *top; /* of everything these tests make */

static const struct {
    const char *text, *want; /* NULL: refused */
} paths[] = {
    {"/a/b", "/a/b"},
    {"/a//b/", "/a/b"},
    {"/", "/"},
    {"~", "/home/me"},
    {"~/x y", "/home/me/x y"},
    {"$SCRATCH/x", "/scratch/me/x"},
    {"${SCRATCH}x", "/scratch/mex"},
    {"/data/$WHO/$WHO", "/data/o'b $X/o'b $X"},
    {"/a/$lower/$1/$", "/a/$lower/$1/$"},
    {"/a/${open/b", "/a/${open/b"},
    {"/a/${WHO:-x}", "/a/${WHO:-x}"},
    {"/a/$(id)`id`", "/a/$(id)`id`"},
    {"/a/~/b", "/a/~/b"},
    {"~other/x", NULL},
    {"relative", NULL},
    {"", NULL},
    {"$UNSET_ANYWHERE/x", NULL},
    {"$EMPTY_ONE/x", NULL},
    {"$WHO/x", NULL}, /* not absolute */
};

static void paths_expand(void)
{
    (void)setenv("HOME", "/home/me", 1);
    (void)setenv("SCRATCH", "/scratch/me", 1);
    (void)setenv("WHO", "o'b $X", 1);
    (void)setenv("EMPTY_ONE", "", 1);
    (void)unsetenv("UNSET_ANYWHERE");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct repx_err err = {0};
        REPX_AUTO_FREE char *got = path_expand(paths[i].text, &err);
        is(got, paths[i].want, paths[i].text);
        if (!paths[i].want)
            ok(err.text[0], "%s", err.text);
    }
}

/* ---- stamps ---- */

static void write_file(const char *path, const char *text)
{
    REPX_AUTO_FREE char *full = repx_format("%s/%s", top, path);

    ok(repx_write_file(AT_FDCWD, full, text, strlen(text), 0644, NULL) == 0, "# %s",
       path);
}

/* Open B with S, both below top ("" for none), and say how it went. */
static int try_site(const char *base, const char *state, int *readonly,
                    struct repx_err *err)
{
    REPX_AUTO_FREE char *b = repx_format("%s/%s", top, base);
    REPX_AUTO_FREE char *s =
        *state ? repx_format("%s/%s", top, state) : repx_strdup("");
    struct site site;
    int rc = site_open(&site, b, s, err);

    *readonly = rc == 0 && site.readonly;
    if (rc == 0)
        site_close(&site);
    return rc;
}

static int there(const char *path)
{
    REPX_AUTO_FREE char *full = repx_format("%s/%s", top, path);

    return access(full, F_OK) == 0;
}

static void a_base_path_is_made_and_stamped(void)
{
    struct repx_err err = {0};
    int readonly;

    ok(try_site("one/two", "", &readonly, &err) == 0 && !readonly, "made %s", err.text);
    ok(there("one/two/.repx/format") && !there("one/two/.repx/state"), "and stamped");
    ok(try_site("one/two", "", &readonly, &err) == 0 && !readonly, "opens again");
    write_file("one/two/.repx/format", "repx-state 2\n");
    ok(try_site("one/two", "", &readonly, &err) == 0 && readonly,
       "a newer one is read only");
    write_file("one/two/.repx/format", "repx-state 1x\n");
    ok(try_site("one/two", "", &readonly, &err) < 0, "nonsense is refused: %s",
       err.text);
    write_file("one/two/.repx/format", "");
    ok(try_site("one/two", "", &readonly, &err) < 0, "an empty stamp is refused");
}

static void clients_agree_on_the_state_directory(void)
{
    struct repx_err err = {0};
    int readonly;

    ok(try_site("apart", "state", &readonly, &err) == 0, "a state_path %s", err.text);
    ok(there("apart/.repx/state") && there("state/format"), "is noted");
    ok(try_site("apart", "state", &readonly, &err) == 0, "the same again");
    ok(try_site("apart", "", &readonly, &err) < 0 && err.code == REPX_E_USAGE,
       "none: %s", err.text);
    ok(try_site("apart", "elsewhere", &readonly, &err) < 0, "another: %s", err.text);
    ok(try_site("used", "", &readonly, &err) == 0, "one without state_path");
    write_file("used/.repx/runs", "");
    ok(try_site("used", "state", &readonly, &err) < 0, "stays so once it is used: %s",
       err.text);
}

static void a_link_on_the_way_is_warned_of(void)
{
    REPX_AUTO_FREE char *real = repx_format("%s/real", top);
    REPX_AUTO_FREE char *link = repx_format("%s/link", top);
    struct repx_err err = {0};
    struct site site;

    ok(symlink(real, link) == 0 && mkdir(real, 0755) == 0, "a base path behind a link");
    ok(site_open(&site, link, NULL, &err) == 0, "opens %s", err.text);
    is(site.base, link, "under the name it was given");
    ok(site.warning && strstr(site.warning, real), "with a warning: %s",
       site.warning ? site.warning : "none");
    ok(site.base_fd >= 0 && site.state_fd >= 0 && *site.host && *site.boot,
       "and all that belongs to a site");
    site_close(&site);
}

/* ---- trust ---- */

static const struct {
    const char *name;
    mode_t outer, inner, file;
    int want;
} modes[] = {
    {"ours alone", 0755, 0755, 0755, 1},
    {"a file for everybody", 0755, 0755, 0757, 0},
    {"a directory for everybody", 0755, 0777, 0755, 0},
    {"a sticky directory for everybody", 0755, 01777, 0755, 1},
    {"behind a closed door", 0700, 0777, 0777, 1},
    {"a door that is open to be passed", 0711, 0777, 0755, 0},
};

static void others_must_not_change_what_runs(void)
{
    REPX_AUTO_FREE char *outer = repx_format("%s/trust", top);
    REPX_AUTO_FREE char *inner = repx_format("%s/in", outer);
    REPX_AUTO_FREE char *file = repx_format("%s/agent", inner);
    struct repx_err err = {0};

    ok(chmod(top, 0755) == 0 && repx_make_dirs(inner, 0755, &err) == 0, "directories");
    ok(repx_write_file(AT_FDCWD, file, "x", 1, 0755, &err) == 0, "and a file");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct repx_err why = {0};
        ok(chmod(file, modes[i].file) == 0 && chmod(inner, modes[i].inner) == 0 &&
               chmod(outer, modes[i].outer) == 0,
           "# modes");
        ok(path_is_ours(file, &why) == modes[i].want, "%s %s", modes[i].name, why.text);
        (void)chmod(outer, 0755);
    }
    ok(path_is_ours("/no/such/file", &err) == -1, "what is not there cannot be judged");
}

/* ---- capacity ---- */

static const struct {
    const char *text;
    int64_t cpus, memory, nice;
} inis[] = {
    {"", 8, 1000, 10},
    {"cpus = 2\nmemory=500\nnice =19\n", 2, 500, 19},
    {"[limits]\n# cpus = 1\n; nice = 1\n  cpus=3\n", 3, 1000, 10},
    {"cpus = 64\nmemory = 4T\n", 8, 1000, 10},
    {"memory = 0\ncpus = -1\nnice = -5\n", 8, 1000, 10},
    {"future = yes\nnonsense\ncpus = 1", 1, 1000, 10},
    {"memory = 99999999999999999999G\n", 8, 1000, 10},
};

static void an_admin_can_only_lower(void)
{
    for (size_t i = 0; i < sizeof(inis) / sizeof(inis[0]); i++) {
        struct capacity c = {.cpus = 8, .memory = 1000, .nice = 10};
        capacity_site(&c, inis[i].text);
        ok(c.cpus == inis[i].cpus && c.memory == inis[i].memory &&
               c.nice == inis[i].nice,
           "site.ini %zu", i);
    }
}

int main(void)
{
    char dir[] = "/tmp/repx-site-XXXXXX";
    struct repx_err err = {0};

    if (!mkdtemp(dir))
        return 99;
    top = dir;
    paths_expand();
    a_base_path_is_made_and_stamped();
    clients_agree_on_the_state_directory();
    a_link_on_the_way_is_warned_of();
    others_must_not_change_what_runs();
    an_admin_can_only_lower();
    ok(repx_remove_tree(AT_FDCWD, dir, &err) == 0, "cleans up");
    return tap_end();
}
