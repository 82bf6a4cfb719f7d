/* SPDX-License-Identifier: MIT */
/* state_reserve.c: S/reserve, a little room that is kept for the moment when a job has used
 * up all other: then it goes, so that the end of that job can be written down. The next run
 * keeps some again. */
#define _GNU_SOURCE /* syncfs */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"

#define RESERVE "reserve"
#define RESERVE_BYTES ((size_t)1 << 20)
#define TRIES 4
#define PAUSE_NS 250000000

struct place {
    int dir;
    const char *path;
};

/* Results may lie on another file system than the state. */
static size_t places_of(const struct site *site, struct place to[2])
{
    to[0] = (struct place){site->state_fd, RESERVE};
    to[1] = (struct place){site->base_fd, ".repx/" RESERVE};
    return 2;
}

/* Noise, since some file systems keep no zeros. */
static int fill(int fd)
{
    REPX_AUTO_FREE uint32_t *noise = repx_alloc(RESERVE_BYTES);
    uint32_t x = 2463534242u;

    for (size_t i = 0; i < RESERVE_BYTES / sizeof(*noise); i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        noise[i] = x;
    }
    return repx_write_all(fd, noise, RESERVE_BYTES);
}

void reserve_make(const struct site *site)
{
    struct place places[2];
    size_t n = places_of(site, places);

    for (size_t i = 0; i < n; i++) {
        REPX_AUTO_CLOSE int fd =
            openat(places[i].dir, places[i].path,
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 && fill(fd) < 0)
            (void)unlinkat(places[i].dir, places[i].path, 0);
    }
}

int reserve_try(const struct site *site, unsigned *tries)
{
    const struct timespec pause = {0, PAUSE_NS};
    int saved = errno;
    struct place places[2];

    if ((saved != ENOSPC && saved != EDQUOT) || ++*tries >= TRIES)
        return 0;
    for (size_t i = 0, n = places_of(site, places); i < n; i++) {
        if (unlinkat(places[i].dir, places[i].path, 0) < 0)
            continue;
        REPX_AUTO_CLOSE int fd =
            openat(places[i].dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) /* some count what is gone only then */
            (void)syncfs(fd);
    }
    if (*tries > 1)
        (void)nanosleep(&pause, NULL);
    errno = saved;
    return 1;
}
