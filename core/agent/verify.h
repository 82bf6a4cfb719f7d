/* SPDX-License-Identifier: MIT */
/* verify.h: has a file the digest it is said to have? */
#ifndef REPX_AGENT_VERIFY_H
#define REPX_AGENT_VERIFY_H

/* verify SHA256 FILE: 0 yes, 1 no or unreadable, 2 usage. */
int verify_main(int argc, char **argv);

#endif
