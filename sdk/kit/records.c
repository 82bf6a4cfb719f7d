/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "records.h"

#include "alloc.h"
#include "file.h"

#define SMALL 65536
#define DEPS_MAX (16u << 20)
#define SWEEP_S 86400

/* ---- links ---- */

/* Remove links whose unit is gone, once a day: the stamp's time says when that was. */
static void sweep(const char *records, const char *kind)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", records, kind);
    DIR *d = opendir(path);
    struct stat st;

    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) < 0 &&
            errno == ENOENT)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}

static void sweep_daily(const char *records)
{
    REPX_AUTO_FREE char *stamp = repx_format("%s/swept", records);
    struct stat st;

    if (stat(stamp, &st) == 0 && time(NULL) - st.st_mtime < SWEEP_S)
        return;
    if (repx_write_file(AT_FDCWD, stamp, "", 0, 0644, NULL) == 0) {
        sweep(records, "key");
        sweep(records, "id");
    }
}

static int directories(const char *records, struct repx_err *err)
{
    REPX_AUTO_FREE char *keys = repx_format("%s/key", records);
    REPX_AUTO_FREE char *ids = repx_format("%s/id", records);

    if (repx_make_dirs(keys, 0755, err) < 0 || repx_make_dirs(ids, 0755, err) < 0)
        return -1;
    sweep_daily(records);
    return 0;
}

/* ---- files of a unit ---- */

static int put(const char *dir, const char *name, const char *text, size_t n,
               struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, name);

    return repx_write_file(AT_FDCWD, path, text, n, 0644, err);
}

int repx_records_prepare(const char *records, const struct repx_unit *u,
                         const struct repx_buf *deps, struct repx_err *err)
{
    REPX_AUTO_FREE char *link = repx_format("%s/key/%s", records, u->key);
    char count[24];

    if (directories(records, err) < 0)
        return -1;
    int n = snprintf(count, sizeof(count), "%llu\n", (unsigned long long)u->array);
    if (put(u->workdir, "repx.array", count, (size_t)n, err) < 0 ||
        put(u->workdir, "repx.deps", repx_buf_text(deps), deps->len, err) < 0)
        return -1;
    if (symlink(u->workdir, link) == 0)
        return 0;
    return errno == EEXIST ? 1 : repx_fail_errno(err, "%s", link);
}

int repx_records_accepted(const char *records, const struct repx_unit *u,
                          const char *id, struct repx_err *err)
{
    REPX_AUTO_FREE char *link = repx_format("%s/id/%s", records, id);
    REPX_AUTO_FREE char *text = repx_format("%s\n", id);

    if (put(u->workdir, "repx.id", text, strlen(text), err) < 0)
        return -1;
    (void)unlink(link); /* ids begin anew when a cell is installed again */
    if (symlink(u->workdir, link) < 0 && errno != EEXIST) /* the job was first */
        return repx_fail_errno(err, "%s", link);
    return 0;
}

int repx_records_deps(const char *records, const char *key, const struct repx_buf *deps,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/key/%s", records, key);

    return put(dir, "repx.deps", repx_buf_text(deps), deps->len, err);
}

int repx_records_deps_read(const char *records, const char *key, struct repx_buf *deps)
{
    REPX_AUTO_FREE char *path = repx_format("%s/key/%s/repx.deps", records, key);

    return repx_read_file(AT_FDCWD, path, DEPS_MAX, deps, NULL);
}

/* ---- what became of a unit ---- */

/* The text of a small file without its newline; caller frees, NULL: not there. */
static char *text_of(const char *records, const char *key, const char *name)
{
    REPX_AUTO_FREE char *path = repx_format("%s/key/%s/%s", records, key, name);
    struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, SMALL, &b, NULL) < 0) {
        repx_buf_free(&b);
        return NULL;
    }
    char *text = repx_buf_detach(&b);
    text[strcspn(text, "\n")] = 0;
    return text;
}

static uint32_t state_of_end(const char *text)
{
    if (!text)
        return REPX_STATE_ENDED;
    if (strcmp(text, "dependency") == 0)
        return REPX_STATE_CANCELED;
    return strcmp(text, "0") == 0 ? REPX_STATE_DONE : REPX_STATE_FAILED;
}

/* All indices of an array: done when all are. */
static uint32_t state_of_array(const char *records, const char *key, uint64_t n)
{
    uint32_t state = REPX_STATE_DONE;

    for (uint64_t i = 0; i < n && state == REPX_STATE_DONE; i++) {
        REPX_AUTO_FREE char *name = repx_format("repx.end.%llu", (unsigned long long)i);
        REPX_AUTO_FREE char *text = text_of(records, key, name);
        state = state_of_end(text);
    }
    return state;
}

int repx_records_find(const char *records, const char *key, char id[REPX_ID_SIZE],
                      uint32_t *state)
{
    REPX_AUTO_FREE char *known = text_of(records, key, "repx.id");
    REPX_AUTO_FREE char *count = text_of(records, key, "repx.array");
    uint64_t n = count ? strtoull(count, NULL, 10) : 0;

    if (!known || !*known || strlen(known) >= REPX_ID_SIZE)
        return 0;
    (void)snprintf(id, REPX_ID_SIZE, "%s", known);
    if (n) {
        *state = state_of_array(records, key, n);
    } else {
        REPX_AUTO_FREE char *end = text_of(records, key, "repx.end");
        *state = state_of_end(end);
    }
    return 1;
}

/* ---- the job's script ---- */

/* met FILE: does it say that something ended well? It may come late (NFS), so whoever does
 * not see it looks again, for half a minute in all. */
static const char looks[] =
    "repx_tries=0\n"
    "repx_met() {\n"
    "\twhile :; do\n"
    "\t\tif [ -s \"$1\" ] && read -r repx_end <\"$1\"; then\n"
    "\t\t\t[ \"$repx_end\" = 0 ]\n"
    "\t\t\treturn\n"
    "\t\tfi\n"
    "\t\trepx_tries=$((repx_tries + 1))\n"
    "\t\t[ $repx_tries -le 30 ] || return 1\n"
    "\t\tls \"${1%/*}/\" >/dev/null 2>&1\n"
    "\t\tsleep 1\n"
    "\tdone\n"
    "}\n"
    "repx_all() {\n"
    "\tread -r repx_count 2>/dev/null <\"$1/repx.array\" || repx_count=0\n"
    "\t[ \"$repx_count\" -gt 0 ] || { repx_met \"$1/repx.end\"; return; }\n"
    "\trepx_at=0\n"
    "\twhile [ $repx_at -lt \"$repx_count\" ]; do\n"
    "\t\trepx_met \"$1/repx.end.$repx_at\" || return 1\n"
    "\t\trepx_at=$((repx_at + 1))\n"
    "\tdone\n"
    "}\n"
    "repx_deps() {\n"
    "\twhile read -r repx_how repx_id; do\n"
    "\t\trepx_dir=$repx_ids/${repx_id%%_*}\n"
    "\t\tcase $repx_how.$repx_id in\n"
    "\t\tok.*_*) repx_met \"$repx_dir/repx.end.${repx_id#*_}\" ;;\n"
    "\t\tok.*) repx_all \"$repx_dir\" ;;\n"
    "\t\t*) repx_met \"$repx_dir/repx.end$repx_dot\" ;;\n"
    "\t\tesac || return 1\n"
    "\tdone\n"
    "}\n"
    "repx_ended() {\n"
    "\techo \"$1\" >\"repx.end$repx_dot.new\" &&\n"
    "\t\tmv \"repx.end$repx_dot.new\" \"repx.end$repx_dot\"\n"
    "}\n";

void repx_records_script(const char *records, const struct repx_unit *u, const char *id,
                         const char *index, struct repx_buf *to)
{
    REPX_AUTO_FREE char *ids = repx_format("%s/id", records);

    repx_buf_str(to, "cd ");
    repx_buf_shell(to, u->workdir);
    repx_buf_fmt(to, " || exit 127\nREPX_UNIT=%s\nexport REPX_UNIT\nrepx_ids=", id);
    repx_buf_shell(to, ids);
    if (u->array) {
        repx_buf_fmt(to, "\nREPX_INDEX=%s\nexport REPX_INDEX\nrepx_dot=.$REPX_INDEX\n",
                     index);
    } else {
        repx_buf_str(to, "\nunset REPX_INDEX\nrepx_dot=\n");
    }
    /* the answer of the submission may have been lost: so the job says that it is there */
    repx_buf_str(to,
                 "exec >>\"repx.out$repx_dot\" 2>&1\n"
                 "[ -s repx.id ] || echo \"$REPX_UNIT\" >repx.id\n"
                 "[ -d \"$repx_ids/$REPX_UNIT/\" ] || "
                 "ln -sn \"$PWD\" \"$repx_ids/$REPX_UNIT\" 2>/dev/null\n");
    repx_buf_str(to, looks);
    repx_buf_str(to,
                 "repx_deps <repx.deps || { repx_ended dependency; exit 1; }\n"
                 /* signals reach the unit, and this shell sees its end */
                 "trap : HUP INT QUIT TERM USR1 USR2 XCPU\n(\n");
    repx_unit_program(u, to);
    repx_buf_str(to, ")\nrepx_status=$?\nrepx_ended $repx_status\n");
}
