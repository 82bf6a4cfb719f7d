/* SPDX-License-Identifier: MIT */
/* verbs.h: verbs of the tests' own agent. */
#ifndef REPX_TEST_VERBS_H
#define REPX_TEST_VERBS_H

#define TEST_ECHO 1000        /* data comes back; result after END */
#define TEST_REFUSE 1001      /* REPX_E_BUSY at once */
#define TEST_REFUSE_DATA 1002 /* REPX_E_CORRUPT at the first data */
#define TEST_DIE 1003         /* the session kills itself */
#define TEST_HASH 1004        /* F_NAME is hashed in the session itself; F_LENGTH */
#define TEST_BULK 1010        /* worker: F_LENGTH bytes of data, F_COUNT */
#define TEST_LATE 1011        /* worker: some data, then REPX_E_NOENT */
#define TEST_SLEEPER 1012     /* worker: its pid, then nothing */
#define TEST_CRASHER 1013     /* worker: kills itself */
#define TEST_STARTER 1014     /* worker: leaves a process behind */

#endif
