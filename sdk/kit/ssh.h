/* SPDX-License-Identifier: MIT */
/* ssh.h: what transports over ssh share: how an address is written, and where the
 * connection lies that `login` keeps. */
#ifndef REPX_KIT_SSH_H
#define REPX_KIT_SSH_H

#include "err.h"

/* HOST, USER@HOST, HOST:PORT, [IPV6]:PORT, IPV6, ssh://USER@HOST:PORT. */
struct repx_ssh_address {
    char *user; /* or NULL */
    char *host; /* a name, an alias of the ssh configuration, or a number */
    int port;   /* or 0 */
};
/* REPX_E_USAGE; nothing is left to free then. */
int repx_ssh_address(const char *text, struct repx_ssh_address *to,
                     struct repx_err *err);
void repx_ssh_address_free(struct repx_ssh_address *a);

/* The socket of a master connection that `login` keeps for a target, if one lives: the
 * caller frees. NULL when there is none. */
char *repx_ssh_master_find(const char *target, const char *address);
/* Where to put one: in a directory that only we can enter, which is made when there is
 * none. The caller frees. NULL with *err. */
char *repx_ssh_master_path(const char *target, const char *address,
                           struct repx_err *err);

#endif
