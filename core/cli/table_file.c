/* SPDX-License-Identifier: MIT */
/* table_file.c: $XDG_CACHE_HOME/repx/tables/<hash of its path> holds the SHA-256 of what was
 * written last. Without it a file that stands there counts as the user's. */
#define _DEFAULT_SOURCE /* realpath */
#include "table_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/wire/digest.h"

#define TABLE_MAX ((size_t)1 << 30)

static void hex_of(const char *bytes, size_t n, char hex[DIGEST_HEX])
{
    struct digest digest;

    digest_of(bytes, n, &digest);
    digest_hex(&digest, hex);
}

/* The note of a table that stands. The caller frees. */
static char *note_of(const char *dir, const char *path)
{
    REPX_AUTO_FREE char *real = realpath(path, NULL);
    char hex[DIGEST_HEX];

    if (!dir || !real)
        return NULL;
    hex_of(real, strlen(real), hex);
    return repx_format("%s/%.32s", dir, hex);
}

static void remember(const char *path, const struct repx_buf *csv)
{
    REPX_AUTO_FREE char *dir = repx_cache_path("tables");
    REPX_AUTO_FREE char *note = note_of(dir, path);
    char hex[DIGEST_HEX];

    hex_of(csv->data, csv->len, hex);
    if (note && repx_make_dirs(dir, 0700, NULL) == 0)
        (void)repx_write_file(AT_FDCWD, note, hex, strlen(hex), 0600, NULL);
}

/* Is what stands there what would be written, or what was? */
static int is_ours(const char *path, const struct repx_buf *csv)
{
    REPX_AUTO_FREE char *dir = repx_cache_path("tables");
    REPX_AUTO_FREE char *note = note_of(dir, path);
    REPX_AUTO_BUF struct repx_buf there = {0}, last = {0};
    char hex[DIGEST_HEX];

    if (repx_read_file(AT_FDCWD, path, TABLE_MAX, &there, NULL) < 0)
        return 0;
    if (there.len == csv->len && memcmp(there.data, csv->data, csv->len) == 0)
        return 1;
    hex_of(there.data, there.len, hex);
    return note && repx_read_file(AT_FDCWD, note, DIGEST_HEX, &last, NULL) == 0 &&
           strcmp(repx_buf_text(&last), hex) == 0;
}

int table_file_write(const char *path, const struct repx_buf *csv, int force,
                     struct repx_err *err)
{
    struct stat st;
    int stands = lstat(path, &st) == 0;

    if (stands && !S_ISREG(st.st_mode)) {
        return repx_fail(err, REPX_E_USAGE,
                         "table %s: something else stands there; name another file, or "
                         "- for standard output",
                         path);
    }
    if (stands && !force && !is_ours(path, csv)) {
        return repx_fail(err, REPX_E_FAILED,
                         "table %s: was changed here; --force replaces it", path);
    }
    if (repx_write_file(AT_FDCWD, path, csv->data, csv->len, 0666, err) < 0)
        return repx_wrap(err, "table %s", path);
    remember(path, csv);
    return 0;
}
