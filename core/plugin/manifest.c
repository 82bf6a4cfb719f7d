/* SPDX-License-Identifier: MIT */
#include "manifest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/printable.h>

#include "core/ini/ini.h"
#include "core/plugin/descriptor.h"
#include "core/wire/digest.h"

#define MANIFEST_FILE_MAX 262144u
#define MANIFEST_TEXT_MAX 4096u

struct reading {
    struct manifest *m;
    uint32_t seen; /* bits of the rows below */
};

static int take_kind(struct plugin_info *info, const char *value, struct repx_err *err)
{
    for (uint32_t kind = REPX_KIND_TRANSPORT; kind <= REPX_KIND_SYNC; kind++) {
        if (strcmp(value, descriptor_kind_word(kind)) == 0) {
            info->kind = kind;
            return 0;
        }
    }
    return repx_fail(err, REPX_E_CORRUPT,
                     "kind is \"%.64s\", need transport, sched or sync", value);
}

static int take_phase(struct plugin_info *info, const char *value, struct repx_err *err)
{
    for (uint32_t p = REPX_PHASE_BOOTSTRAP; p <= REPX_PHASE_IMAGE; p++) {
        if (strcmp(value, descriptor_phase_word(p)) == 0) {
            info->phase = p;
            return 0;
        }
    }
    return repx_fail(err, REPX_E_CORRUPT,
                     "phase is \"%.64s\", need bootstrap, lab or image", value);
}

/* Digits up to *end, which is 0 or a dot. */
static int take_number(const char *from, char **end, uint32_t *to)
{
    if (!isdigit((unsigned char)*from))
        return 0;
    errno = 0;
    unsigned long n = strtoul(from, end, 10);
    if (errno || n > UINT32_MAX)
        return 0;
    *to = (uint32_t)n;
    return 1;
}

static int take_abi(struct plugin_info *info, const char *value, struct repx_err *err)
{
    char *end = NULL;

    if (take_number(value, &end, &info->abi_major) && *end == '.' &&
        take_number(end + 1, &end, &info->abi_minor) && !*end)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT, "abi is \"%.64s\", need MAJOR.MINOR", value);
}

static int take_name(struct plugin_info *info, const char *value, struct repx_err *err)
{
    if (!descriptor_name_is_good(value)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "name is \"%.64s\", need [a-z][a-z0-9-]{0,31}", value);
    }
    info->name = repx_strdup(value);
    return 0;
}

static int check_digest(const char *value, struct repx_err *err)
{
    struct digest d;

    if (!digest_parse(value, &d)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "\"%.80s\" is no SHA-256 in 64 lower-case hex digits", value);
    }
    return 0;
}

static int take_sha256(struct plugin_info *info, const char *value,
                       struct repx_err *err)
{
    if (check_digest(value, err) < 0)
        return -1;
    info->sha256 = repx_strdup(value);
    return 0;
}

/* The names of [plugin]: those with a `take` are checked and come once, the others are
 * texts that may go on in indented lines. */
static const struct {
    const char *name;
    int (*take)(struct plugin_info *info, const char *value, struct repx_err *err);
    size_t text; /* offset in struct plugin_info */
    int needed;
} rows[] = {
    {"kind", take_kind, 0, 1},
    {"name", take_name, 0, 1},
    {"phase", take_phase, 0, 0},
    {"abi", take_abi, 0, 1},
    {"sha256", take_sha256, 0, 0},
    {"version", NULL, offsetof(struct plugin_info, version), 0},
    {"vendor", NULL, offsetof(struct plugin_info, vendor), 0},
    {"license", NULL, offsetof(struct plugin_info, license), 0},
    {"summary", NULL, offsetof(struct plugin_info, summary), 0},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static char **text_of(struct plugin_info *info, size_t offset)
{
    return (char **)(void *)((char *)info + offset);
}

static int take_text(struct plugin_info *info, size_t row, const char *value,
                     struct repx_err *err)
{
    char **text = text_of(info, rows[row].text);
    char *old = *text;

    if ((old ? strlen(old) : 0) + strlen(value) > MANIFEST_TEXT_MAX) {
        return repx_fail(err, REPX_E_CORRUPT, "%s is longer than %u bytes",
                         rows[row].name, MANIFEST_TEXT_MAX);
    }
    *text = old ? repx_format("%s %s", old, value) : repx_strdup(value);
    free(old);
    repx_printable(*text, "");
    return 0;
}

static int take_row(struct reading *r, const char *name, const char *value,
                    struct repx_err *err)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (!rows[i].take)
            return take_text(&r->m->info, i, value, err);
        if (r->seen & (1u << i))
            return repx_fail(err, REPX_E_CORRUPT, "%s is given twice", name);
        r->seen |= 1u << i;
        return rows[i].take(&r->m->info, value, err);
    }
    return 0;
}

static int take_helper(struct manifest *m, const char *arch, const char *value,
                       struct repx_err *err)
{
    size_t n = strspn(arch, "abcdefghijklmnopqrstuvwxyz0123456789_");

    if (!n || n > 32 || arch[n]) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "\"%.64s\" is no architecture as uname -m prints it", arch);
    }
    if (m->helper_count == MANIFEST_HELPERS)
        return repx_fail(err, REPX_E_CORRUPT, "more than %d helpers", MANIFEST_HELPERS);
    if (check_digest(value, err) < 0)
        return -1;
    m->helpers[m->helper_count].arch = repx_strdup(arch);
    m->helpers[m->helper_count++].sha256 = repx_strdup(value);
    return 0;
}

static int each(void *ctx, const char *section, const char *name, const char *value,
                int line, struct repx_err *err)
{
    struct reading *r = ctx;

    (void)line;
    if (strcmp(section, "plugin") == 0)
        return take_row(r, name, value, err);
    if (strcmp(section, "helpers") == 0)
        return take_helper(r->m, name, value, err);
    return 0;
}

/* ".../KIND-NAME.ini" and what it says of itself must be one. */
static int check_whole(const char *path, struct reading *r, struct repx_err *err)
{
    struct plugin_info *info = &r->m->info;
    const char *base = strrchr(path, '/');

    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].needed && !(r->seen & (1u << i))) {
            return repx_fail(err, REPX_E_CORRUPT, "%s: [plugin] has no %s", path,
                             rows[i].name);
        }
    }
    if ((info->kind == REPX_KIND_SYNC) != (info->phase != REPX_PHASE_NONE)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: a sync plugin has a phase, no other",
                         path);
    }
    REPX_AUTO_FREE char *stem =
        repx_format("%s-%s", descriptor_kind_word(info->kind), info->name);
    REPX_AUTO_FREE char *want = repx_format("%s.ini", stem);
    base = base ? base + 1 : path;
    if (strcmp(base, want) != 0) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: is the manifest of %s, not of %s",
                         path, stem, base);
    }
    int dir = (int)(base - path);
    info->file = repx_format("%.*s%s.so", dir, path, stem);
    if (info->kind == REPX_KIND_SCHEDULER) {
        info->helper_dir = dir > 1 ? repx_strndup(path, (size_t)dir - 1)
                                   : repx_strdup(dir ? "/" : ".");
    }
    for (size_t i = 0; i < ROWS; i++) {
        if (!rows[i].take && !*text_of(info, rows[i].text))
            *text_of(info, rows[i].text) = repx_strdup("");
    }
    return 0;
}

int manifest_parse(const char *path, const char *text, size_t n, struct manifest *m,
                   struct repx_err *err)
{
    struct reading r = {.m = m};

    memset(m, 0, sizeof(*m));
    if (ini_each_text(path, text, n, each, &r, err) < 0)
        return -1;
    return check_whole(path, &r, err);
}

int manifest_read(const char *path, struct manifest *m, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    memset(m, 0, sizeof(*m));
    if (repx_read_file(AT_FDCWD, path, MANIFEST_FILE_MAX, &text, err) < 0)
        return -1;
    return manifest_parse(path, repx_buf_text(&text), text.len, m, err);
}

void manifest_info_free(struct plugin_info *info)
{
    free(info->name);
    free(info->file);
    free(info->version);
    free(info->vendor);
    free(info->license);
    free(info->summary);
    free(info->sha256);
    free(info->helper_dir);
    memset(info, 0, sizeof(*info));
}

void manifest_free(struct manifest *m)
{
    manifest_info_free(&m->info);
    for (size_t i = 0; i < m->helper_count; i++) {
        free(m->helpers[i].arch);
        free(m->helpers[i].sha256);
    }
    m->helper_count = 0;
}
