/* SPDX-License-Identifier: MIT */
#include "tar.h"

#include <string.h>

#include "tar_header.h"

#define MEMBERS_MAX 8000000u
#define HARD_LINKS_MAX 100
#define STAMP_HARD 0x100u /* a hard link not yet resolved: entry.link is its target */

static const char manifest_end[] = "lab-metadata.json";

static int add_member(struct index *ix, struct arena *arena, const struct tar_member *m,
                      struct repx_err *err)
{
    const char *name = repx_buf_text(&m->name), *link = NULL;
    uint32_t kind = m->type == '5'   ? REPX_ENTRY_DIR
                    : m->type == '2' ? REPX_ENTRY_LINK
                                     : REPX_ENTRY_FILE;

    if (!strchr("0125", m->type))
        return 0; /* devices, pipes and what may come: not part of a Lab */
    if (kind == REPX_ENTRY_DIR && (strcmp(name, ".") == 0 || strcmp(name, "./") == 0))
        return 0;
    const char *clean = index_clean_path(arena, name, m->name.len);
    if (!clean) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: leads out of the archive; make it again from inside the "
                         "Lab's directory",
                         name);
    }
    if (m->type == '1') {
        link = index_clean_path(arena, repx_buf_text(&m->link), m->link.len);
    } else if (m->type == '2' && m->link.len) {
        link = arena_text(arena, repx_buf_text(&m->link), m->link.len);
    }
    if (!link && (m->type == '1' || m->type == '2')) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: is a link to nothing inside the archive; make it again",
                         name);
    }
    if (ix->count >= MEMBERS_MAX) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: more than %u members", name,
                         MEMBERS_MAX);
    }
    struct stamp *stamp = index_add(ix, kind, clean, link);
    struct repx_entry *e = &ix->entries[ix->count - 1];
    stamp->flags = STAMP_KNOWN | (m->type == '1' ? STAMP_HARD : 0);
    stamp->offset = m->offset;
    e->length = m->length;
    e->executable = kind == REPX_ENTRY_FILE && (m->mode & 0100);
    return 0;
}

static int read_members(int fd, uint64_t size, struct index *ix, struct arena *arena,
                        struct repx_err *err)
{
    struct tar_reader r = {.fd = fd, .size = size};
    struct tar_member m = {0};
    int more;

    while ((more = tar_next(&r, &m, err)) == 1) {
        more = add_member(ix, arena, &m, err);
        if (more < 0)
            break;
    }
    tar_member_finish(&m);
    return more;
}

/* Length of what stands before "lab/<...>lab-metadata.json", or INDEX_NONE. */
static size_t prefix_of(const char *path)
{
    size_t n = strlen(path), tail = sizeof(manifest_end) - 1;
    const char *slash = strrchr(path, '/');

    if (!slash || n < tail || strcmp(path + n - tail, manifest_end) != 0 ||
        strlen(slash + 1) < tail)
        return INDEX_NONE;
    size_t dir = (size_t)(slash - path);
    if (dir < 3 || memcmp(slash - 3, "lab", 3) != 0 || (dir > 3 && slash[-4] != '/'))
        return INDEX_NONE;
    return dir - 3;
}

/* Of several manifests the outermost one is meant: a job may well hold a Lab of its own. */
static int strip_prefix(struct index *ix, struct repx_err *err)
{
    const char *chosen = NULL;
    size_t len = INDEX_NONE, kept = 0;

    for (size_t i = 0; i < ix->count; i++) {
        size_t n = ix->entries[i].kind == REPX_ENTRY_DIR
                       ? INDEX_NONE
                       : prefix_of(ix->entries[i].path);
        if (n < len) {
            len = n;
            chosen = ix->entries[i].path;
        }
    }
    if (!chosen) {
        return repx_fail(err, REPX_E_NOENT,
                         "lab/*lab-metadata.json: not in the archive, so it holds no "
                         "Lab; name another file or a directory");
    }
    for (size_t i = 0; i < ix->count; i++) {
        struct repx_entry *e = &ix->entries[i];
        if (strncmp(e->path, chosen, len) != 0 || strlen(e->path) <= len)
            continue;
        e->path += len;
        if (ix->stamps[i].flags & STAMP_HARD)
            e->link = strncmp(e->link, chosen, len) == 0 ? e->link + len : "";
        ix->entries[kept] = *e;
        ix->stamps[kept] = ix->stamps[i];
        kept++;
    }
    ix->count = kept;
    index_settle(ix);
    return 0;
}

static int imply_parent(struct index *ix, struct arena *arena, const char *path,
                        size_t len, struct repx_err *err)
{
    size_t at = index_find(ix, path, len);

    if (at == INDEX_NONE) {
        const char *parent = arena_text(arena, path, len);
        index_add(ix, REPX_ENTRY_DIR, parent, NULL)->flags = STAMP_KNOWN;
        return 0;
    }
    if (ix->entries[at].kind == REPX_ENTRY_DIR)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT,
                     "%s: is below %s, which is no directory; make the archive again",
                     path, ix->entries[at].path);
}

/* Every directory above an entry is one, whether the archive mentions it or not. */
static int imply_parents(struct index *ix, struct arena *arena, struct repx_err *err)
{
    size_t count = ix->count;
    const char *last = ""; /* the entry before: its parents need no second look */

    for (size_t i = 0; i < count; i++) {
        const char *path = ix->entries[i].path;
        for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
            size_t len = (size_t)(p - path);
            if (strncmp(path, last, len + 1) == 0)
                continue;
            if (imply_parent(ix, arena, path, len, err) < 0)
                return -1;
        }
        last = path;
    }
    index_settle(ix);
    return 0;
}

static int resolve_hard_link(struct index *ix, size_t i, struct repx_err *err)
{
    struct repx_entry *e = &ix->entries[i];
    size_t at = i;

    for (int n = 0; ix->stamps[at].flags & STAMP_HARD; n++) {
        const char *target = ix->entries[at].link;
        at = index_find(ix, target, strlen(target));
        if (at == INDEX_NONE || ix->entries[at].kind == REPX_ENTRY_DIR) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: is a hard link to %s, which is no file of the Lab; "
                             "make the archive again",
                             e->path, *target ? target : "something outside");
        }
        if (n >= HARD_LINKS_MAX) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: is a hard link in circles or through more than %d "
                             "others; make the archive again",
                             e->path, HARD_LINKS_MAX);
        }
    }
    const char *path = e->path;
    *e = ix->entries[at];
    e->path = path;
    ix->stamps[i] = ix->stamps[at];
    return 0;
}

static int resolve_hard_links(struct index *ix, struct repx_err *err)
{
    for (size_t i = 0; i < ix->count; i++) {
        if ((ix->stamps[i].flags & STAMP_HARD) && resolve_hard_link(ix, i, err) < 0)
            return -1;
    }
    return index_check_links(ix, err);
}

int tar_index(int fd, uint64_t size, struct index *ix, struct arena *arena,
              struct repx_err *err)
{
    if (read_members(fd, size, ix, arena, err) < 0 || strip_prefix(ix, err) < 0 ||
        imply_parents(ix, arena, err) < 0)
        return -1;
    return resolve_hard_links(ix, err);
}
