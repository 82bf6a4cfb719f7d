/* SPDX-License-Identifier: MIT */
/* tar_header.h: the members of a tar archive, one after the other: ustar, GNU long names,
 * pax path, linkpath and size. Never more than one header in memory. */
#ifndef REPX_LAB_TAR_HEADER_H
#define REPX_LAB_TAR_HEADER_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

struct tar_reader {
    int fd;
    uint64_t size; /* of the archive */
    uint64_t pos;  /* of the next header */
};

struct tar_member {
    struct repx_buf name, link; /* as they stand in the archive */
    uint64_t offset, length;    /* of the content */
    uint32_t mode;
    char
        type; /* '0' file, '1' hard link, '2' link, '5' directory, others as they stand */
};

/* 1: *m is the next member; 0: the archive ends; -1 and err: what is wrong with it. */
int tar_next(struct tar_reader *r, struct tar_member *m, struct repx_err *err);
void tar_member_finish(struct tar_member *m);

#endif
