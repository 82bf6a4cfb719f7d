/* SPDX-License-Identifier: MIT */
/* A manifest for each Lab. Labs share the names lab/lab-metadata.json and
 * revision/metadata-*.json, so the last one that came has them. What keeps an older Lab's
 * files from being collected is a manifest of its own:
 *
 *     lab/ID-lab-metadata.json       as the Lab's, but `metadata` is the next
 *     revision/ID-metadata-top.json  as the Lab's, but `runs` are the next
 *     revision/ID-metadata-RUN.json  link(2) of the Lab's
 *
 * The list of files is the Lab's and what it does not name (lab_files.h). S/labs/ID remembers
 * what they were made from, so that making them again is two stats and two an image. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/json_member.h"
#include "core/agent/lab_files.h"
#include "core/agent/store.h"
#include "core/agent/store_fs.h"

#define SUFFIX "-lab-metadata.json"
#define COMMON "lab-metadata.json"
#define LARGEST (256u << 20)
#define RUNS "revision/"
#define FORMAT "repx-lab 2\n"
#define RECORD_MAX ((size_t)1 << 20)

struct keep {
    const struct site *site;
    const struct lab_told *told; /* NULL: nothing */
    int artifacts;
    char *id;
    const char *manifest; /* its own, ID-lab-metadata.json */
    char *source;         /* the Lab's, below lab/ */
    json_t *json;         /* of the source, without its files */
    struct repx_buf text; /* of the source, in which they lie */
    struct lab_files files;
    struct repx_buf images; /* that runs name, a line each */
};

/* ---- the Lab's files: at their names, or kept since another Lab took those ---- */

static const struct digest *digest_of_file(const struct keep *k, const char *path)
{
    for (size_t i = 0; k->told && i < k->told->count; i++) {
        if (strcmp(k->told->items[i].path, path) == 0)
            return &k->told->items[i].digest;
    }
    return NULL;
}

/* 1 read, 0 it is none or not the one with that digest. */
static int read_if(const struct keep *k, const char *path, const struct digest *want,
                   struct repx_buf *text, struct repx_err *err)
{
    struct digest is;

    text->len = 0;
    REPX_AUTO_CLOSE int real =
        store_openat(k->site->base_fd, path, O_RDONLY | O_NONBLOCK, 0);
    if (real < 0) {
        (void)repx_fail_errno(err, "%s", path);
        return 0;
    }
    if (repx_read_file(k->site->base_fd, path, LARGEST, text, err) < 0)
        return 0;
    if (want)
        digest_of(repx_buf_text(text), text->len, &is);
    return !want || memcmp(&is, want, sizeof(is)) == 0;
}

static int taken_by_another(const struct keep *k, const char *path,
                            struct repx_err *err)
{
    return repx_fail(err, REPX_E_BUSY,
                     "%s/artifacts/%s: another Lab was sent at the same moment and has "
                     "its name; run again",
                     k->site->base, path);
}

static int read_file(const struct keep *k, const char *path, struct repx_buf *text,
                     struct repx_err *err)
{
    const struct digest *want = digest_of_file(k, path);
    REPX_AUTO_FREE char *named = repx_format("artifacts/%s", path);
    REPX_AUTO_FREE char *kept = want ? store_kept_path(want, 0) : NULL;

    if (read_if(k, named, want, text, err) ||
        (kept && read_if(k, kept, want, text, err)))
        return 0;
    return want ? taken_by_another(k, path, err) : -1;
}

static json_t *read_json(const struct keep *k, const char *path, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    json_error_t why;

    if (read_file(k, path, &text, err) < 0)
        return NULL;
    json_t *json = json_loadb(repx_buf_text(&text), text.len, 0, &why);
    if (!json)
        (void)repx_fail(err, REPX_E_CORRUPT, "artifacts/%s: %s", path, why.text);
    return json;
}

static int write_text(const struct keep *k, const char *path,
                      const struct repx_buf *text, struct repx_err *err)
{
    if (repx_write_file(k->artifacts, path, text->data, text->len, 0644, err) < 0)
        return repx_wrap(err, "%s/artifacts", k->site->base);
    return 0;
}

static int dump(const json_t *json, const char *path, struct repx_buf *to,
                struct repx_err *err)
{
    char *text = json_dumps(json, JSON_COMPACT);

    if (!text)
        return repx_fail(err, REPX_E_CORRUPT, "artifacts/%s: cannot be written", path);
    repx_buf_str(to, text);
    free(text);
    return 0;
}

/* ---- manifests: the list of files, which is nearly all of them, stays text ---- */

static json_t *read_manifest(const struct keep *k, const char *path,
                             struct repx_buf *text)
{
    struct repx_err ignored = {0};
    REPX_AUTO_BUF struct repx_buf rest = {0};
    size_t from, end;

    if (read_file(k, path, text, &ignored) < 0)
        return NULL;
    if (!json_member_find(repx_buf_text(text), text->len, "files", &from, &end))
        return json_loadb(repx_buf_text(text), text->len, 0, NULL);
    repx_buf_add(&rest, text->data, from);
    repx_buf_char(&rest, '0');
    repx_buf_add(&rest, text->data + end, text->len - end);
    return json_loadb(rest.data, rest.len, 0, NULL);
}

/* The Lab's list and what it does not name. */
static void put_files(const struct keep *k, size_t from, size_t end,
                      struct repx_buf *to)
{
    const char *list = k->text.data + from;
    const struct repx_buf *more = &k->files.more;
    size_t n = end - from;

    while (n && strchr(" \t\r\n", list[n - 1]))
        n--;
    if (!more->len || n < 2 || list[0] != '[' || list[n - 1] != ']') {
        repx_buf_add(to, list, n);
        return;
    }
    size_t held = 1 + strspn(list + 1, " \t\r\n"); /* before the first element */
    int none = held == n - 1;
    repx_buf_add(to, list, n - 1);
    repx_buf_add(to, more->data + none, more->len - (size_t)none);
    repx_buf_char(to, ']');
}

static int write_manifest(const struct keep *k, const char *path, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf rest = {0};
    REPX_AUTO_BUF struct repx_buf all = {0};
    size_t from, end, files, files_end;

    if (dump(k->json, path, &rest, err) < 0)
        return -1;
    if (!json_member_find(repx_buf_text(&k->text), k->text.len, "files", &files,
                          &files_end) ||
        !json_member_find(rest.data, rest.len, "files", &from, &end))
        return write_text(k, path, &rest, err);
    /* at once: it is long */
    (void)repx_buf_room(&all, rest.len + files_end - files + k->files.more.len);
    repx_buf_add(&all, rest.data, from);
    put_files(k, files, files_end, &all);
    repx_buf_add(&all, rest.data + end, rest.len - end);
    return write_text(k, path, &all, err);
}

/* ---- which file is the Lab's own manifest ---- */

static int take_source(struct keep *k, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("lab/%s", name);

    k->json = read_manifest(k, path, &k->text);
    const char *id = json_string_value(json_object_get(k->json, "labId"));
    if (id && strcmp(id, k->id) == 0) {
        k->source = repx_strdup(name);
        return 1;
    }
    json_decref(k->json);
    k->json = NULL;
    repx_buf_free(&k->text);
    return 0;
}

/* As the Lab calls it. */
static int find_told(struct keep *k, struct repx_err *err)
{
    for (size_t i = 0; i < k->told->count; i++) {
        const char *path = k->told->items[i].path;
        if (strncmp(path, "lab/", 4) == 0)
            return take_source(k, path + 4) ? 0 : taken_by_another(k, path, err);
    }
    return repx_fail(err, REPX_E_CORRUPT, "the request tells no manifest");
}

/* The common name first; else any other, our own last. */
static int find_source(struct keep *k, struct repx_err *err)
{
    size_t suffix = sizeof(COMMON) - 1;

    if (take_source(k, COMMON))
        return 0;
    int fd = store_openat(k->artifacts, "lab", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        repx_close_fd(&fd);
        return store_fail(err, k->site->base, "artifacts/lab");
    }
    for (struct dirent *e = readdir(d); e && !k->source; e = readdir(d)) {
        size_t n = strlen(e->d_name);
        if (n > suffix && strcmp(e->d_name + n - suffix, COMMON) == 0 &&
            strcmp(e->d_name, k->manifest) != 0)
            (void)take_source(k, e->d_name);
    }
    (void)closedir(d);
    if (k->source || take_source(k, k->manifest))
        return 0;
    return repx_fail(err, REPX_E_NOENT,
                     "no manifest of Lab %s lies in %s/artifacts/lab; was another Lab "
                     "sent at the same moment? run again",
                     k->id, k->site->base);
}

/* ---- making ---- */

/* revision/metadata-x.json -> revision/ID-metadata-x.json; NULL when it is no such path. */
static char *own_name(const struct keep *k, const char *path)
{
    const char *leaf = path + sizeof(RUNS) - 1;
    size_t n = strlen(k->id);

    if (!repx_path_is_inside(path) || strncmp(path, RUNS, sizeof(RUNS) - 1) != 0 ||
        strchr(leaf, '/'))
        return NULL;
    if (strncmp(leaf, k->id, n) == 0 && leaf[n] == '-')
        return repx_strdup(path);
    return repx_format(RUNS "%s-%s", k->id, leaf);
}

static int is_same_file(int dir, const char *a, const char *b)
{
    struct stat x, y;

    return store_lstat(dir, a, &x) == 0 && store_lstat(dir, b, &y) == 0 &&
           x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* 1 when `own` is that file now. */
static int link_from(const struct keep *k, const char *from, const struct digest *want,
                     const char *own)
{
    REPX_AUTO_FREE char *tmp = repx_format("%s.%ld.tmp", own, (long)getpid());
    struct digest is;
    uint64_t length;

    (void)store_unlinkat(k->artifacts, tmp);
    if (store_linkat(k->site->base_fd, from, k->artifacts, tmp) < 0)
        return 0;
    if ((!want || (store_hash(k->artifacts, tmp, &is, &length) &&
                   memcmp(&is, want, sizeof(is)) == 0)) &&
        store_rename(k->artifacts, tmp, k->artifacts, own) == 0)
        return 1;
    (void)store_unlinkat(k->artifacts, tmp);
    return 0;
}

/* The same content under a second name; a copy where links cannot be made. */
static int link_own(const struct keep *k, const char *path, const char *own,
                    struct repx_err *err)
{
    const struct digest *want = digest_of_file(k, path);
    REPX_AUTO_FREE char *named = repx_format("artifacts/%s", path);
    REPX_AUTO_FREE char *kept = want ? store_kept_path(want, 0) : NULL;
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (is_same_file(k->artifacts, path, own) || link_from(k, named, want, own) ||
        (kept && link_from(k, kept, want, own)))
        return 0;
    if (read_file(k, path, &text, err) < 0)
        return -1;
    return repx_write_file(k->artifacts, own, text.data, text.len, 0644, err);
}

static void keep_image(struct keep *k, const char *run)
{
    REPX_AUTO_FREE char *image = NULL;

    if (!lab_files_image_of(k->artifacts, run, &image))
        return;
    REPX_AUTO_FREE char *line = repx_format("\n%s\n", image);
    REPX_AUTO_FREE char *all = repx_format("\n%s", repx_buf_text(&k->images));
    if (strstr(all, line))
        return;
    repx_buf_str(&k->images, line + 1);
    lab_files_image(&k->files, image);
}

static int keep_runs(struct keep *k, json_t *top, struct repx_err *err)
{
    json_t *runs = json_object_get(top, "runs");

    for (size_t i = 0; i < json_array_size(runs); i++) {
        const char *path = json_string_value(json_array_get(runs, i));
        REPX_AUTO_FREE char *own = path ? own_name(k, path) : NULL;
        if (!own) {
            return repx_fail(err, REPX_E_CORRUPT, "runs[%zu] is no file in revision/",
                             i);
        }
        if (link_own(k, path, own, err) < 0)
            return -1;
        lab_files_add(&k->files, path);
        keep_image(k, own);
        if (json_array_set_new(runs, i, json_string(own)) < 0)
            return repx_fail(err, REPX_E_CORRUPT, "'%s' is no UTF-8", own);
    }
    return 0;
}

static int make(struct keep *k, struct repx_err *err)
{
    const char *path = json_string_value(json_object_get(k->json, "metadata"));
    REPX_AUTO_FREE char *own_top = path ? own_name(k, path) : NULL;
    REPX_AUTO_FREE char *own = repx_format("lab/%s", k->manifest);

    if (!own_top) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "lab/%s: `metadata` is no file in revision/", k->source);
    }
    (void)store_open_up(k->artifacts, "lab"); /* as Nix makes them */
    (void)store_open_up(k->artifacts, "revision");
    json_t *top = read_json(k, path, err);
    k->files.listed = repx_buf_text(&k->text);
    int rc = top ? keep_runs(k, top, err) : -1;
    REPX_AUTO_BUF struct repx_buf text = {0};
    if (rc == 0)
        rc = dump(top, own_top, &text, err);
    if (rc == 0)
        rc = write_text(k, own_top, &text, err);
    json_decref(top);
    if (rc < 0)
        return -1;
    if (json_object_set_new(k->json, "metadata", json_string(own_top)) < 0)
        return repx_fail(err, REPX_E_CORRUPT, "'%s' is no UTF-8", own_top);
    return write_manifest(k, own, err);
}

/* ---- what it was made from ---- */

static void witness(const struct keep *k, const char *path, struct repx_buf *to)
{
    struct stat st = {0};

    (void)store_lstat(k->artifacts, path, &st);
    repx_buf_fmt(to, "%llu %lld %ld %lld ", (unsigned long long)st.st_ino,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                 (long long)st.st_size);
}

/* The common manifest and ours: when neither changed, neither did what they name, since
 * a Lab's files come and go together. Images come after them. */
static void witnesses(const struct keep *k, struct repx_buf *to)
{
    REPX_AUTO_FREE char *own = repx_format("lab/%s", k->manifest);
    const char *line = repx_buf_text(&k->images);

    repx_buf_fmt(to, FORMAT "%s\n", line);
    witness(k, "lab/" COMMON, to);
    witness(k, own, to);
    for (size_t n; *line; line += n + 1) {
        n = strcspn(line, "\n");
        REPX_AUTO_FREE char *image = repx_strndup(line, n);
        REPX_AUTO_FREE char *place = lab_files_place(image);
        witness(k, image, to);
        witness(k, place, to);
    }
    repx_buf_char(to, '\n');
}

/* The images that a record speaks of. */
static void recorded_images(const struct repx_buf *record, struct repx_buf *images)
{
    const char *text = repx_buf_text(record);
    const char *end = strstr(text, "\n\n");
    size_t head = sizeof(FORMAT) - 1;

    if (end && strncmp(text, FORMAT, head) == 0 && end + 1 > text + head)
        repx_buf_add(images, text + head, (size_t)(end + 1 - (text + head)));
}

static int is_kept(struct keep *k, const char *record)
{
    REPX_AUTO_BUF struct repx_buf now = {0};
    REPX_AUTO_BUF struct repx_buf then = {0};
    struct repx_err ignored = {0};

    if (repx_read_file(k->site->state_fd, record, RECORD_MAX, &then, &ignored) < 0)
        return 0;
    recorded_images(&then, &k->images);
    witnesses(k, &now);
    if (then.len == now.len && memcmp(then.data, now.data, now.len) == 0)
        return 1;
    k->images.len = 0;
    return 0;
}

static int keep_own(struct keep *k, struct repx_err *err)
{
    REPX_AUTO_FREE char *record = repx_format("labs/%s", k->id);
    REPX_AUTO_BUF struct repx_buf now = {0};

    if (is_kept(k, record))
        return 0;
    if ((k->told ? find_told(k, err) : find_source(k, err)) < 0 || !k->source)
        return -1;
    /* a Lab whose manifest carries its id already is a Lab of its own */
    if (strcmp(k->source, k->manifest) != 0 && make(k, err) < 0)
        return -1;
    witnesses(k, &now);
    (void)store_mkdirat(k->site->state_fd, "labs");
    return repx_write_file(k->site->state_fd, record, now.data, now.len, 0644, err);
}

int lab_manifest_keep(const struct site *site, const char *manifest,
                      const struct lab_told *told, struct repx_err *err)
{
    REPX_AUTO_CLOSE int artifacts = store_walk(site->base_fd, "artifacts", 0);
    struct keep k = {.site = site,
                     .told = told,
                     .artifacts = artifacts,
                     .manifest = manifest,
                     .files = {.site = site, .artifacts = artifacts}};

    if (artifacts < 0)
        return store_fail(err, site->base, "artifacts");
    k.id = repx_strndup(manifest, strlen(manifest) - (sizeof(SUFFIX) - 1));
    int rc = keep_own(&k, err);
    json_decref(k.json);
    repx_buf_free(&k.text);
    repx_buf_free(&k.images);
    lab_files_free(&k.files);
    free(k.id);
    free(k.source);
    return rc;
}
