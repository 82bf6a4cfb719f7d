/* SPDX-License-Identifier: MIT */
/* runtime_overlay.c: can bwrap put an overlay over the image's root here? RepX's file
 * <cache>/capabilities/overlay_support.json remembers the answer, and its `false` is
 * respected, also when somebody wrote it by hand. Its `true` may be another node's, with
 * another kernel: what this node can is in <cache>/capabilities/overlay.<node>. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime.h"
#include "core/agent/runtime_bwrap.h"
#include "core/agent/state_check.h"

/* Mount an overlay of the root on itself and run ourselves in there. */
static int probe(const char *bwrap, const char *rootfs, const char *how)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct strings s = {0};

    if (n <= 0)
        return 0;
    self[n] = 0;
    static const char *const head[] = {"--unshare-all", "--ro-bind", "/",      "/",
                                       "--dev",         "/dev",      "--proc", "/proc",
                                       "--overlay-src", NULL};
    strings_add(&s, "%s", bwrap);
    for (const char *const *h = head; *h; h++)
        strings_add(&s, "%s", *h);
    strings_add(&s, "%s", rootfs);
    strings_add(&s, "--%s", how);
    strings_add(&s, "%s", rootfs);
    strings_add(&s, "%s", self);
    strings_add(&s, "--version");
    int rc = process_tool(s.items, NULL, &said, NULL);
    strings_free(s.items);
    return rc == 0;
}

/* What was found on this node: 1, 0, -1 not known yet. */
static int node_remembered(const char *path)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, 16, &b, NULL) < 0 || !b.len)
        return -1;
    return b.data[0] == '1';
}

/* What RepX's file says: 1, 0, -1 nothing. */
static int remembered(const char *path)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, 65536, &b, NULL) < 0)
        return -1;
    json_t *j = state_parse(repx_buf_text(&b), b.len, "overlay_support.json", NULL);
    const json_t *v = json_object_get(j, "tmp_overlay_supported");
    int answer = json_is_boolean(v) ? json_is_true(v) : -1;
    json_decref(j);
    return answer;
}

static void remember(const char *path, int overlay, int tmp_overlay)
{
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    json_t *j = json_object();

    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    json_object_set_new(j, "overlay_supported", json_boolean(overlay));
    json_object_set_new(j, "tmp_overlay_supported", json_boolean(tmp_overlay));
    json_object_set_new(j, "checked_at", json_string(when));
    REPX_AUTO_FREE char *text = json_dumps(j, JSON_INDENT(2));
    json_decref(j);
    if (text) /* not being able to remember costs a probe next time */
        (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

int runtime_overlay(const struct runtime_request *q, const char *bwrap,
                    const char *rootfs)
{
    REPX_AUTO_FREE char *cache = cache_dir(q);
    REPX_AUTO_FREE char *dir = repx_format("%s/capabilities", cache);
    REPX_AUTO_FREE char *path = repx_format("%s/overlay_support.json", dir);
    REPX_AUTO_FREE char *own = repx_format(
        "%s/overlay.%s", dir, state_name_ok(q->site->host) ? q->site->host : "node");
    int known = remembered(path), here = node_remembered(own);

    if (known == 0 || here >= 0)
        return known != 0 && here == 1;
    int tmp = probe(bwrap, rootfs, "tmp-overlay");
    int plain = tmp && probe(bwrap, rootfs, "ro-overlay");
    if (repx_make_dirs(dir, 0755, NULL) == 0) {
        (void)repx_write_file(AT_FDCWD, own, tmp ? "1\n" : "0\n", 2, 0644, NULL);
        if (known < 0)
            remember(path, plain, tmp);
    }
    return tmp;
}
