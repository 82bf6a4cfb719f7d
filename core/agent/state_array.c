/* SPDX-License-Identifier: MIT */
/* state_array.c: S/sub/KEY/table, which job each index of an array means: 8 bytes little
 * endian for each index. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"

#define TABLE_MAX (64u << 20)

static uint64_t number_of(const unsigned char *b)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

int array_write(struct site *site, const char *key, const size_t *jobs, size_t count,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/table", key);
    REPX_AUTO_BUF struct repx_buf b = {0};

    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[8];
        for (unsigned k = 0; k < 8; k++)
            bytes[k] = (unsigned char)((uint64_t)jobs[i] >> (8 * k));
        repx_buf_add(&b, bytes, sizeof(bytes));
    }
    return repx_write_file(site->state_fd, path, b.data, b.len, 0666, err);
}

int array_job(struct site *site, const char *key, int64_t index, int64_t *job,
              struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/table", key);
    REPX_AUTO_CLOSE int fd = openat(site->state_fd, path, O_RDONLY | O_CLOEXEC);
    unsigned char b[8];

    if (fd < 0)
        return errno == ENOENT ? 0 : repx_fail_errno(err, "%s", path);
    if (index < 0 || index > INT32_MAX ||
        pread(fd, b, sizeof(b), (off_t)index * 8) != (ssize_t)sizeof(b)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: has no index %lld", path,
                         (long long)index);
    }
    uint64_t v = number_of(b);
    *job = v < INT32_MAX ? (int64_t)v : INT32_MAX;
    return 1;
}

int64_t array_index(struct site *site, const char *key, size_t job)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/table", key);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (!state_key_ok(key) ||
        repx_read_file(site->state_fd, path, TABLE_MAX, &b, NULL) < 0)
        return -1;
    for (size_t i = 0; i + 8 <= b.len; i += 8) {
        if (number_of((const unsigned char *)b.data + i) == job)
            return (int64_t)(i / 8);
    }
    return -1;
}

size_t array_count(struct site *site, const char *key)
{
    REPX_AUTO_FREE char *path = repx_format("sub/%s/table", key);
    struct stat st;

    if (!state_key_ok(key) || fstatat(site->state_fd, path, &st, 0) < 0)
        return 0;
    return (size_t)(st.st_size / 8);
}

char *array_unit(const char *id, int64_t index)
{
    return index < 0 || !id || !*id ? repx_strdup(id)
                                    : repx_format("%s_%lld", id, (long long)index);
}
