/* SPDX-License-Identifier: MIT */
/* tar.h: the index of a Lab in a tar archive. Nothing is unpacked; files are read where
 * they lie. */
#ifndef REPX_LAB_TAR_H
#define REPX_LAB_TAR_H

#include <stdint.h>

#include "index.h"

/* Index an archive of `size` bytes. Names are relative to the Lab: the prefix before
 * lab/ *lab-metadata.json is taken off, and what lies outside of it is left out. Every
 * entry gets STAMP_KNOWN; hard links are resolved. Texts go to the arena. All links are
 * checked. Errors name the member, not the archive. REPX_E_NOENT: no manifest. */
int tar_index(int fd, uint64_t size, struct index *ix, struct arena *arena,
              struct repx_err *err);

#endif
