/* SPDX-License-Identifier: MIT */
/* clock.h: what deadlines are measured by. */
#ifndef REPX_KIT_CLOCK_H
#define REPX_KIT_CLOCK_H

#include <stdint.h>

int64_t repx_now_ms(void); /* monotonic */

#endif
