/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/json/json.h"

#include "archive.h"
#include "def.h"
#include "jobid.h"

#define JSON_MAX 4194304
#define LAYERS_MAX 1000
#define LINKS_MAX 100

/* A member that the image needs. */
struct wanted {
    const char *name; /* after links are followed */
    struct digest digest;
    int found;
};

struct link {
    const char *name, *target;
};

struct reading {
    struct tree *t;
    struct pool pool;
    struct repx_buf manifest, config;
    int has_manifest;
    struct link *links;
    size_t link_count;
    struct wanted *wanted; /* the configuration first, then the layers in order */
    size_t count;
};

/* ---- first pass: the manifest and the links ---- */

static int first_look(void *ctx, struct archive *a, const struct archive_member *m,
                      struct repx_err *err)
{
    struct reading *r = ctx;

    if (m->link) {
        r->links = pool_grow(&r->pool, r->links, r->link_count, sizeof(*r->links));
        r->links[r->link_count++] =
            (struct link){pool_str(&r->pool, m->name), pool_str(&r->pool, m->link)};
        return r->link_count > 100000 ? repx_fail(err, REPX_E_CORRUPT, "too many links")
                                      : 0;
    }
    if (!m->is_file || strcmp(m->name, "manifest.json") != 0)
        return 0;
    r->has_manifest = 1;
    return archive_slurp(a, JSON_MAX, &r->manifest, err) < 0
               ? repx_wrap(err, "manifest.json")
               : 0;
}

static const char *follow(const struct reading *r, const char *name)
{
    for (int hop = 0; hop < LINKS_MAX; hop++) {
        size_t i = 0;
        while (i < r->link_count && strcmp(r->links[i].name, name) != 0)
            i++;
        if (i == r->link_count)
            return name;
        name = r->links[i].target;
    }
    return name;
}

static int want(struct reading *r, const struct json *name, struct repx_err *err)
{
    const char *s = json_string(name);

    if (!s || r->count > LAYERS_MAX) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "manifest.json: Config and Layers must be "
                         "texts, at most %d of them",
                         LAYERS_MAX);
    }
    while (strncmp(s, "./", 2) == 0)
        s += 2;
    r->wanted = pool_grow(&r->pool, r->wanted, r->count, sizeof(*r->wanted));
    r->wanted[r->count++] = (struct wanted){.name = pool_str(&r->pool, follow(r, s))};
    return 0;
}

static int read_manifest(struct reading *r, struct repx_err *err)
{
    struct json *root = json_parse(repx_buf_text(&r->manifest), r->manifest.len, err);

    if (!root)
        return repx_wrap(err, "manifest.json");
    const struct json *first = json_first(root);
    const struct json *layers = json_get(first, "Layers");
    int rc = 0;
    if (json_type(root) != JSON_ARRAY || !first || json_next(first)) {
        rc = repx_fail(err, REPX_E_CORRUPT,
                       "manifest.json: must describe exactly one image");
    } else if (json_type(layers) != JSON_ARRAY || !json_first(layers)) {
        rc = repx_fail(err, REPX_E_CORRUPT, "manifest.json: has no Layers");
    } else {
        rc = want(r, json_get(first, "Config"), err);
    }
    for (const struct json *l = rc < 0 ? NULL : json_first(layers); l && rc == 0;
         l = json_next(l))
        rc = want(r, l, err);
    json_free(root);
    return rc;
}

/* ---- second pass: the configuration and the layers ---- */

static int save_layer(struct reading *r, struct archive *a, struct wanted *w,
                      struct repx_err *err)
{
    char hex[DIGEST_HEX];
    int fd = tree_temporary(r->t, err);

    if (fd < 0)
        return -1;
    if (archive_save(a, fd, &w->digest, err) < 0) {
        tree_discard(r->t, fd);
        return repx_wrap(err, "%s", w->name);
    }
    digest_hex(&w->digest, hex);
    REPX_AUTO_FREE char *path = repx_format("store/%s-layer.tar", hex);
    if (tree_find(r->t, path)) {
        tree_discard(r->t, fd); /* another image brought it */
        return 0;
    }
    return tree_adopt(r->t, fd, path, &w->digest, err);
}

static int second_look(void *ctx, struct archive *a, const struct archive_member *m,
                       struct repx_err *err)
{
    struct reading *r = ctx;
    struct wanted *w = NULL;

    for (size_t i = 0; m->is_file && !w && i < r->count; i++) {
        w = !r->wanted[i].found && strcmp(r->wanted[i].name, m->name) == 0
                ? &r->wanted[i]
                : NULL;
    }
    if (!w)
        return 0;
    if (w == r->wanted) {
        if (archive_slurp(a, JSON_MAX, &r->config, err) < 0)
            return repx_wrap(err, "%s", w->name);
        digest_of(repx_buf_text(&r->config), r->config.len, &w->digest);
    } else if (save_layer(r, a, w, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < r->count; i++) { /* a layer may stand there twice */
        if (strcmp(r->wanted[i].name, m->name) == 0) {
            r->wanted[i].found = 1;
            r->wanted[i].digest = w->digest;
        }
    }
    return 0;
}

/* rootfs.diff_ids of the configuration are the digests of the uncompressed layers. */
static int check_layers(const struct reading *r, struct repx_err *err)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!r->wanted[i].found) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s is named in manifest.json, but not there",
                             r->wanted[i].name);
        }
    }
    struct json *root = json_parse(repx_buf_text(&r->config), r->config.len, err);
    if (!root)
        return repx_wrap(err, "%s", r->wanted[0].name);
    const struct json *ids = json_get(json_get(root, "rootfs"), "diff_ids");
    const struct json *id = json_first(ids);
    int rc = 0;
    for (size_t i = 1; ids && rc == 0 && i < r->count; i++) {
        char hex[DIGEST_HEX];
        const char *said = json_string(id);
        digest_hex(&r->wanted[i].digest, hex);
        if (!said || strncmp(said, "sha256:", 7) != 0 || strcmp(said + 7, hex) != 0) {
            rc = repx_fail(err, REPX_E_CORRUPT,
                           "%s is %s, but the image's configuration says %s",
                           r->wanted[i].name, hex, said ? said : "nothing");
        }
        id = id ? json_next(id) : NULL;
    }
    json_free(root);
    return rc;
}

/* ---- what goes into the Lab ---- */

static void name_image(const struct reading *r, struct image *image, const char *path)
{
    struct repx_buf text = {0};
    char hex[DIGEST_HEX], id[BASE32_ID + 1];
    struct digest d;

    repx_buf_str(&text, "repx-image-1\n");
    for (size_t i = 0; i < r->count; i++) {
        digest_hex(&r->wanted[i].digest, hex);
        repx_buf_fmt(&text, "%s %s\n", i ? "layer" : "config", hex);
    }
    digest_of(repx_buf_text(&text), text.len, &d);
    repx_buf_free(&text);
    digest_hex(&d, image->digest);
    base32_id(&d, id);
    /* The file's name up to its first dot, of letters that every runtime takes. */
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    char *dir =
        pool_format(&r->t->pool, "images/%s-%.*s", id, (int)strcspn(base, "."), base);
    for (char *s = dir + strlen("images/"); *s; s++) {
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
                    *s))
            *s = '-';
    }
    image->directory = dir;
}

static int write_image(const struct reading *r, const struct image *image,
                       struct repx_err *err)
{
    struct repx_buf manifest = {0};
    char hex[DIGEST_HEX];

    digest_hex(&r->wanted[0].digest, hex);
    REPX_AUTO_FREE char *config = repx_format("%s/%s.json", image->directory, hex);
    REPX_AUTO_FREE char *path = repx_format("%s/manifest.json", image->directory);
    repx_buf_fmt(&manifest,
                 "[{\"Config\":\"%s.json\",\"RepoTags\":[\"repx:%.32s\"],"
                 "\"Layers\":[",
                 hex, image->digest);
    int rc = tree_write(r->t, config, repx_buf_text(&r->config), r->config.len, err);
    for (size_t i = 1; rc == 0 && i < r->count; i++) {
        digest_hex(&r->wanted[i].digest, hex);
        repx_buf_fmt(&manifest, "%s\"%s/layer.tar\"", i > 1 ? "," : "", hex);
        int again = 0;
        for (size_t k = 1; k < i; k++)
            again |= strcmp(r->wanted[k].name, r->wanted[i].name) == 0;
        if (again)
            continue;
        REPX_AUTO_FREE char *target = repx_format("../../../store/%s-layer.tar", hex);
        REPX_AUTO_FREE char *link =
            repx_format("%s/%s/layer.tar", image->directory, hex);
        rc = tree_symlink(r->t, target, link, err);
    }
    repx_buf_str(&manifest, "]}]\n");
    if (rc == 0)
        rc = tree_write(r->t, path, repx_buf_text(&manifest), manifest.len, err);
    repx_buf_free(&manifest);
    return rc;
}

static int read_image(struct reading *r, const char *path, struct repx_err *err)
{
    if (archive_each(path, first_look, r, err) < 0)
        return -1;
    if (!r->has_manifest) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "holds no manifest.json; a docker-archive is made by `docker "
                         "save` or `podman save --format docker-archive`");
    }
    if (read_manifest(r, err) < 0 || archive_each(path, second_look, r, err) < 0)
        return -1;
    return check_layers(r, err);
}

int image_add(struct tree *t, const char *path, struct image *image,
              struct repx_err *err)
{
    struct reading r = {.t = t};
    int rc = read_image(&r, path, err);

    if (rc == 0) {
        image->path = pool_str(&t->pool, path);
        name_image(&r, image, path);
        rc = write_image(&r, image, err);
    }
    repx_buf_free(&r.manifest);
    repx_buf_free(&r.config);
    pool_free(&r.pool);
    return rc < 0 ? repx_wrap(err, "image %s", path) : 0;
}
