/* SPDX-License-Identifier: MIT */
/* Where a job's package lies: see store_package.c, which moves it between its two places.
 * Not every file system can do that in one moment, and who does it may die in between. */
#include "core/agent/job_package.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/store_digest.h"

#define PATIENCE_MS 1000
#define LEASE_PATIENCE_MS 60000
#define PAUSE_MS 20

/* By its digest. Where S is on another file system, what has no name lies below B; a link
 * there is of another time. */
static char *by_digest(const struct site *site, const char *hex)
{
    struct stat st;
    char *path = repx_format("%s/.repx/pkg/%s", site->base, hex);

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return path;
    free(path);
    path = repx_format("%s/pkg/%s", site->state, hex);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return path;
    free(path);
    return NULL;
}

/* By its name, if that holds it. */
static char *by_name(const struct site *site, const char *job, const char *hex)
{
    REPX_AUTO_FREE char *name = repx_format("artifacts/jobs/%s", job);
    struct digest is;
    char found[DIGEST_HEX];

    if (!store_digest(site->base_fd, name, &is))
        return NULL;
    digest_hex(&is, found);
    return strcmp(found, hex) == 0 ? repx_format("%s/%s", site->base, name) : NULL;
}

static void look_again(const struct site *site, const char *dir)
{
    if (site_is_nfs(site))
        dir_look_again(site->state_fd, dir);
}

static void wait_a_little(void)
{
    const struct timespec pause = {0, PAUSE_MS * 1000000L};

    (void)nanosleep(&pause, NULL);
}

/* Who replaces packages has looked for work in progress after he took the lease: whoever
 * holds it from now on lets this job's alone. */
static void let_replace(struct site *site)
{
    int64_t until = state_now_ms() + LEASE_PATIENCE_MS;

    look_again(site, "lease");
    while (lease_is_held(site, PACKAGES_LEASE) && state_now_ms() < until)
        wait_a_little();
}

char *job_package(struct site *site, const char *job, const char *hex,
                  struct repx_err *err)
{
    char *path;

    let_replace(site);
    int64_t until = state_now_ms() + PATIENCE_MS;
    while ((path = by_digest(site, hex)) == NULL && state_now_ms() < until) {
        wait_a_little();
        look_again(site, "pkg");
    }
    if (!path)
        path = by_name(site, job, hex);
    if (!path) {
        (void)repx_fail(err, REPX_E_NOENT,
                        "its package is neither %s/pkg/%s nor artifacts/jobs/%s any "
                        "more; run again, and what is gone is sent",
                        site->state, hex, job);
    }
    return path;
}
