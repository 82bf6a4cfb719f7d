/* SPDX-License-Identifier: MIT */
/* hostkey.c: strict about whom we talk to.
 *
 * A server may have keys of several types and shows one, of the first type in our list
 * that it has. So the types that are on file come first in that list: else it would show
 * one that cannot be compared. */
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "base64.h"
#include "identity.h"
#include "known_hosts.h"
#include "ssh.h"

static int on_file(const struct known_keys *keys, const char *method)
{
    for (size_t i = 0; i < keys->count; i++) {
        const char *type = keys->items[i].type;
        if (keys->items[i].marker != KNOWN_PLAIN)
            continue;
        if (strcmp(type, method) == 0)
            return 1;
        if (strcmp(type, "ssh-rsa") == 0 && strncmp(method, "rsa-sha2-", 9) == 0)
            return 1;
    }
    return 0;
}

/* What is there for a host, in words: "ssh-rsa (FILE:LINE), ...". */
static void describe(const struct known_keys *keys, struct repx_buf *to)
{
    for (size_t i = 0; i < keys->count; i++) {
        repx_buf_fmt(to, "%s%s (%s:%d)", i ? ", " : "", keys->items[i].type,
                     keys->items[i].file, keys->items[i].line);
    }
}

static int nothing_usable(struct ssh *s, const struct known_keys *keys,
                          struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    describe(keys, &text);
    return repx_fail(err, REPX_E_AUTH,
                     "%s: on file for this host is only %s, which libssh2 %s cannot "
                     "check; set transport = \"openssh\", or connect once with: ssh -o "
                     "HostKeyAlgorithms=ssh-ed25519 %s",
                     s->where, repx_buf_text(&text), libssh2_version(0),
                     s->settings.given);
}

/* What is compared by people comes first: the type that ssh shows them, too. */
static int rank(const char *method)
{
    return strcmp(method, "ssh-ed25519") == 0    ? 0
           : strncmp(method, "ecdsa-", 6) == 0   ? 1
           : strcmp(method, "rsa-sha2-512") == 0 ? 2
                                                 : 3;
}

/* Methods that are on file, or those that are not. Says how many are worth something:
 * RSA with SHA-1 is kept for servers of old, but those of today do not do it. */
static int add_methods(struct repx_buf *to, const char **methods, int n,
                       const struct known_keys *keys, int known)
{
    int added = 0;

    for (int r = 0; r <= 3; r++) {
        for (int i = 0; i < n; i++) {
            if (rank(methods[i]) != r || on_file(keys, methods[i]) != known)
                continue;
            repx_buf_fmt(to, "%s%s", to->len ? "," : "", methods[i]);
            added += strcmp(methods[i], "ssh-rsa") != 0;
        }
    }
    return added;
}

static int set_methods(struct ssh *s, const char **methods, int n,
                       const struct known_keys *keys, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf prefs = {0};
    int known = add_methods(&prefs, methods, n, keys, 1);

    (void)add_methods(&prefs, methods, n, keys, 0);
    if (keys->count && !known)
        return nothing_usable(s, keys, err);
    if (libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY,
                                    repx_buf_text(&prefs)) != 0)
        return ssh_fail(s, "host key types", err);
    return 0;
}

int ssh_prefer_known(struct ssh *s, struct repx_err *err)
{
    struct known_keys keys = {0};
    const char **methods = NULL;
    int n =
        libssh2_session_supported_algs(s->session, LIBSSH2_METHOD_HOSTKEY, &methods);

    if (n <= 0)
        return repx_fail(err, REPX_E_FAILED, "libssh2 knows no host key types");
    known_hosts_find(&s->settings, &keys);
    int rc = set_methods(s, methods, n, &keys, err);
    known_keys_free(&keys);
    libssh2_free(s->session, (void *)methods);
    return rc;
}

static char *fingerprint(struct ssh *s)
{
    const char *hash = libssh2_hostkey_hash(s->session, LIBSSH2_HOSTKEY_HASH_SHA256);
    REPX_AUTO_FREE char *text = hash ? base64_encode(hash, 32, 0) : NULL;

    return text ? repx_format("SHA256:%s", text) : repx_strdup("(no fingerprint)");
}

/* The type that begins a key in wire form. */
static char *type_of(const char *key, size_t n)
{
    const unsigned char *b = (const unsigned char *)key;

    if (n < 4 || b[0] || b[1] || b[2] || b[3] > n - 4)
        return repx_strdup("?");
    return repx_strndup(key + 4, b[3]);
}

static const char *file_of(const struct settings *s)
{
    return s->known_hosts.count ? s->known_hosts.items[0] : "~/.ssh/known_hosts";
}

static int unknown_host(struct ssh *s, const char *type, struct repx_err *err)
{
    const struct settings *t = &s->settings;
    REPX_AUTO_FREE char *name = known_hosts_name(t);
    REPX_AUTO_FREE char *print = fingerprint(s);

    return repx_fail(
        err, REPX_E_AUTH,
        "%s: the host's key is not known. It shows %s %s; if that is right, "
        "put it on file by connecting once with: ssh%s%s %s (or: ssh-keyscan "
        "-p %d %s >>%s). No key of %s is in %s",
        s->where, type, print, t->config_file ? " -F " : "",
        t->config_file ? t->config_file : "", t->given, t->port, t->hostname,
        file_of(t), name, file_of(t));
}

static int wrong_key(struct ssh *s, const struct known_key *k, const char *type,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *name = known_hosts_name(&s->settings);
    REPX_AUTO_FREE char *print = fingerprint(s);

    return repx_fail(
        err, REPX_E_AUTH,
        "%s: THE HOST KEY HAS CHANGED: it shows %s %s, but %s:%d has "
        "another one. Somebody may be listening in, or the host was set up "
        "anew: ask its admin. Nothing was sent. If the new key is right: "
        "ssh-keygen -R '%s' -f %s, then connect once with ssh",
        s->where, type, print, k->file, k->line, name, k->file);
}

static int compare(struct ssh *s, const struct known_keys *keys, const char *type,
                   const char *key, struct repx_err *err)
{
    const struct known_key *same_type = NULL;
    int found = 0;

    for (size_t i = 0; i < keys->count; i++) {
        const struct known_key *k = &keys->items[i];
        int same = strcmp(k->key, key) == 0;
        if (same && k->marker == KNOWN_REVOKED) {
            return repx_fail(err, REPX_E_AUTH,
                             "%s: the host's key is revoked at %s:%d; ask its admin",
                             s->where, k->file, k->line);
        }
        if (k->marker != KNOWN_PLAIN)
            continue;
        found |= same;
        if (!same_type && strcmp(k->type, type) == 0)
            same_type = k;
    }
    if (found)
        return 0;
    return same_type ? wrong_key(s, same_type, type, err) : unknown_host(s, type, err);
}

int ssh_check_host_key(struct ssh *s, struct repx_err *err)
{
    struct known_keys keys = {0};
    size_t n = 0;
    int kind = 0;
    const char *bytes = libssh2_session_hostkey(s->session, &n, &kind);

    if (!bytes) {
        return repx_fail(err, REPX_E_AUTH, "%s: the server shows no host key",
                         s->where);
    }
    REPX_AUTO_FREE char *key = base64_encode(bytes, n, 1);
    REPX_AUTO_FREE char *type = type_of(bytes, n);
    known_hosts_find(&s->settings, &keys);
    int rc = compare(s, &keys, type, key, err);
    known_keys_free(&keys);
    return rc;
}
