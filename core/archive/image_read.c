/* SPDX-License-Identifier: MIT */
#include "image_read.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "image_own.h"

#define LINKS_MAX 100000
#define HOPS_MAX 100
#define RATIO_MAX 200
#define ALWAYS_ALLOWED (UINT64_C(1) << 30)

/* ---- first pass: what describes the image, and the links ---- */

static int first_look(void *ctx, const struct archive_data *data,
                      const struct archive_member *m, struct repx_err *err)
{
    struct image_reading *r = ctx;
    int manifest = strcmp(m->name, "manifest.json") == 0;

    if (m->link) {
        if (r->link_count == LINKS_MAX)
            return repx_fail(err, REPX_E_CORRUPT, "too many links");
        if (!(r->link_count & (r->link_count - 1)))
            r->links = repx_grow(r->links, r->link_count * 2 + 1, sizeof(*r->links));
        r->links[r->link_count++] =
            (struct image_link){repx_strdup(m->name), repx_strdup(m->link)};
        return 0;
    }
    if (!m->is_file || (!manifest && strcmp(m->name, "index.json") != 0))
        return 0;
    *(manifest ? &r->has_manifest : &r->has_index) = 1;
    return archive_slurp(data, IMAGE_JSON_MAX, manifest ? &r->manifest : &r->index,
                         err) < 0
               ? repx_wrap(err, "%s", m->name)
               : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct image_link *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static const char *follow(const struct image_reading *r, const char *name)
{
    for (int hop = 0; hop < HOPS_MAX && r->link_count; hop++) {
        const struct image_link key = {.name = (char *)(uintptr_t)name};
        const struct image_link *hit =
            bsearch(&key, r->links, r->link_count, sizeof(key), by_name);
        if (!hit)
            break;
        name = hit->target;
    }
    return name;
}

int image_want(struct image_reading *r, const char *name, struct repx_err *err)
{
    if (!name || r->count > IMAGE_LAYERS_MAX) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "manifest.json: Config and Layers must be "
                         "texts, at most %d of them",
                         IMAGE_LAYERS_MAX);
    }
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    r->wanted = repx_grow(r->wanted, r->count + 1, sizeof(*r->wanted));
    r->wanted[r->count++] = (struct image_wanted){.name = repx_strdup(follow(r, name))};
    return 0;
}

static int read_manifest(struct image_reading *r, struct repx_err *err)
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
        rc = image_want(r, json_string(json_get(first, "Config")), err);
    }
    for (const struct json *l = rc < 0 ? NULL : json_first(layers); l && rc == 0;
         l = json_next(l))
        rc = image_want(r, json_string(l), err);
    json_free(root);
    return rc;
}

/* ---- a small member ---- */

static int text_look(void *ctx, const struct archive_data *data,
                     const struct archive_member *m, struct repx_err *err)
{
    struct image_reading *r = ctx;

    if (!m->is_file || strcmp(m->name, r->text_name) != 0)
        return 0;
    r->text_found = 1;
    return archive_slurp(data, IMAGE_JSON_MAX, r->text, err) < 0
               ? repx_wrap(err, "%s", m->name)
               : 1;
}

int image_text(struct image_reading *r, const char *name, struct repx_buf *to,
               struct repx_err *err)
{
    r->text_name = follow(r, name);
    r->text = to;
    r->text_found = 0;
    if (r->in->visit(r->in->ctx, text_look, r, err) < 0)
        return -1;
    return r->text_found ? 0 : repx_fail(err, REPX_E_CORRUPT, "%s is not there", name);
}

/* ---- last pass: the configuration and the layers ---- */

static int save_layer(struct image_reading *r, const struct archive_data *data,
                      struct image_wanted *w, struct repx_err *err)
{
    int fd = r->sink->begin(r->sink->ctx, err);

    if (fd < 0)
        return -1;
    if (archive_save(data, fd, r->left, &w->is.digest, &w->is.length, err) < 0) {
        r->sink->drop(r->sink->ctx, fd);
        return repx_wrap(err, "%s", w->name);
    }
    r->left -= w->is.length;
    return r->sink->end(r->sink->ctx, fd, &w->is.digest, err);
}

static int last_look(void *ctx, const struct archive_data *data,
                     const struct archive_member *m, struct repx_err *err)
{
    struct image_reading *r = ctx;
    struct image_wanted *w = NULL;

    for (size_t i = 0; m->is_file && !w && i < r->count; i++) {
        w = !r->wanted[i].found && strcmp(r->wanted[i].name, m->name) == 0
                ? &r->wanted[i]
                : NULL;
    }
    if (!w)
        return 0;
    if (w == r->wanted) {
        struct repx_buf *config = &r->parts->config;
        if (archive_slurp(data, IMAGE_JSON_MAX, config, err) < 0)
            return repx_wrap(err, "%s", w->name);
        digest_of(repx_buf_text(config), config->len, &w->is.digest);
    } else if (save_layer(r, data, w, err) < 0) {
        return -1;
    }
    const struct image_layer is = w->is;
    for (size_t i = 0; i < r->count; i++) { /* a layer may stand there twice */
        if (strcmp(r->wanted[i].name, m->name) == 0) {
            r->wanted[i].found = 1;
            r->wanted[i].is = is;
        }
    }
    return 0;
}

/* ---- checks ---- */

static int check_found(const struct image_reading *r, struct repx_err *err)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!r->wanted[i].found) {
            return repx_fail(err, REPX_E_CORRUPT, "%s is named in %s, but not there",
                             r->wanted[i].name,
                             r->has_manifest ? "manifest.json"
                                             : "the image's manifest");
        }
    }
    return 0;
}

/* rootfs.diff_ids of the configuration are the digests of the uncompressed layers. */
static int check_layers(const struct image_reading *r, struct repx_err *err)
{
    const struct repx_buf *config = &r->parts->config;
    struct json *root = json_parse(repx_buf_text(config), config->len, err);

    if (!root)
        return repx_wrap(err, "%s", r->wanted[0].name);
    if (!r->has_manifest &&
        memcmp(&r->config_named, &r->wanted[0].is.digest, sizeof(struct digest)) != 0) {
        json_free(root);
        return repx_fail(err, REPX_E_CORRUPT, "%s has another digest",
                         r->wanted[0].name);
    }
    const struct json *ids = json_get(json_get(root, "rootfs"), "diff_ids");
    const struct json *id = json_first(ids);
    int rc = 0;
    for (size_t i = 1; (ids || !r->has_manifest) && rc == 0 && i < r->count; i++) {
        char hex[DIGEST_HEX];
        const char *said = json_string(id);
        digest_hex(&r->wanted[i].is.digest, hex);
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

/* ---- the whole ---- */

static int describe(struct image_reading *r, struct repx_err *err)
{
    if (r->in->visit(r->in->ctx, first_look, r, err) < 0)
        return -1;
    if (r->link_count)
        qsort(r->links, r->link_count, sizeof(*r->links), by_name);
    if (r->has_manifest)
        return read_manifest(r, err);
    if (r->has_index)
        return image_oci(r, err);
    return repx_fail(err, REPX_E_CORRUPT,
                     "holds no manifest.json and no index.json; a docker-archive is "
                     "made by `docker save` or `podman save --format docker-archive`");
}

static void give(struct image_reading *r)
{
    struct image_parts *p = r->parts;

    p->config_digest = r->wanted[0].is.digest;
    p->layer_count = r->count - 1;
    p->layers = repx_array(p->layer_count, sizeof(*p->layers));
    for (size_t i = 0; i < p->layer_count; i++)
        p->layers[i] = r->wanted[i + 1].is;
}

/* A small archive can stand for any number of bytes. Images shrink to a quarter; those that
 * hold little but zeros to less. */
static uint64_t bytes_allowed(const struct image_input *in)
{
    const char *text = getenv("REPX_IMAGE_MAX");
    unsigned long long said = text ? strtoull(text, NULL, 10) : 0;
    uint64_t allowed =
        in->size < UINT64_MAX / RATIO_MAX ? in->size * RATIO_MAX : UINT64_MAX;

    if (said)
        return said;
    return allowed > ALWAYS_ALLOWED ? allowed : ALWAYS_ALLOWED;
}

int image_read(const struct image_input *in, const struct image_sink *sink,
               struct image_parts *parts, struct repx_err *err)
{
    struct image_reading r = {.in = in, .sink = sink, .parts = parts};
    r.left = bytes_allowed(in);

    *parts = (struct image_parts){.layers = NULL};
    int rc = describe(&r, err);
    if (rc == 0)
        rc = in->visit(in->ctx, last_look, &r, err);
    if (rc == 0)
        rc = check_found(&r, err);
    if (rc == 0)
        rc = check_layers(&r, err);
    if (rc == 0)
        give(&r);
    repx_buf_free(&r.manifest);
    repx_buf_free(&r.index);
    for (size_t i = 0; i < r.link_count; i++) {
        free(r.links[i].name);
        free(r.links[i].target);
    }
    for (size_t i = 0; i < r.count; i++)
        free(r.wanted[i].name);
    free(r.links);
    free(r.wanted);
    return rc < 0 ? -1 : 0;
}

void image_parts_free(struct image_parts *parts)
{
    repx_buf_free(&parts->config);
    free(parts->layers);
    *parts = (struct image_parts){.layers = NULL};
}

void image_parts_digest(const struct image_parts *parts, struct digest *out)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    char hex[DIGEST_HEX];

    digest_hex(&parts->config_digest, hex);
    repx_buf_fmt(&text, "repx-image-1\nconfig %s\n", hex);
    for (size_t i = 0; i < parts->layer_count; i++) {
        digest_hex(&parts->layers[i].digest, hex);
        repx_buf_fmt(&text, "layer %s\n", hex);
    }
    digest_of(repx_buf_text(&text), text.len, out);
}

void image_parts_manifest(const struct image_parts *parts, struct repx_buf *to)
{
    struct digest id;
    char config[DIGEST_HEX], hex[DIGEST_HEX];

    image_parts_digest(parts, &id);
    digest_hex(&parts->config_digest, config);
    digest_hex(&id, hex);
    repx_buf_fmt(to, "[{\"Config\":\"%s.json\",\"RepoTags\":[\"repx:%.32s\"],", config,
                 hex);
    repx_buf_str(to, "\"Layers\":[");
    for (size_t i = 0; i < parts->layer_count; i++) {
        digest_hex(&parts->layers[i].digest, hex);
        repx_buf_fmt(to, "%s\"%s/layer.tar\"", i ? "," : "", hex);
    }
    repx_buf_str(to, "]}]\n");
}
