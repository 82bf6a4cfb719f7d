/* SPDX-License-Identifier: MIT */
/* table_file.h: the file that `pull --table` writes, and may write again. */
#ifndef REPX_CLI_TABLE_FILE_H
#define REPX_CLI_TABLE_FILE_H

#include <kit/buf.h>
#include <kit/err.h>

/* Write it whole. A file that stands there is replaced when it is as the last time left it,
 * or with force. */
int table_file_write(const char *path, const struct repx_buf *csv, int force,
                     struct repx_err *err);

#endif
