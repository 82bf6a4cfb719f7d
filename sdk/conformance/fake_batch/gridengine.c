/* SPDX-License-Identifier: MIT */
#include "fake.h"
static const struct fake_command commands[] = {{NULL, 0, 0, NULL}};
const struct fake_product fake_gridengine = {.name = "gridengine",
                                             .commands = commands};
