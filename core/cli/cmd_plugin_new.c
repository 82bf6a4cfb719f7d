/* SPDX-License-Identifier: MIT */
/* plugin new: a directory that builds into a plugin, from the SDK's templates. In names
 * and texts NAME stands for the plugin's: @NAME@ as it is, @NAME_C@ for C, @DIR@ for the
 * directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "cmd_plugin.h"

#define FILE_MAX (1u << 20)
#define DEPTH_MAX 4

static const struct {
    const char *word, *prefix;
} kinds[] = {{"scheduler", "sched"}, {"transport", "transport"}, {"sync", "sync"}};

/* What is put in the place of what. */
struct fill {
    const char *name;
    char *name_c, *dir;
};

/* The plugin's name in C: without hyphens, and no word of C or of the templates. */
static char *name_in_c(const char *name)
{
    static const char *const taken[] = {
        "auto",      "break",    "case",     "char",   "const",   "continue",
        "default",   "do",       "double",   "else",   "enum",    "extern",
        "float",     "for",      "goto",     "if",     "inline",  "int",
        "long",      "register", "restrict", "return", "short",   "signed",
        "sizeof",    "static",   "struct",   "switch", "typedef", "union",
        "unsigned",  "void",     "volatile", "while",  "asm",     "typeof",
        "bool",      "class",    "delete",   "new",    "this",    "template",
        "namespace", "private",  "public",   "batch",  "finding", "link",
        "stream",    "unix",     "linux"};
    char *own = repx_strdup(name);

    for (char *c = own; (c = strchr(c, '-'));)
        *c = '_';
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(own, taken[i]) != 0)
            continue;
        free(own);
        return repx_format("my_%s", name);
    }
    return own;
}

/* Within quotes, in TOML and in C. */
static void put_quoted(struct repx_buf *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            repx_buf_char(to, '\\');
        repx_buf_char(to, *text);
    }
}

static void put_filled(const struct fill *f, const char *text, struct repx_buf *to)
{
    const struct {
        const char *mark, *value;
    } marks[] = {{"@NAME@", f->name}, {"@NAME_C@", f->name_c}, {"@DIR@", f->dir}};

    while (*text) {
        size_t i = 0;
        while (i < 3 && strncmp(text, marks[i].mark, strlen(marks[i].mark)) != 0)
            i++;
        if (i < 3) {
            put_quoted(to, marks[i].value);
            text += strlen(marks[i].mark);
        } else {
            repx_buf_char(to, *text++);
        }
    }
}

/* NAME.c.in -> mine.c */
static char *filled_name(const struct fill *f, const char *file)
{
    size_t n = strlen(file);
    const char *at = strstr(file, "NAME");

    if (n > 3 && strcmp(file + n - 3, ".in") == 0)
        n -= 3;
    if (!at)
        return repx_strndup(file, n);
    return repx_format("%.*s%s%.*s", (int)(at - file), file, f->name,
                       (int)(n - (size_t)(at - file) - 4), at + 4);
}

static int copy_file(const struct fill *f, const char *from, const char *to,
                     mode_t mode, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0}, filled = {0};

    if (repx_read_file(AT_FDCWD, from, FILE_MAX, &text, err) < 0)
        return -1;
    put_filled(f, repx_buf_text(&text), &filled);
    return repx_write_file(AT_FDCWD, to, filled.data, filled.len,
                           mode & S_IXUSR ? 0755 : 0644, err);
}

static int copy_tree(const struct fill *f, const char *from, const char *to, int depth,
                     struct repx_err *err);

static int copy_entry(const struct fill *f, const char *from, const char *to,
                      const char *name, int depth, struct repx_err *err)
{
    REPX_AUTO_FREE char *own = filled_name(f, name);
    REPX_AUTO_FREE char *source = repx_format("%s/%s", from, name);
    REPX_AUTO_FREE char *target = repx_format("%s/%s", to, own);
    struct stat st;

    if (stat(source, &st) < 0)
        return repx_fail_errno(err, "%s", source);
    if (S_ISDIR(st.st_mode))
        return copy_tree(f, source, target, depth + 1, err);
    return copy_file(f, source, target, st.st_mode, err);
}

static int copy_tree(const struct fill *f, const char *from, const char *to, int depth,
                     struct repx_err *err)
{
    DIR *d = depth < DEPTH_MAX ? opendir(from) : NULL;
    int rc = 0;

    if (!d) {
        return repx_fail_errno(
            err, "no templates in %s (are they installed with repx?)", from);
    }
    if (mkdir(to, 0777) < 0)
        rc = repx_fail_errno(err, "%s", depth ? to : f->dir);
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        if (e->d_name[0] != '.')
            rc = copy_entry(f, from, to, e->d_name, depth, err);
    }
    (void)closedir(d);
    return rc;
}

static const char *prefix_of(const char *kind, struct repx_err *err)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i].word) == 0)
            return kinds[i].prefix;
    }
    (void)repx_fail(err, REPX_E_USAGE, "`%s` is none of scheduler, transport, sync",
                    kind);
    return NULL;
}

/* Whole or not at all: written beside its place. */
static int make(const struct fill *f, const char *from, const char *dir,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *beside = repx_format("%s.%d.tmp", dir, (int)getpid());
    struct stat st;

    if (lstat(dir, &st) == 0)
        return repx_fail(err, REPX_E_USAGE, "%s exists; name another directory", dir);
    int rc = copy_tree(f, from, beside, 0, err);
    if (rc == 0 && rename(beside, dir) < 0)
        rc = repx_fail_errno(err, "%s", dir);
    if (rc < 0)
        (void)repx_remove_tree(AT_FDCWD, beside, NULL);
    return rc;
}

static char *absolute(const char *dir)
{
    REPX_AUTO_FREE char *here = dir[0] == '/' ? NULL : getcwd(NULL, 0);

    return here ? repx_format("%s/%s", here, dir) : repx_strdup(dir);
}

static int plugin_new_main(struct cli *cli, const void *args, char **words, int count,
                           struct repx_err *err)
{
    const char *prefix = prefix_of(words[0], err), *name = words[1];

    (void)args;
    if (!prefix || cli_paths(cli, err) < 0)
        return -1;
    if (!descriptor_name_is_good(name)) {
        return repx_fail(err, REPX_E_USAGE,
                         "`%s` is no name for a plugin; take a letter, then letters, "
                         "digits and `-`, all lower case",
                         name);
    }
    REPX_AUTO_FREE char *dir =
        count > 2 ? absolute(words[2]) : repx_format("%s-%s", prefix, name);
    REPX_AUTO_FREE char *from = repx_format("%s/" REPX_TEMPLATE_FROM_LIBEXEC "/%s",
                                            plugin_libexec(cli->paths), words[0]);
    struct fill f = {name, name_in_c(name), absolute(dir)};
    int rc = make(&f, from, dir, err);
    free(f.name_c);
    free(f.dir);
    if (rc == 0)
        ui_say("%s: read README.md there, then build it with cmake or make", dir);
    return rc;
}

const struct cmd cmd_plugin_new = {
    .name = "new",
    .usage = "scheduler|transport|sync NAME [DIR]",
    .summary = "write a directory that builds into a plugin",
    .min_words = 2,
    .max_words = 3,
    .main = plugin_new_main,
};
