/* SPDX-License-Identifier: MIT */
/* settings.h: how to reach a host: what `ssh -G` says is in effect, and what the plugin's
 * own keys put in its place. */
#ifndef REPX_SSH_SETTINGS_H
#define REPX_SSH_SETTINGS_H

#include <repx/transport.h>

#include <kit/err.h>

struct texts {
    char **items;
    size_t count;
};

struct settings {
    char *given;    /* the host as it was written: an alias, perhaps */
    char *hostname; /* what to connect to */
    char *user;
    int port;
    int family;                           /* AF_UNSPEC, AF_INET or AF_INET6 */
    char *host_key_alias;                 /* or NULL */
    struct texts identities, known_hosts; /* paths, expanded */
    char *agent;                          /* socket's path, or NULL: none */
    int identities_only;                  /* offer no other keys of the agent */
    int lenient;                          /* StrictHostKeyChecking no or accept-new */
    int gssapi;
    int has_master;       /* ControlPath is set */
    char *uncovered;      /* a setting that libssh2 cannot follow, or NULL */
    int64_t connect_ms;   /* give up connecting after this long */
    int64_t keepalive_ms; /* 0: never */
    char *config_file;    /* of ssh, or NULL */
};

/* Does not connect; runs `ssh -G`, when there is an ssh. *s is to be freed in any case. */
int settings_read(const struct repx_host *host, const struct repx_endpoint *endpoint,
                  struct settings *s, struct repx_err *err);
/* The lines that `ssh -G` prints, over what *s holds already. Pure. */
void settings_parse(const char *text, size_t n, struct settings *s);
/* Replace a leading ~ and the %-tokens of ssh_config; NULL when one is not known. */
char *settings_expand(const struct settings *s, const char *text);
void settings_free(struct settings *s);

void texts_add(struct texts *t, const char *text, size_t n);
void texts_free(struct texts *t);

#endif
