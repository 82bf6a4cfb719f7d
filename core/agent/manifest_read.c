/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/manifest.h"

#define MANIFEST_MAX ((size_t)1 << 30)

/* Do J/out and J/repx lead to the same attempt? A manifest speaks of the `out` beside it. */
static int same_attempt(const struct site *site, int outputs, const char *job)
{
    REPX_AUTO_FREE char *out_path = repx_format("%s/out", job);
    REPX_AUTO_FREE char *repx_path = repx_format("%s/repx", job);
    REPX_AUTO_FREE char *out = outputs_resolve(site, outputs, out_path, NULL);
    REPX_AUTO_FREE char *repx = outputs_resolve(site, outputs, repx_path, NULL);
    const char *a = out ? strrchr(out, '/') : NULL;
    const char *b = repx ? strrchr(repx, '/') : NULL;

    return a && b && a - out == b - repx && strncmp(out, repx, (size_t)(a - out)) == 0;
}

int manifest_of_job(const struct site *site, int outputs, const char *job,
                    struct results *to)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx/" MANIFEST, job);
    REPX_AUTO_BUF struct repx_buf text = {0};

    if (!same_attempt(site, outputs, job))
        return 0;
    REPX_AUTO_CLOSE int fd = outputs_file(site, outputs, path, NULL);
    ssize_t n = 0;
    while (fd >= 0 && text.len < MANIFEST_MAX &&
           (n = read(fd, repx_buf_room(&text, 65536), 65536)) > 0)
        text.len += (size_t)n;
    if (fd < 0 || n < 0 || results_read(to, repx_buf_text(&text), text.len, NULL) < 0) {
        results_free(to);
        return 0;
    }
    return 1;
}
