/* SPDX-License-Identifier: MIT */
/* image_oci.c: an OCI layout: index.json names manifests by digest, a manifest names the
 * configuration and the layers by digest, and blobs/sha256/<digest> holds each. */
#include <string.h>
#include <sys/utsname.h>

#include <kit/alloc.h>

#include "image_own.h"

#define NESTED_MAX 4

/* blobs/sha256/<digest> of a descriptor; NULL with *err. Caller frees. */
static char *blob_name(const struct json *descriptor, struct digest *digest,
                       struct repx_err *err)
{
    const char *said = json_string(json_get(descriptor, "digest"));

    if (said && strncmp(said, "sha256:", 7) == 0 && digest_parse(said + 7, digest))
        return repx_format("blobs/sha256/%s", said + 7);
    (void)repx_fail(err, REPX_E_CORRUPT,
                    "a descriptor has the digest `%s`; only sha256 is read",
                    said ? said : "");
    return NULL;
}

/* The JSON that a descriptor names; NULL with *err. */
static struct json *blob_json(struct image_reading *r, const struct json *descriptor,
                              struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct digest want, is;
    REPX_AUTO_FREE char *name = blob_name(descriptor, &want, err);

    if (!name || image_text(r, name, &text, err) < 0)
        return NULL;
    digest_of(repx_buf_text(&text), text.len, &is);
    if (memcmp(&want, &is, sizeof(is)) != 0) {
        (void)repx_fail(err, REPX_E_CORRUPT, "%s has another digest", name);
        return NULL;
    }
    struct json *root = json_parse(repx_buf_text(&text), text.len, err);
    if (!root)
        (void)repx_wrap(err, "%s", name);
    return root;
}

/* As images name it; of this machine, which is what targets mostly are. */
static const char *architecture(void)
{
    static struct utsname u;
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"}, {"armv7l", "arm"}};

    if (uname(&u) < 0)
        return "amd64";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(u.machine, names[i][0]) == 0)
            return names[i][1];
    }
    return u.machine;
}

static int fits(const struct json *descriptor)
{
    const struct json *platform = json_get(descriptor, "platform");
    const char *os = json_string(json_get(platform, "os"));
    const char *arch = json_string(json_get(platform, "architecture"));

    return os && arch && strcmp(os, "linux") == 0 && strcmp(arch, architecture()) == 0;
}

/* The only manifest, or the one for this architecture. */
static const struct json *choose(const struct json *index, struct repx_err *err)
{
    const struct json *first = json_first(json_get(index, "manifests"));
    const struct json *hit = NULL;

    if (first && !json_next(first))
        return first;
    for (const struct json *d = first; d; d = json_next(d)) {
        if (fits(d) && hit) {
            (void)repx_fail(err, REPX_E_CORRUPT,
                            "index.json: names several images for linux/%s; copy one "
                            "of them into a layout of its own",
                            architecture());
            return NULL;
        }
        hit = fits(d) ? d : hit;
    }
    if (!hit) {
        (void)repx_fail(err, REPX_E_CORRUPT, "index.json: names no image for linux/%s",
                        architecture());
    }
    return hit;
}

static int want_blob(struct image_reading *r, const struct json *descriptor,
                     struct digest *digest, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = blob_name(descriptor, digest, err);

    return name ? image_want(r, name, err) : -1;
}

static int want_parts(struct image_reading *r, const struct json *manifest,
                      struct repx_err *err)
{
    const struct json *layer = json_first(json_get(manifest, "layers"));
    struct digest layer_named; /* the configuration's diff_ids are what is checked */

    if (!layer)
        return repx_fail(err, REPX_E_CORRUPT, "the image's manifest has no layers");
    if (want_blob(r, json_get(manifest, "config"), &r->config_named, err) < 0)
        return -1;
    for (; layer; layer = json_next(layer)) {
        if (want_blob(r, layer, &layer_named, err) < 0)
            return -1;
    }
    return 0;
}

int image_oci(struct image_reading *r, struct repx_err *err)
{
    struct json *at = json_parse(repx_buf_text(&r->index), r->index.len, err);
    int rc = at ? 0 : repx_wrap(err, "index.json");

    for (int n = 0; rc == 0 && json_get(at, "manifests"); n++) {
        const struct json *next = n < NESTED_MAX ? choose(at, err) : NULL;
        struct json *inner = next ? blob_json(r, next, err) : NULL;
        if (n == NESTED_MAX)
            (void)repx_fail(err, REPX_E_CORRUPT, "index.json: too many in each other");
        rc = inner ? 0 : -1;
        json_free(at);
        at = inner;
    }
    if (rc == 0)
        rc = want_parts(r, at, err);
    json_free(at);
    return rc;
}
