/* SPDX-License-Identifier: MIT */
/* known_hosts.h: which keys are on file for a host.
 *
 * A line is [@marker] NAMES TYPE KEY [comment]. NAMES is a comma-separated list of
 * patterns with * and ?, where one that begins with ! excludes, or one hashed name
 * |1|salt|hash. Lines that make no sense are skipped, as ssh does. */
#ifndef REPX_SSH_KNOWN_HOSTS_H
#define REPX_SSH_KNOWN_HOSTS_H

#include <stddef.h>

#include "settings.h"

#define KNOWN_PLAIN 0
#define KNOWN_AUTHORITY 1 /* @cert-authority */
#define KNOWN_REVOKED 2   /* @revoked */

struct known_key {
    int marker;
    char *type; /* "ssh-ed25519" */
    char *key;  /* base64, as it stands there */
    char *file;
    int line;
};
struct known_keys {
    struct known_key *items;
    size_t count;
};

/* Add the keys of `name` ("host", "[host]:port") among the lines of a text. */
void known_hosts_parse(const char *file, const char *text, size_t n, const char *name,
                       struct known_keys *keys);
/* Those of a host in all its files: under its alias, or its name and port; when there
 * are none with the port, those without. Files that cannot be read have none. */
void known_hosts_find(const struct settings *s, struct known_keys *keys);
void known_keys_free(struct known_keys *keys);

/* The name under which ssh would write the host's key; the caller frees. */
char *known_hosts_name(const struct settings *s);

#endif
