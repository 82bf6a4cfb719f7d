/* SPDX-License-Identifier: MIT */
/* test-lab-pack DIR OUT: `repx lab pack` without the rest of the program. */
#include <stdio.h>

#include "core/labpack/labpack.h"

int main(int argc, char **argv)
{
    struct lab_pack_report r;
    struct repx_err err = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: test-lab-pack DIR OUT\n");
        return 2;
    }
    if (lab_pack(argv[1], argv[2], &r, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%s: %zu runs, %zu jobs, %zu files, %llu bytes%s\n", r.lab_id, r.runs,
           r.jobs, r.files, (unsigned long long)r.bytes,
           r.replaced ? ", replaced" : "");
    return 0;
}
