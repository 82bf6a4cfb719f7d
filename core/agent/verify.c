/* SPDX-License-Identifier: MIT */
#include "core/agent/verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/digest.h"

int verify_main(int argc, char **argv)
{
    struct digest want, got;
    struct repx_err err = {0};

    if (argc != 3 || !digest_parse(argv[1], &want)) {
        (void)fprintf(stderr, "usage: repx-agent verify SHA256 FILE\n");
        return 2;
    }
    REPX_AUTO_CLOSE int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || digest_fd(fd, &got, NULL, &err) < 0) {
        perror(argv[2]);
        return 1;
    }
    return memcmp(want.bytes, got.bytes, sizeof(got.bytes)) == 0 ? 0 : 1;
}
