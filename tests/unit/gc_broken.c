/* SPDX-License-Identifier: MIT */
/* A directory that cannot be read to its end, as file servers have them for a moment: what a
 * collection did not get to see counts as needed. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/gc.h"
#include "core/agent/manifest.h"
#include "tap.h"

static const char *broken = ""; /* end of the path of the directory that breaks off */

static int breaks(int fd)
{
    char found[4096];
    REPX_AUTO_FREE char *fd_path = repx_format("/proc/self/fd/%d", fd);
    ssize_t n = readlink(fd_path, found, sizeof(found) - 1);
    size_t end = strlen(broken);

    if (!end || n < (ssize_t)end)
        return 0;
    found[n] = 0;
    return strcmp(found + n - end, broken) == 0;
}

/* Instead of the system's. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
struct dirent *readdir(DIR *d)
{
    static struct dirent *(*real)(DIR *);

    if (breaks(dirfd(d))) {
        errno = EIO;
        return NULL;
    }
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "readdir");
        memcpy(&real, &found, sizeof(found));
    }
    return real(d);
}

static char base[] = "/tmp/repx-gc.XXXXXX";
static struct site site;

static void put(const char *path, const char *text)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", base, path);
    REPX_AUTO_FREE char *dir = repx_strdup(whole);

    *strrchr(dir, '/') = 0;
    (void)repx_make_dirs(dir, 0700, NULL);
    (void)repx_write_file(AT_FDCWD, whole, text, strlen(text), 0600, NULL);
}

static void old(const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", base, path);

    (void)utimensat(AT_FDCWD, whole, times, AT_SYMLINK_NOFOLLOW);
}

/* A root, what it keeps, and something that nothing keeps. */
static int fill(void)
{
    put("artifacts/lab/L-lab-metadata.json",
        "{\"labId\":\"L\",\"metadata\":\"revision/t.json\",\"files\":[]}");
    put("artifacts/revision/t.json", "{\"runs\":[\"revision/r.json\"]}");
    put("artifacts/revision/r.json", "{\"jobs\":{\"kept\":{}},\"image\":\"images/i\"}");
    put("artifacts/images/i/layer/x", "");
    put("artifacts/jobs/kept/x", "");
    put("artifacts/jobs/stray/x", "");
    put("gcroots/auto/p/.x", "");
    put("gcroots/pinned/.x", "");
    put(".repx/live/.x", "");
    put(".repx/runs/.x", "");
    REPX_AUTO_FREE char *root = repx_format("%s/gcroots/auto/p/1_L", base);
    REPX_AUTO_FREE char *to = repx_format("%s/artifacts/lab/L-lab-metadata.json", base);
    return symlink(to, root);
}

/* How many entries would go; -1: none, since it cannot be told. */
static int would_go(const char *where)
{
    struct repx_err err = {0};
    struct gc gc;

    broken = where;
    int rc = gc_collect(&gc, &site, 1, NULL, &err);
    broken = "";
    int count = rc < 0 || gc.closed ? -1 : (int)gc.artifact_count;
    if (count < 0)
        printf("# %s\n", rc < 0 ? err.text : "closed");
    gc_finish(&gc);
    return count;
}

int main(void)
{
    static const char *const dirs[] = {
        "/gcroots/auto", "/gcroots/auto/p", "/gcroots/pinned",   "/.repx/live",
        "/.repx/runs",   "/artifacts/lab",  "/artifacts/images", "/images/i",
    };
    struct repx_err err = {0};
    struct results found = {0};
    size_t unread = 0, count;

    if (!mkdtemp(base) || site_open(&site, base, "", &err) < 0 || fill() < 0)
        return 1;
    old("artifacts/jobs/stray");
    is(would_go("") == 1 ? "1" : "other", "1", "one entry is kept by nothing");
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        ok(would_go(dirs[i]) == -1, "nothing goes when %s breaks off", dirs[i]);

    broken = "/.repx/runs";
    ok(!run_ids(&site, &count, &err) && strstr(err.text, "runs"), "nor are runs told");
    broken = "/artifacts/jobs";
    int jobs = openat(site.base_fd, "artifacts/jobs", O_RDONLY | O_DIRECTORY);
    (void)results_scan(jobs, &found, &unread, NULL);
    ok(unread == 1, "results that were not all read are no whole list");
    results_free(&found);
    broken = "";
    site_close(&site);
    (void)repx_remove_tree(AT_FDCWD, base, NULL);
    return tap_end();
}
