/* SPDX-License-Identifier: MIT */
#include "core/agent/lab_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/json_member.h"
#include "core/agent/store_fs.h"

#define LARGEST (256u << 20)
#define WRITER "-" /* of an index that is only read */

static int is_there(int artifacts, const char *path)
{
    struct stat st;

    return store_lstat(artifacts, path, &st) == 0;
}

/* The store hashed it as it came; if not, it is hashed here. */
static int digest_at(struct lab_files *f, const char *path, struct digest *digest)
{
    REPX_AUTO_FREE char *below = repx_format("artifacts/%s", path);
    uint64_t length;

    if (!f->ix) {
        f->ix = index_open(f->site->state_fd, f->site->host, f->site->boot, WRITER);
    }
    const struct index_entry *e = index_path(f->ix, below);
    if (!e)
        return store_hash(f->artifacts, path, digest, &length);
    *digest = e->digest;
    return 1;
}

void lab_files_add(struct lab_files *f, const char *path)
{
    json_t *text = json_string(path);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    char hex[DIGEST_HEX];
    struct digest digest;

    json_decref(text);
    if (quoted && !strstr(f->listed, quoted) && is_there(f->artifacts, path) &&
        digest_at(f, path, &digest)) {
        digest_hex(&digest, hex);
        repx_buf_fmt(&f->more, ",{\"path\":%s,\"sha256\":\"%s\"}", quoted, hex);
    }
    free(quoted);
}

static void add_layers(struct lab_files *f, const char *image)
{
    int fd = store_openat(f->artifacts, image, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        REPX_AUTO_FREE char *link = repx_format("%s/layer.tar", e->d_name);
        REPX_AUTO_FREE char *to =
            e->d_name[0] == '.' ? NULL : store_readlink(dirfd(d), link);
        const char *leaf = to ? strrchr(to, '/') : NULL;
        if (leaf && leaf[1]) {
            REPX_AUTO_FREE char *layer = repx_format("store%s", leaf);
            lab_files_add(f, layer);
        }
    }
    (void)closedir(d);
}

/* NAME without its last extension leads to NAME. */
static void add_tag(struct lab_files *f, const char *place)
{
    const char *dot = strrchr(place, '.');

    if (!dot || dot[-1] == '/')
        return;
    REPX_AUTO_FREE char *tag = repx_strndup(place, (size_t)(dot - place));
    REPX_AUTO_FREE char *to = store_readlink(f->artifacts, tag);
    if (!to || strcmp(to, strrchr(place, '/') + 1) != 0)
        return;
    REPX_AUTO_FREE char *manifest = repx_format("%s/manifest.json", tag);
    lab_files_add(f, manifest);
}

void lab_files_image(struct lab_files *f, const char *path)
{
    REPX_AUTO_FREE char *place = lab_files_place(path);
    REPX_AUTO_FREE char *manifest = repx_format("%s/manifest.json", place);
    REPX_AUTO_FREE char *link = repx_format("../%s", place);

    if (!is_there(f->artifacts, place))
        return;
    if (strncmp(path, "image/", 6) == 0 && !strchr(path + 6, '/') &&
        !is_there(f->artifacts, path)) {
        (void)store_mkdirat(f->artifacts, "image");
        (void)store_symlinkat(link, f->artifacts, path);
    }
    lab_files_add(f, manifest);
    add_tag(f, place);
    add_layers(f, place);
}

void lab_files_free(struct lab_files *f)
{
    index_close(f->ix);
    repx_buf_free(&f->more);
}

/* ---- what a run says ---- */

static int is_name(const char *name)
{
    if (!*name || *name == '.')
        return 0;
    while (*name && (unsigned char)*name >= ' ')
        name++;
    return !*name;
}

int lab_files_image_of(int artifacts, const char *run, char **image)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    size_t from, end;

    *image = NULL;
    if (repx_read_file(artifacts, run, LARGEST, &text, NULL) < 0 ||
        !json_member_find(repx_buf_text(&text), text.len, "image", &from, &end))
        return 0;
    json_t *json = json_loadb(text.data + from, end - from, JSON_DECODE_ANY, NULL);
    const char *path = json_string_value(json);
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (path && repx_path_is_inside(path) && is_name(slash ? slash + 1 : path) &&
        is_name(path))
        *image = repx_strdup(path);
    json_decref(json);
    return *image != NULL;
}

char *lab_files_place(const char *image)
{
    const char *slash = strrchr(image, '/');

    return repx_format("images/%s", slash ? slash + 1 : image);
}
