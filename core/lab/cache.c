/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* realpath */
/* What is remembered about a Lab: $XDG_CACHE_HOME/repx/digests/<hash of its path>.
 *
 * One file per Lab: a header, a record per entry, and the texts they point to, in the
 * byte order of this machine. It is only a hint for this user: a file that is not
 * exactly what was written is taken for absent. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "source.h"

#define CACHE_MAGIC "repxdig1"
#define CACHE_MAX ((size_t)2 << 30)
#define NO_TEXT UINT32_MAX

struct header {
    char magic[8];
    uint64_t check; /* of all that follows it */
    uint64_t count, texts;
    struct stamp whole;
    uint64_t whole_size;
};

struct record {
    struct stamp stamp;
    uint64_t length;
    uint32_t path, link; /* where in the texts */
    uint32_t kind, executable;
    uint8_t digest[REPX_DIGEST_LEN];
};

#define CHECK_FROM offsetof(struct header, count)

/* $XDG_CACHE_HOME/repx/digests/HASH, and the Lab's real path, which is the first text. */
static char *cache_path(const char *lab, char **real)
{
    REPX_AUTO_FREE char *dir = repx_cache_path("digests");
    struct digest digest;
    char hex[DIGEST_HEX];

    *real = realpath(lab, NULL);
    if (!*real || !dir)
        return NULL;
    digest_of(*real, strlen(*real), &digest);
    digest_hex(&digest, hex);
    return repx_format("%s/%.32s", dir, hex);
}

static int good_header(const struct header *h, const struct repx_buf *file)
{
    size_t room = file->len - sizeof(*h);

    return memcmp(h->magic, CACHE_MAGIC, 8) == 0 &&
           h->count <= room / sizeof(struct record) &&
           h->texts == room - h->count * sizeof(struct record) && h->texts > 0 &&
           h->texts < NO_TEXT && file->data[file->len - 1] == 0 &&
           h->check == text_hash(file->data + CHECK_FROM, file->len - CHECK_FROM);
}

static int take_record(struct index *ix, const struct record *r, const char *texts,
                       uint64_t len)
{
    int linked = r->kind == REPX_ENTRY_LINK;

    if (r->path >= len || (linked ? r->link >= len : r->link != NO_TEXT) ||
        r->kind < REPX_ENTRY_FILE || r->kind > REPX_ENTRY_LINK)
        return -1;
    struct stamp *stamp =
        index_add(ix, r->kind, texts + r->path, linked ? texts + r->link : NULL);
    struct repx_entry *e = &ix->entries[ix->count - 1];
    *stamp = r->stamp;
    e->length = r->length;
    e->executable = r->executable;
    memcpy(e->digest, r->digest, sizeof(e->digest));
    return 0;
}

static int take_all(struct source *s, const struct repx_buf *file, const char *real,
                    struct index *ix)
{
    struct header h;
    struct record r;

    if (file->len <= sizeof(h))
        return 0;
    memcpy(&h, file->data, sizeof(h));
    if (!good_header(&h, file))
        return 0;
    char *texts = file->data + (file->len - h.texts);
    const char *records = file->data + sizeof(h);
    if (strcmp(texts, real) != 0)
        return 0;
    if (s->is_tar &&
        (!stamp_equal(&h.whole, &s->whole) || h.whole_size != s->whole_size))
        return 0;
    s->whole = h.whole;
    ix->cap = h.count + 1;
    ix->entries = repx_array(ix->cap, sizeof(*ix->entries));
    ix->stamps = repx_array(ix->cap, sizeof(*ix->stamps));
    for (size_t i = 0; i < h.count; i++) {
        memcpy(&r, records + i * sizeof(r), sizeof(r));
        if (r.stamp.same >= h.count || take_record(ix, &r, texts, h.texts) < 0)
            return 0;
    }
    return 1;
}

int64_t cache_path_at(int fd)
{
    struct header h;

    if (pread(fd, &h, sizeof(h), 0) != sizeof(h) ||
        memcmp(h.magic, CACHE_MAGIC, 8) != 0 ||
        h.count > CACHE_MAX / sizeof(struct record))
        return -1;
    return (int64_t)(sizeof(h) + h.count * sizeof(struct record));
}

/* Opened: it is of use for longer. */
static void keep(const char *name)
{
    struct stat st;

    if (stat(name, &st) == 0 && time(NULL) - st.st_mtime > 86400)
        (void)utimensat(AT_FDCWD, name, NULL, 0);
}

int cache_load(struct source *s, const char *path, struct index *ix)
{
    REPX_AUTO_FREE char *real = NULL;
    REPX_AUTO_FREE char *name = cache_path(path, &real);
    struct repx_buf file = {0};

    if (!name || repx_read_file(AT_FDCWD, name, CACHE_MAX, &file, NULL) < 0 ||
        !take_all(s, &file, real, ix)) {
        repx_buf_free(&file);
        index_free(ix);
        return 0;
    }
    ix->strings = repx_buf_detach(&file);
    index_hash(ix);
    keep(name);
    return 1;
}

static uint32_t put_text(struct repx_buf *texts, const char *text)
{
    uint32_t at = (uint32_t)texts->len;

    repx_buf_add(texts, text, strlen(text) + 1);
    return at;
}

/* What was changed a moment ago is written without its identity: it matches nothing. */
static struct stamp settled(const struct source *s, const struct stamp *stamp)
{
    struct stamp out = *stamp;

    if (!s->is_tar &&
        (stamp->mtime_ns > s->since_ns || stamp->ctime_ns > s->since_ns)) {
        out.ino = out.dev = 0;
        out.ctime_ns = -1;
    }
    return out;
}

static void write_cache(const struct source *s, const char *name, const char *real)
{
    const struct index *ix = &s->index;
    struct repx_buf out = {0}, texts = {0};
    struct header h = {.count = ix->count,
                       .whole = settled(s, &s->whole),
                       .whole_size = s->whole_size};

    memcpy(h.magic, CACHE_MAGIC, 8);
    repx_buf_add(&out, &h, sizeof(h));
    (void)put_text(&texts, real);
    for (size_t i = 0; i < ix->count; i++) {
        const struct repx_entry *e = &ix->entries[i];
        struct record r;
        memset(&r, 0, sizeof(r));
        r.stamp = settled(s, &ix->stamps[i]);
        r.length = e->length;
        r.path = put_text(&texts, e->path);
        r.link = e->link ? put_text(&texts, e->link) : NO_TEXT;
        r.kind = e->kind;
        r.executable = e->executable;
        memcpy(r.digest, e->digest, sizeof(r.digest));
        repx_buf_add(&out, &r, sizeof(r));
    }
    h.texts = texts.len;
    repx_buf_add(&out, texts.data, texts.len);
    memcpy(out.data, &h, sizeof(h));
    h.check = text_hash(out.data + CHECK_FROM, out.len - CHECK_FROM);
    memcpy(out.data, &h, sizeof(h));
    if (texts.len < NO_TEXT)
        (void)repx_write_file(AT_FDCWD, name, out.data, out.len, 0600, NULL);
    repx_buf_free(&out);
    repx_buf_free(&texts);
}

void cache_save(const struct source *s, const char *path)
{
    REPX_AUTO_FREE char *real = NULL;
    REPX_AUTO_FREE char *name = cache_path(path, &real);

    if (!name)
        return;
    if (s->is_tar &&
        (s->whole.mtime_ns > s->since_ns || s->whole.ctime_ns > s->since_ns))
        return;
    char *slash = strrchr(name, '/');
    *slash = 0;
    int rc = repx_make_dirs(name, 0700, NULL);
    cache_prune(name);
    *slash = '/';
    if (rc == 0)
        write_cache(s, name, real);
}
