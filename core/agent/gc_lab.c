/* SPDX-License-Identifier: MIT */
/* gc_lab.c: what a Lab's metadata keeps alive. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/lab_files.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"

#define LARGEST ((size_t)1 << 28)
#define MANIFEST_SUFFIX "lab-metadata.json"

int gc_is_live(const json_t *set, const char *name)
{
    return json_object_get(set, name) != NULL;
}

void gc_live_add(json_t *set, const char *name)
{
    (void)json_object_set_new(set, name, json_true());
}

void gc_live_entry(struct gc *gc, const char *path)
{
    const char *slash = strchr(path, '/');
    const char *end = slash ? strchr(slash + 1, '/') : NULL;
    REPX_AUTO_FREE char *two =
        repx_strndup(path, end ? (size_t)(end - path) : strlen(path));

    /* a name that is no UTF-8 cannot be noted: then all of it stays */
    if (json_object_set_new(gc->entries, two, json_true()) < 0)
        gc_close(gc, "a Lab names a file that cannot be written down");
}

static json_t *read_json(int artifacts, const char *path, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    json_error_t why;

    if (!repx_path_is_inside(path)) {
        (void)repx_fail(err, REPX_E_CORRUPT, "'%s' is no path inside a Lab", path);
        return NULL;
    }
    if (repx_read_file(artifacts, path, LARGEST, &text, err) < 0)
        return NULL;
    json_t *json = json_loadb(repx_buf_text(&text), text.len, 0, &why);
    if (!json)
        (void)repx_fail(err, REPX_E_CORRUPT, "%s: %s", path, why.text);
    return json;
}

static int bad(const char *path, const char *what, struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT, "%s: %s", path, what);
}

static int live_run(struct gc *gc, const char *path, struct repx_err *err)
{
    json_t *run = read_json(gc->artifacts, path, err);
    json_t *jobs = json_object_get(run, "jobs"), *job;
    const char *image = json_string_value(json_object_get(run, "image")), *id;
    int rc = run ? 0 : -1;

    if (run && !json_is_object(jobs))
        rc = bad(path, "has no jobs", err);
    if (rc == 0) {
        gc_live_entry(gc, path);
        if (image) { /* an archive of image/ lies at images/, too */
            REPX_AUTO_FREE char *place = lab_files_place(image);
            gc_live_entry(gc, image);
            gc_live_entry(gc, place);
        }
        json_object_foreach(jobs, id, job)
        {
            REPX_AUTO_FREE char *entry = repx_format("jobs/%s", id);
            gc_live_add(gc->jobs, id);
            gc_live_entry(gc, entry);
        }
    }
    json_decref(run);
    return rc;
}

static int live_top(struct gc *gc, const char *path, struct repx_err *err)
{
    json_t *top = read_json(gc->artifacts, path, err);
    json_t *runs = json_object_get(top, "runs"), *run;
    int rc = top ? 0 : -1;
    size_t i;

    if (top && !json_is_array(runs))
        rc = bad(path, "has no runs", err);
    if (rc == 0)
        gc_live_entry(gc, path);
    json_array_foreach(runs, i, run)
    {
        if (rc == 0) {
            rc = json_is_string(run) ? live_run(gc, json_string_value(run), err)
                                     : bad(path, "has a run that is no path", err);
        }
    }
    json_decref(top);
    return rc;
}

static int live_files(struct gc *gc, const json_t *files, const char *path,
                      struct repx_err *err)
{
    int tools = 0;
    const json_t *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        const char *name = json_string_value(json_object_get(file, "path"));
        if (!name)
            return bad(path, "has a file without a path", err);
        while (strncmp(name, "./", 2) == 0)
            name += 2;
        tools |= strncmp(name, "host-tools/", 11) == 0;
        gc_live_entry(gc, name);
    }
    gc->all_tools |= !tools;
    return 0;
}

char *gc_lab_id(int artifacts, const char *leaf)
{
    REPX_AUTO_FREE char *path = repx_format("lab/%s", leaf);
    json_t *json = read_json(artifacts, path, NULL);
    char *id = repx_strdup(json_string_value(json_object_get(json, "labId")));

    json_decref(json);
    return id;
}

int gc_live_lab(struct gc *gc, const char *leaf, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("lab/%s", leaf);

    if (gc_is_live(gc->labs, path)) /* no id has a slash */
        return 0;
    json_t *json = read_json(gc->artifacts, path, err);
    const char *top = json_string_value(json_object_get(json, "metadata"));
    const char *id = json_string_value(json_object_get(json, "labId"));
    int rc = json ? 0 : -1;

    if (json && (!top || !id))
        rc = bad(path, "has no labId or no metadata", err);
    if (rc == 0)
        rc = live_files(gc, json_object_get(json, "files"), path, err);
    if (rc == 0)
        rc = live_top(gc, top, err);
    if (rc == 0) {
        gc_live_entry(gc, path);
        gc_live_add(gc->labs, path);
        gc_live_add(gc->labs, id);
    }
    json_decref(json);
    return rc;
}

/* ---- other manifests of the same Labs ---- */

static void live_manifest(struct gc *gc, int dir, const char *leaf)
{
    size_t n = strlen(leaf), suffix = sizeof MANIFEST_SUFFIX - 1;
    struct repx_err why = {0};

    (void)dir;
    if (n < suffix || strcmp(leaf + n - suffix, MANIFEST_SUFFIX) != 0)
        return;
    REPX_AUTO_FREE char *id = gc_lab_id(gc->artifacts, leaf);
    if (id && gc_is_live(gc->labs, id) && gc_live_lab(gc, leaf, &why) < 0)
        gc_close(gc, "%s", why.text);
}

/* ---- layers of images ---- */

static void live_layer(struct gc *gc, int image, const char *layer)
{
    REPX_AUTO_FREE char *path = repx_format("%s/layer.tar", layer);
    REPX_AUTO_FREE char *target = store_readlink(image, path);
    const char *leaf = target ? strrchr(target, '/') : NULL;

    if (leaf && leaf[1]) {
        REPX_AUTO_FREE char *entry = repx_format("store%s", leaf);
        gc_live_entry(gc, entry);
    }
}

static void live_image(struct gc *gc, int images, const char *name)
{
    REPX_AUTO_FREE char *entry = repx_format("images/%s", name);

    if (!gc_is_live(gc->entries, entry))
        return;
    int fd = store_openat(images, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (errno != ENOTDIR && errno != ELOOP && errno != ENOENT)
            gc_close(gc, "artifacts/%s: %s", entry, strerror(errno));
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = repx_readdir(d); e; e = repx_readdir(d)) {
        if (e->d_name[0] != '.')
            live_layer(gc, dirfd(d), e->d_name);
    }
    if (errno)
        gc_close(gc, "artifacts/%s: %s", entry, strerror(errno));
    (void)closedir(d);
}

/* A tag is a link to its image: each keeps the other. */
static void live_tag(struct gc *gc, int images, const char *name)
{
    REPX_AUTO_FREE char *target = store_readlink(images, name);
    REPX_AUTO_FREE char *tag = repx_format("images/%s", name);

    if (!target || strchr(target, '/'))
        return;
    REPX_AUTO_FREE char *image = repx_format("images/%s", target);
    if (gc_is_live(gc->entries, image) || gc_is_live(gc->entries, tag)) {
        gc_live_entry(gc, image);
        gc_live_entry(gc, tag);
    }
}

/* Each name in a collection; one that cannot be read through closes everything. */
static void each_name(struct gc *gc, const char *collection,
                      void (*visit)(struct gc *gc, int dir, const char *name))
{
    int fd = store_walk(gc->artifacts, collection, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d && errno == ENOENT)
        return;
    for (struct dirent *e; d && (e = repx_readdir(d));) {
        if (e->d_name[0] != '.')
            visit(gc, dirfd(d), e->d_name);
    }
    if (errno)
        gc_close(gc, "artifacts/%s: %s", collection, strerror(errno));
    if (d) {
        (void)closedir(d);
    } else {
        repx_close_fd(&fd);
    }
}

void gc_live_rest(struct gc *gc)
{
    if (gc->artifacts < 0)
        return;
    each_name(gc, "lab", live_manifest);
    each_name(gc, "images", live_tag);
    each_name(gc, "images", live_image);
}
