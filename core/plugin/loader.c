/* SPDX-License-Identifier: MIT */
/* loader.c: from a name to a checked vtable.
 *
 *     name -> DIR/KIND-NAME.ini       the first on the search path; read, not run
 *          -> trust                   of the .so and all directories above it
 *          -> digest                  when the manifest pins one
 *          -> trial                   in a child, unless it came with this repx
 *          -> dlopen                  of the path that was checked, links resolved
 *          -> descriptor, vtable      copied by size, every mandatory function there
 *
 * Only after the trust check nobody else can exchange the file between two steps. */
#include "loader.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/config/nearest.h"
#include "core/plugin/elf.h"
#include "core/plugin/manifest.h"
#include "core/plugin/needs.h"
#include "core/plugin/paths.h"
#include "core/plugin/probe.h"
#include "core/plugin/trust.h"
#include "core/wire/digest.h"

#define PROBE_MS 5000

/* Loaded once, kept for ever: a plugin may have started threads or registered handlers
 * that cannot be taken back. */
struct loaded {
    struct plugin plugin;
    struct repx_plugin descriptor;
    struct loaded *next;
};
static struct loaded *all_loaded;

static int check_digest(const char *path, const char *want, struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct digest d;
    char hex[DIGEST_HEX];

    if (fd < 0)
        return repx_fail_errno(err, "%s", path);
    if (digest_fd(fd, &d, NULL, err) < 0)
        return repx_wrap(err, "%s", path);
    digest_hex(&d, hex);
    if (strcmp(hex, want) != 0) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s has sha256 %s, its manifest says %s; install the two "
                         "together, or write the manifest anew with repx-manifest",
                         path, hex, want);
    }
    return 0;
}

static int unknown(const struct plugin_paths *paths, uint32_t kind, const char *name,
                   struct repx_err *err)
{
    struct plugin_list list;
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (plugin_list(paths, &list, NULL, NULL, err) < 0)
        return -1;
    const char **names = repx_array(list.count + 1, sizeof(*names));
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i].kind == kind)
            names[count++] = list.items[i].name;
    }
    repx_buf_fmt(&text, "there is no %s plugin \"%.64s\"", plugin_kind_word(kind),
                 name);
    const char *near = nearest_word(name, names, count);
    if (near)
        repx_buf_fmt(&text, "; did you mean \"%s\"?", near);
    repx_buf_str(&text, count ? " Installed:" : "; none is installed. Searched:");
    for (size_t i = 0; i < count; i++)
        repx_buf_fmt(&text, "%s %s", i ? "," : "", names[i]);
    for (size_t i = 0; !count && i < paths->count; i++)
        repx_buf_fmt(&text, "%s %s", i ? "," : "", paths->dirs[i]);
    free(names);
    plugin_list_free(&list);
    return repx_fail(err, REPX_E_NOENT, "%s", repx_buf_text(&text));
}

/* dlsym gives a data pointer; ISO C has no cast from it to a function. */
static const struct repx_plugin *(*entry_of(void *handle))(void)
{
    void *symbol = dlsym(handle, REPX_PLUGIN_SYMBOL);
    const struct repx_plugin *(*entry)(void) = NULL;

    memcpy(&entry, &symbol, sizeof(entry));
    return entry;
}

static int check_identity(const struct repx_plugin *d, const struct plugin_info *info,
                          struct repx_err *err)
{
    if (d->kind != info->kind) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "kind is %s, its manifest and name say %s",
                         plugin_kind_word(d->kind), plugin_kind_word(info->kind));
    }
    if (strcmp(d->name, info->name) != 0) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "name is \"%s\", its manifest says \"%s\"", d->name,
                         info->name);
    }
    if (d->phase != info->phase) {
        return repx_fail(err, REPX_E_UNSUPPORTED, "phase is %s, its manifest says %s",
                         descriptor_phase_word(d->phase),
                         descriptor_phase_word(info->phase));
    }
    return 0;
}

static int descriptor_of(const char *path, struct repx_plugin *own,
                         struct repx_err *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        const char *why = dlerror();
        return repx_fail(err, REPX_E_UNSUPPORTED, "%s", why ? why : "cannot be loaded");
    }
    const struct repx_plugin *(*entry)(void) = entry_of(handle);
    if (!entry) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "exports no symbol " REPX_PLUGIN_SYMBOL
                         ": no repx plugin, or built for another epoch of its ABI");
    }
    return descriptor_adopt(entry(), own, err);
}

/* Standard output is for answers: what a plugin prints as it is loaded goes where talk
 * goes. */
static int look_into(const char *path, struct repx_plugin *own, struct repx_err *err)
{
    if (elf_check(path, err) < 0 || needs_check(path, err) < 0)
        return -1;
    (void)fflush(stdout);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out >= 0)
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    int rc = descriptor_of(path, own, err);
    (void)fflush(stdout);
    if (out >= 0)
        (void)dup2(out, STDOUT_FILENO);
    repx_close_fd(&out);
    return rc;
}

int plugin_examine(const char *file, struct repx_err *err)
{
    struct repx_plugin own;
    union plugin_ops ops;
    REPX_AUTO_FREE char *real = NULL;

    if (paths_refuse_privileged(err) < 0 || trust_file(file, &real, err) < 0)
        return -1;
    return look_into(real, &own, err) < 0 ? -1 : descriptor_adopt_ops(&own, &ops, err);
}

static int open_and_check(struct loaded *l, const char *path, struct repx_err *err)
{
    struct plugin *p = &l->plugin;

    if (look_into(path, &l->descriptor, err) < 0 ||
        check_identity(&l->descriptor, &p->info, err) < 0)
        return -1;
    p->descriptor = &l->descriptor;
    return descriptor_adopt_ops(&l->descriptor, &p->ops, err);
}

static int check_abi(const struct plugin_info *info, struct repx_err *err)
{
    if (info->abi_major == REPX_ABI_MAJOR && info->abi_minor == REPX_ABI_MINOR)
        return 0;
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "%s: built for ABI %u.%u, this repx has %d.%d; rebuild the plugin "
                     "with its SDK",
                     info->file, info->abi_major, info->abi_minor, REPX_ABI_MAJOR,
                     REPX_ABI_MINOR);
}

/* A stray .so is named, since copying only that is an easy mistake. */
static int no_manifest(const struct plugin_paths *paths, uint32_t kind,
                       const char *name, struct repx_err *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        REPX_AUTO_FREE char *so =
            repx_format("%s/%s-%s.so", paths->dirs[i], plugin_kind_word(kind), name);
        if (access(so, F_OK) == 0) {
            return repx_fail(err, REPX_E_UNSUPPORTED,
                             "%s has no manifest %s-%s.ini beside it; write it with "
                             "repx-manifest",
                             so, plugin_kind_word(kind), name);
        }
    }
    return unknown(paths, kind, name, err);
}

static struct plugin *known(const char *file)
{
    for (struct loaded *l = all_loaded; l; l = l->next) {
        if (strcmp(l->plugin.info.file, file) == 0)
            return &l->plugin;
    }
    return NULL;
}

/* What came with this repx, and not only beside it. */
static int is_bundled(const struct plugin_info *info)
{
    static const char *const names[] = {"local", "ssh", "openssh",   "slurm",
                                        "exec",  "lab", "bootstrap", "image"};
    int found = info->vendor && strcmp(info->vendor, "repx") == 0;

    for (size_t i = 0; found && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(info->name, names[i]) == 0)
            return 1;
    }
    return 0;
}

/* Plugins that came with this repx are as much its own as the rest of it; a stranger's is
 * tried in a child first, where ending or crashing as it is loaded does no harm. */
static int try_first(const struct plugin_paths *paths, const struct plugin_info *info,
                     const char *real, struct repx_err *err)
{
    const char *own = paths->count ? paths->dirs[paths->count - 1] : "";
    size_t n = strlen(own);

    if (plugin_probe_is_child() ||
        (n && strncmp(real, own, n) == 0 && real[n] == '/' && is_bundled(info)))
        return 0;
    return plugin_probe(info->file, PROBE_MS, err);
}

static struct plugin *load(const struct plugin_paths *paths, struct manifest *m,
                           struct repx_err *err)
{
    REPX_AUTO_FREE char *real = NULL;

    if (check_abi(&m->info, err) < 0 || trust_file(m->info.file, &real, err) < 0)
        return NULL;
    struct plugin *old = known(m->info.file);
    if (old)
        return old;
    if (m->info.sha256 && check_digest(real, m->info.sha256, err) < 0)
        return NULL;
    if (try_first(paths, &m->info, real, err) < 0)
        return NULL;
    struct loaded *l = REPX_NEW(struct loaded);
    l->plugin.info = m->info;
    memset(&m->info, 0, sizeof(m->info));
    if (open_and_check(l, real, err) < 0) {
        (void)repx_wrap(err, "%s", real);
        manifest_info_free(&l->plugin.info);
        free(l);
        return NULL;
    }
    l->next = all_loaded;
    all_loaded = l;
    return &l->plugin;
}

/* Its digests are worth what can be changed in it. *m is to be freed in any case. */
static int read_trusted(const char *path, struct manifest *m, struct repx_err *err)
{
    REPX_AUTO_FREE char *real = NULL;

    memset(m, 0, sizeof(*m));
    if (trust_file(path, &real, err) < 0)
        return -1;
    return manifest_read(path, m, err);
}

struct plugin *plugin_load(const struct plugin_paths *paths, uint32_t kind,
                           const char *name, struct repx_err *err)
{
    struct manifest m;
    struct plugin *p = NULL;

    if (paths_refuse_privileged(err) < 0)
        return NULL;
    REPX_AUTO_FREE char *path =
        descriptor_name_is_good(name) ? paths_manifest(paths, kind, name) : NULL;
    if (!path) {
        (void)(descriptor_name_is_good(name) ? no_manifest(paths, kind, name, err)
                                             : unknown(paths, kind, name, err));
        return NULL;
    }
    if (read_trusted(path, &m, err) == 0)
        p = load(paths, &m, err);
    manifest_free(&m);
    return p;
}

static char *helper_of(const struct manifest *m, const char *arch, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf have = {0};
    REPX_AUTO_FREE char *real = NULL;

    for (size_t i = 0; i < m->helper_count; i++) {
        const struct manifest_helper *h = &m->helpers[i];
        repx_buf_fmt(&have, "%s%s", i ? ", " : "", h->arch);
        if (strcmp(h->arch, arch) != 0)
            continue;
        REPX_AUTO_FREE char *path =
            repx_format("%s/sched-%s-linux-%s", m->info.helper_dir, m->info.name, arch);
        if (trust_file(path, &real, err) < 0 || check_digest(real, h->sha256, err) < 0)
            return NULL;
        return repx_strdup(real);
    }
    (void)repx_fail(err, REPX_E_NOENT, "scheduler %s has no helper for %s; it has: %s",
                    m->info.name, arch, have.len ? repx_buf_text(&have) : "none");
    return NULL;
}

char *plugin_helper(const struct plugin_info *info, const char *arch,
                    struct repx_err *err)
{
    struct manifest m;
    char *path = NULL;
    size_t n = strlen(info->file);

    /* Read again, since struct plugin_info carries no helpers: FILE.so -> FILE.ini. */
    REPX_AUTO_FREE char *ini = repx_format("%.*s.ini", (int)(n - 3), info->file);
    if (read_trusted(ini, &m, err) == 0) {
        if (m.info.kind == REPX_KIND_SCHEDULER) {
            path = helper_of(&m, arch, err);
        } else {
            (void)repx_fail(err, REPX_E_USAGE, "%s is no scheduler", info->name);
        }
    }
    manifest_free(&m);
    return path;
}
