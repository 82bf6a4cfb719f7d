/* SPDX-License-Identifier: MIT */
/* identity.h: what a private key's file says of itself without being unlocked. */
#ifndef REPX_SSH_IDENTITY_H
#define REPX_SSH_IDENTITY_H

#include <kit/buf.h>

#define IDENTITY_OTHER 0 /* of a form or type not known here */
#define IDENTITY_USABLE 1
#define IDENTITY_RSA 2       /* needs a libssh2 that signs with SHA-2 */
#define IDENTITY_TOKEN 3     /* on a FIDO token (sk-) */
#define IDENTITY_CERTIFIED 4 /* a certificate */

struct identity {
    int kind;
    int encrypted;
    struct repx_buf public_key; /* the wire form; empty when it cannot be told */
};

/* 0 when there is no such file (or it cannot be read), 1 with *id, which is to be freed.
 * The public key comes from the private file, or else from PATH.pub. */
int identity_read(const char *path, struct identity *id);
/* The private file's text alone, over a zeroed *id. Pure. */
void identity_parse(const char *text, struct identity *id);
/* Is there a PATH-cert.pub? */
int identity_has_certificate(const char *path);
void identity_free(struct identity *id);

/* Of a key type: IDENTITY_... */
int identity_kind(const char *type, size_t n);
/* Of a public key in wire form, which begins with its type. */
int identity_kind_of_key(const void *key, size_t n);
/* Can this libssh2 sign with RSA keys in a way that servers of today accept? */
int identity_rsa_works(void);

#endif
