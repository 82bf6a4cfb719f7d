/* SPDX-License-Identifier: MIT */
/* suits.c: can libssh2 do what ssh would do here? Decided from files, environment and
 * local sockets, before anything is sent to the host. */
#include <libssh2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/child.h>
#include <kit/ssh.h>

#include "identity.h"
#include "known_hosts.h"
#include "ssh.h"

#define LOCAL_MS 5000

static int no(struct repx_err *why, const char *text)
{
    (void)repx_fail(why, REPX_E_UNSUPPORTED, "%s", text);
    return 0;
}

/* Does a local command succeed? -1 when there is no such program. */
static int succeeds(const char *const *argv)
{
    struct repx_err err = {0};
    int status = 1;

    if (repx_child_run(argv, LOCAL_MS, NULL, NULL, &status, &err) < 0)
        return err.code == REPX_E_NOENT ? -1 : 0;
    return status == 0;
}

static int has_ticket(void)
{
    static const char *const klist[] = {"klist", "-s", NULL};
    int found = succeeds(klist);
    const char *cache = getenv("KRB5CCNAME");

    if (found >= 0)
        return found;
    if (cache)
        return strncmp(cache, "FILE:", 5) != 0 || access(cache + 5, R_OK) == 0;
    REPX_AUTO_FREE char *usual =
        repx_format("/tmp/krb5cc_%lu", (unsigned long)getuid());
    return access(usual, R_OK) == 0;
}

/* ssh itself knows where its master would be; -O check asks only a local socket. */
static int master_lives(const struct settings *s)
{
    REPX_AUTO_FREE char *port = repx_format("%d", s->port);
    const char *argv[12] = {"ssh"};
    size_t n = 1;

    if (s->config_file) {
        argv[n++] = "-F";
        argv[n++] = s->config_file;
    }
    const char *const rest[] = {"-p", port,    "-l", s->user,
                                "-O", "check", "--", s->given};
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
        argv[n++] = rest[i];
    argv[n] = NULL;
    return succeeds(argv) == 1;
}

/* Keys that could be offered, by kind. */
struct census {
    size_t usable, rsa, token, certified;
};

static void count_key(struct census *c, int kind)
{
    c->usable +=
        kind == IDENTITY_USABLE || (kind == IDENTITY_RSA && identity_rsa_works());
    c->rsa += kind == IDENTITY_RSA && !identity_rsa_works();
    c->token += kind == IDENTITY_TOKEN;
    c->certified += kind == IDENTITY_CERTIFIED;
}

static void count_keys_of(struct census *c, LIBSSH2_AGENT *agent)
{
    struct libssh2_agent_publickey *key = NULL, *last = NULL;

    if (libssh2_agent_connect(agent) != 0 || libssh2_agent_list_identities(agent) != 0)
        return;
    while (libssh2_agent_get_identity(agent, &key, last) == 0) {
        count_key(c, identity_kind_of_key(key->blob, key->blob_len));
        last = key;
    }
}

static void count_agent(struct census *c, const char *path)
{
    LIBSSH2_SESSION *session = libssh2_session_init();
    LIBSSH2_AGENT *agent = session ? libssh2_agent_init(session) : NULL;

    if (agent) {
        libssh2_agent_set_identity_path(agent, path);
        count_keys_of(c, agent);
        (void)libssh2_agent_disconnect(agent);
        libssh2_agent_free(agent);
    }
    if (session)
        (void)libssh2_session_free(session);
}

static int keys_suit(const struct settings *s, struct repx_err *why)
{
    struct census c = {0};

    for (size_t i = 0; i < s->identities.count; i++) {
        struct identity id;
        if (!identity_read(s->identities.items[i], &id))
            continue;
        count_key(&c, id.kind);
        c.certified += (size_t)identity_has_certificate(s->identities.items[i]);
        identity_free(&id);
    }
    if (s->agent && s->agent[0] && !s->identities_only)
        count_agent(&c, s->agent);
    if (c.certified)
        return no(why, "there is a certificate to log in with");
    if (c.token)
        return no(why, "there is a key on a security token");
    if (c.rsa && !c.usable) {
        return no(why,
                  "all keys are RSA keys, which this libssh2 signs in a way that "
                  "today's servers refuse");
    }
    return 1;
}

static int known_suits(const struct settings *s, struct repx_err *why)
{
    struct known_keys keys = {0};
    size_t authorities = 0, plain = 0, rsa = 0;

    known_hosts_find(s, &keys);
    for (size_t i = 0; i < keys.count; i++) {
        authorities += keys.items[i].marker == KNOWN_AUTHORITY;
        plain += keys.items[i].marker == KNOWN_PLAIN;
        rsa += keys.items[i].marker == KNOWN_PLAIN &&
               identity_kind(keys.items[i].type, strlen(keys.items[i].type)) !=
                   IDENTITY_USABLE;
    }
    known_keys_free(&keys);
    if (authorities)
        return no(why, "a @cert-authority in known_hosts vouches for this host");
    if (plain && plain == rsa && !identity_rsa_works()) {
        return no(why,
                  "on file for this host are only keys of types that this libssh2 "
                  "cannot check");
    }
    if (!plain && s->lenient) {
        return no(why,
                  "StrictHostKeyChecking is off for this host, and its key is not "
                  "on file");
    }
    return 1;
}

static int settings_suit(const struct settings *s, struct repx_err *why)
{
    if (s->uncovered)
        return no(why, s->uncovered);
    if (s->has_master && master_lives(s))
        return no(why, "a ControlMaster for this host is running");
    if (s->gssapi && has_ticket())
        return no(why, "GSSAPIAuthentication is on and there is a Kerberos ticket");
    return known_suits(s, why) && keys_suit(s, why);
}

int32_t ssh_suits(const struct repx_host *host, const struct repx_endpoint *endpoint,
                  struct repx_err *why)
{
    struct settings s;

    if (endpoint->mode == REPX_OPEN_REUSE)
        return no(why, "only a login that exists already may be used");
    REPX_AUTO_FREE char *master =
        repx_ssh_master_find(endpoint->target, endpoint->address);
    if (master)
        return no(why, "there is a login that `repx login` keeps");
    if (libssh2_init(0) != 0)
        return repx_fail(why, REPX_E_FAILED, "libssh2 cannot be initialised");
    int32_t rc =
        settings_read(host, endpoint, &s, why) < 0 ? -1 : settings_suit(&s, why);
    settings_free(&s);
    return rc;
}
