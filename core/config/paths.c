/* SPDX-License-Identifier: MIT */
#include "paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/buf.h>

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define NAME_REST NAME_FIRST "0123456789"

/* The user's home: $HOME, else the password database. NULL with an error when neither
 * gives an absolute path. */
static const char *paths_home(struct keep *keep, struct repx_err *err)
{
    const char *home = getenv("HOME");

    if (home && home[0] == '/')
        return keep_text(keep, home);
    const struct passwd *entry = getpwuid(getuid());

    if (entry && entry->pw_dir && entry->pw_dir[0] == '/')
        return keep_text(keep, entry->pw_dir);
    (void)repx_fail(
        err, REPX_E_USAGE,
        "there is no home directory: HOME is unset and user %lu has no entry "
        "in the password database; set HOME",
        (unsigned long)getuid());
    return NULL;
}

/* An XDG directory: the variable when it is an absolute path, else below the home. */
static const char *xdg(struct keep *keep, const char *variable, const char *below_home,
                       struct repx_err *err)
{
    const char *value = getenv(variable);
    REPX_AUTO_BUF struct repx_buf path = {0};

    if (value && value[0] == '/') {
        repx_buf_fmt(&path, "%s/repx", value);
        return keep_text(keep, repx_buf_text(&path));
    }
    const char *home = paths_home(keep, err);

    if (!home)
        return NULL;
    repx_buf_fmt(&path, "%s/%s/repx", home, below_home);
    return keep_text(keep, repx_buf_text(&path));
}

const char *const *paths_config_dirs(struct keep *keep, struct repx_err *err)
{
    const char *first = xdg(keep, "XDG_CONFIG_HOME", ".config", err);
    const char *list = getenv("XDG_CONFIG_DIRS");

    if (!first)
        return NULL;
    if (!list || !*list)
        list = "/etc/xdg";
    size_t count = 2;

    for (const char *c = list; *c; c++)
        count += *c == ':';
    const char **dirs = keep_array(keep, count + 1, sizeof(*dirs));
    size_t n = 0;

    dirs[n++] = first;
    while (*list) {
        size_t len = strcspn(list, ":");
        REPX_AUTO_BUF struct repx_buf path = {0};

        repx_buf_add(&path, list, len);
        repx_buf_str(&path, "/repx");
        if (list[0] == '/')
            dirs[n++] = keep_text(keep, repx_buf_text(&path));
        list += len + (list[len] == ':');
    }
    return dirs;
}

const char *paths_state_dir(struct keep *keep, struct repx_err *err)
{
    return xdg(keep, "XDG_STATE_HOME", ".local/state", err);
}

static int check_start(const char *path, struct repx_err *err)
{
    if (path[0] == '~' && path[1] && path[1] != '/') {
        return repx_fail(err, REPX_E_USAGE,
                         "`%s` names another user's home; write the path out", path);
    }
    if (path[0] != '/' && path[0] != '~' && path[0] != '$') {
        return repx_fail(
            err, REPX_E_USAGE,
            "`%s` is relative; begin it with `/`, `~/` or `$`, as in `~/%s`", path,
            path);
    }
    return 0;
}

/* The length of the name behind a '$', 0 when it is none that is looked up. */
static size_t name_len(const char *at)
{
    return strspn(at, NAME_FIRST) > 0 ? strspn(at, NAME_REST) : 0;
}

int paths_check_remote(const char *path, struct repx_err *err)
{
    if (check_start(path, err) < 0)
        return -1;
    for (const char *c = strchr(path, '$'); c; c = strchr(c + 1, '$')) {
        if (name_len(c + 1) == 0) {
            return repx_fail(err, REPX_E_USAGE,
                             "`%s`: `$` must be followed by a name in capitals, as in "
                             "`$SCRATCH`",
                             path);
        }
    }
    return 0;
}

static int add_variable(struct keep *keep, const char *name, size_t len,
                        struct repx_buf *to, struct repx_err *err)
{
    char *copy = keep_array(keep, len + 1, 1);
    const char *value;

    memcpy(copy, name, len);
    value = getenv(copy);
    if (!value || !*value) {
        return repx_fail(err, REPX_E_USAGE,
                         "$%s is not set; set it or write the path out", copy);
    }
    repx_buf_str(to, value);
    return 0;
}

const char *paths_expand(struct keep *keep, const char *path, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf out = {0};
    const char *c = path;

    if (paths_check_remote(path, err) < 0)
        return NULL;
    if (*c == '~') {
        const char *home = paths_home(keep, err);

        if (!home)
            return NULL;
        repx_buf_str(&out, home);
        c++;
    }
    while (*c) {
        size_t plain = strcspn(c, "$");

        repx_buf_add(&out, c, plain);
        c += plain;
        if (!*c)
            break;
        size_t len = name_len(c + 1);

        if (add_variable(keep, c + 1, len, &out, err) < 0)
            return NULL;
        c += len + 1;
    }
    if (repx_buf_text(&out)[0] != '/') {
        (void)repx_fail(err, REPX_E_USAGE,
                        "`%s` becomes `%s`, which is relative; make it absolute", path,
                        repx_buf_text(&out));
        return NULL;
    }
    while (out.len > 1 && out.data[out.len - 1] == '/')
        out.data[--out.len] = 0;
    return keep_text(keep, repx_buf_text(&out));
}
