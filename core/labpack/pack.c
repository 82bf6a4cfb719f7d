/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* realpath */
#include "labpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/json/json.h"

#include "def.h"
#include "expand.h"
#include "image.h"
#include "jobid.h"
#include "meta.h"
#include "source.h"
#include "tools.h"
#include "tree.h"

#define DEFINITION_MAX 1048576
#define MANIFEST_MAX 268435456
#define IMAGES_MAX 100

struct packing {
    const char *dir; /* of the definition, without links */
    struct def def;
    struct tree tree;
    struct sources sources;
    struct image images[IMAGES_MAX];
    size_t image_count;
    size_t jobs;
};

static const struct image *get_image(struct packing *p, const char *path,
                                     struct repx_err *err)
{
    REPX_AUTO_FREE char *full =
        *path == '/' ? repx_strdup(path) : repx_format("%s/%s", p->dir, path);

    for (size_t i = 0; i < p->image_count; i++) {
        if (strcmp(p->images[i].path, full) == 0)
            return &p->images[i];
    }
    if (p->image_count == IMAGES_MAX) {
        (void)repx_fail(err, REPX_E_USAGE, "more than %d images", IMAGES_MAX);
        return NULL;
    }
    if (image_add(&p->tree, full, &p->images[p->image_count], err) < 0)
        return NULL;
    return &p->images[p->image_count++];
}

/* jobs/<id>: scripts, extra files and, for the reader, the parameters. */
static int pack_job(struct packing *p, const struct stage_jobs *s, const struct job *j,
                    struct repx_err *err)
{
    struct stat st;
    struct repx_buf params = {0};
    REPX_AUTO_FREE char *dir = repx_format("jobs/%s", j->id);

    if (fstatat(p->tree.dir, dir, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0; /* another run has it, too */
    p->jobs++;
    for (size_t i = 0; i < s->stage->phase_count; i++) {
        const struct def_phase *phase = &s->stage->phases[i];
        struct source *src = source_get(&p->sources, phase->script, err);
        REPX_AUTO_FREE char *name = meta_script_name(s->stage, phase);
        REPX_AUTO_FREE char *path = repx_format("%s/bin/%s", dir, name);
        if (!src || source_place(&p->sources, src, &p->tree, path, 0755, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < s->stage->files.count; i++) {
        struct source *src = source_get(&p->sources, s->stage->files.at[i], err);
        REPX_AUTO_FREE char *path =
            repx_format("%s/share/%s", dir, s->stage->files.at[i]);
        mode_t mode = src && src->executable ? 0755 : 0644;
        if (!src || source_place(&p->sources, src, &p->tree, path, mode, err) < 0)
            return -1;
    }
    meta_put_params(&params, s, j);
    REPX_AUTO_FREE char *path =
        repx_format("%s/%s-parameters.json", dir, s->stage->name);
    int rc = tree_write(&p->tree, path, repx_buf_text(&params), params.len, err);
    repx_buf_free(&params);
    return rc;
}

static int pack_run(struct packing *p, const struct def_run *run, struct repx_err *err)
{
    struct expansion x;
    const struct image *image = NULL;

    if (run->image && (image = get_image(p, run->image, err)) == NULL)
        return repx_wrap(err, "run %s", run->name);
    if (expand_run(&x, &p->def, run, err) < 0)
        return -1;
    int rc = job_ids(&x, &p->sources, image ? image->digest : NULL, err);
    for (size_t i = 0; rc == 0 && i < x.count; i++) {
        for (size_t k = 0; rc == 0 && k < x.stages[i].count; k++)
            rc = pack_job(p, &x.stages[i], &x.stages[i].jobs[k], err);
    }
    if (rc == 0)
        rc = meta_write_run(&p->tree, &x, image ? image->directory : NULL, err);
    if (rc < 0)
        (void)repx_wrap(err, "run %s", run->name);
    expand_free(&x);
    return rc;
}

static int write_readme(struct packing *p, struct repx_err *err)
{
    struct repx_buf text = {0};

    repx_buf_fmt(&text,
                 "# %s\n\nA Lab in the form that RepX runs, made by `repx lab "
                 "pack`.\n\nRuns:\n\n",
                 p->def.name ? p->def.name : "Lab");
    for (size_t i = 0; i < p->def.run_count; i++)
        repx_buf_fmt(&text, "    repx run %s\n", p->def.runs[i].name);
    int rc =
        tree_write(&p->tree, "readme/README.md", repx_buf_text(&text), text.len, err);
    repx_buf_free(&text);
    return rc;
}

static int pack_all(struct packing *p, char *lab_id, struct repx_err *err)
{
    int rc = tree_dir(&p->tree, "jobs", err);

    if (rc == 0)
        rc = tools_add(&p->tree, &p->def, p->dir, err);
    for (size_t i = 0; rc == 0 && i < p->def.run_count; i++)
        rc = pack_run(p, &p->def.runs[i], err);
    if (rc == 0 &&
        (write_readme(p, err) < 0 || meta_write_top(&p->tree, &p->def, err) < 0))
        rc = -1;
    return rc == 0 ? meta_write_manifest(&p->tree, &p->def, lab_id, err) : -1;
}

/* ---- the place that the Lab goes to ---- */

/* 0: nothing there, 1: a Lab that lab_pack made, -1: something else. */
static int look_at(const char *out, struct repx_err *err)
{
    struct stat st;
    struct repx_buf text = {0};
    struct repx_err why = {0};
    REPX_AUTO_FREE char *manifest = repx_format("%s/lab/lab-metadata.json", out);

    if (lstat(out, &st) < 0)
        return errno == ENOENT ? 0 : repx_fail_errno(err, "%s", out);
    int ours = 0;
    if (S_ISDIR(st.st_mode) &&
        repx_read_file(AT_FDCWD, manifest, MANIFEST_MAX, &text, &why) == 0) {
        struct json *root = json_parse(repx_buf_text(&text), text.len, &why);
        const char *by = json_string(json_get(root, "made_by"));
        ours = by && strcmp(by, META_MADE_BY) == 0;
        json_free(root);
    }
    repx_buf_free(&text);
    return ours ? 1
                : repx_fail(
                      err, REPX_E_USAGE,
                      "%s exists and is no Lab made by repx lab pack; move it away "
                      "or choose another place with -o",
                      out);
}

/* Rename tmp to out, moving an old Lab out of the way first. */
static int put_in_place(const char *tmp, const char *out, int replace,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *aside = repx_format("%s.%ld.old", out, (long)getpid());

    if (replace && rename(out, aside) < 0)
        return repx_fail_errno(err, "%s", out);
    if (rename(tmp, out) < 0) {
        (void)repx_fail_errno(err, "%s", out);
        if (replace)
            (void)rename(aside, out);
        return -1;
    }
    return replace ? repx_remove_tree(AT_FDCWD, aside, err) : 0;
}

static int build(struct packing *p, const char *out, struct lab_pack_report *report,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *tmp = repx_format("%s.%ld.tmp", out, (long)getpid());
    int replace = look_at(out, err);

    if (replace < 0)
        return -1;
    if (repx_remove_tree(AT_FDCWD, tmp, err) < 0)
        return -1;
    if (mkdir(tmp, 0755) < 0)
        return repx_fail_errno(err, "%s", tmp);
    p->tree.dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = p->tree.dir < 0 ? repx_fail_errno(err, "%s", tmp)
                             : pack_all(p, report->lab_id, err);
    if (rc == 0)
        rc = put_in_place(tmp, out, replace, err);
    if (rc < 0)
        (void)repx_remove_tree(AT_FDCWD, tmp, NULL);
    report->runs = p->def.run_count;
    report->jobs = p->jobs;
    report->files = p->tree.count;
    report->bytes = p->tree.bytes;
    report->replaced = replace;
    return rc;
}

static int read_definition(struct packing *p, struct repx_err *err)
{
    struct repx_buf text = {0};
    REPX_AUTO_FREE char *path = repx_format("%s/lab.ini", p->dir);
    int rc = repx_read_file(AT_FDCWD, path, DEFINITION_MAX, &text, err);

    if (rc == 0)
        rc = def_read(&p->def, path, repx_buf_text(&text), text.len, err);
    repx_buf_free(&text);
    return rc;
}

int lab_pack(const char *definition_dir, const char *out_dir,
             struct lab_pack_report *report, struct repx_err *err)
{
    struct lab_pack_report told = {0};
    REPX_AUTO_FREE char *dir = realpath(definition_dir, NULL);
    REPX_AUTO_FREE char *out = repx_strdup(out_dir);
    struct packing *p = REPX_NEW(struct packing);

    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = 0;
    p->dir = dir;
    p->sources.dir = dir;
    p->tree.dir = -1;
    int rc = dir ? read_definition(p, err) : repx_fail_errno(err, "%s", definition_dir);
    if (rc == 0)
        rc = build(p, out, &told, err);
    if (rc == 0 && report)
        *report = told;
    sources_free(&p->sources);
    tree_free(&p->tree);
    def_free(&p->def);
    free(p);
    return rc;
}
