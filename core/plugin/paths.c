/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* realpath */
#include "paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#define LINK_MAX_LEN 4096u

static int are_privileged(void)
{
    return getauxval(AT_SECURE) != 0;
}

int paths_refuse_privileged(struct repx_err *err)
{
    if (!are_privileged())
        return 0;
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "repx runs with rights that its user does not have (set-uid, "
                     "set-gid or capabilities) and loads no plugins like that; remove "
                     "them from the program file");
}

static void add(struct plugin_paths *paths, const char *dir, size_t n)
{
    if (!n)
        return;
    paths->dirs = repx_grow(paths->dirs, paths->count + 1, sizeof(*paths->dirs));
    paths->dirs[paths->count++] = repx_strndup(dir, n);
}

static void add_colon_list(struct plugin_paths *paths, const char *list)
{
    while (list && *list) {
        size_t n = strcspn(list, ":");
        add(paths, list, n);
        list += n + (list[n] == ':');
    }
}

static void add_user_dir(struct plugin_paths *paths)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    REPX_AUTO_FREE char *dir = NULL;

    if (data && data[0] == '/') {
        dir = repx_format("%s/repx/plugins", data);
    } else if (home && home[0] == '/') {
        dir = repx_format("%s/.local/share/repx/plugins", home);
    }
    if (dir)
        add(paths, dir, strlen(dir));
}

static int is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory of the running program, or NULL. */
static char *bin_dir(void)
{
    char path[LINK_MAX_LEN];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0 || (size_t)n >= sizeof(path) - 1)
        return NULL;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    return repx_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* The first of the places that is a directory; else the first. In a build tree the
 * programs lie in core/cli and tests. */
static char *beside(const char *bin, const char *installed, const char *built)
{
    const char *up = strlen(bin) > 9 && strcmp(bin + strlen(bin) - 9, "/core/cli") == 0
                         ? "../.."
                         : "..";
    char *here = repx_format("%s/%s", bin, installed);

    if (is_dir(here))
        return here;
    char *there = repx_format("%s/%s/%s", bin, up, built);
    if (is_dir(there)) {
        free(here);
        return there;
    }
    free(there);
    return here;
}

static char *canonical(char *path)
{
    char *real = realpath(path, NULL);

    if (!real)
        return path;
    free(path);
    return real;
}

struct plugin_paths *plugin_paths_create(const char *const *cli, size_t cli_count,
                                         const char *const *config, size_t config_count)
{
    struct plugin_paths *paths = REPX_NEW(struct plugin_paths);
    REPX_AUTO_FREE char *bin = bin_dir();

    for (size_t i = 0; i < cli_count; i++)
        add(paths, cli[i], strlen(cli[i]));
    for (size_t i = 0; i < config_count; i++)
        add(paths, config[i], strlen(config[i]));
    if (!are_privileged()) {
        add_colon_list(paths, getenv("REPX_PLUGIN_PATH"));
        add_user_dir(paths);
        paths->libexec = repx_strdup(getenv("REPX_LIBEXEC"));
    }
    if (bin) {
        REPX_AUTO_FREE char *dir =
            canonical(beside(bin, REPX_PLUGINS_FROM_BIN, "lib/repx/plugins"));
        add(paths, dir, strlen(dir));
    }
    if (!paths->libexec || !paths->libexec[0]) {
        free(paths->libexec);
        paths->libexec =
            canonical(beside(bin ? bin : ".", REPX_LIBEXEC_FROM_BIN, "libexec/repx"));
    }
    return paths;
}

void plugin_paths_destroy(struct plugin_paths *paths)
{
    if (!paths)
        return;
    for (size_t i = 0; i < paths->count; i++)
        free(paths->dirs[i]);
    free(paths->dirs);
    free(paths->libexec);
    free(paths);
}

const char *plugin_libexec(const struct plugin_paths *paths)
{
    return paths->libexec;
}

char *paths_manifest(const struct plugin_paths *paths, uint32_t kind, const char *name)
{
    for (size_t i = 0; i < paths->count; i++) {
        char *path =
            repx_format("%s/%s-%s.ini", paths->dirs[i], plugin_kind_word(kind), name);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}
