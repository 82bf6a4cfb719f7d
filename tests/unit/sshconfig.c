/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <kit/alloc.h>
#include <kit/ssh.h>

#include "plugins/transport-ssh/base64.h"
#include "plugins/transport-ssh/identity.h"
#include "plugins/transport-ssh/settings.h"

static const struct {
    const char *text, *user, *host; /* host NULL: refused */
    int port;
} addresses[] = {
    {"cluster", NULL, "cluster", 0},
    {"me@cluster", "me", "cluster", 0},
    {"me@cluster:2222", "me", "cluster", 2222},
    {"me@home@cluster", "me@home", "cluster", 0},
    {"ssh://me@cluster:22", "me", "cluster", 22},
    {"::1", NULL, "::1", 0},
    {"fe80::1%eth0", NULL, "fe80::1%eth0", 0},
    {"[::1]:2222", NULL, "::1", 2222},
    {"me@[::1]", "me", "::1", 0},
    {"", NULL, NULL, 0},
    {"me@", NULL, NULL, 0},
    {"@cluster", NULL, NULL, 0},
    {"-oProxyCommand=x", NULL, NULL, 0},
    {"me@-x", NULL, NULL, 0},
    {"-x@cluster", NULL, NULL, 0},
    {"cluster:0", NULL, NULL, 0},
    {"cluster:65536", NULL, NULL, 0},
    {"cluster:ssh", NULL, NULL, 0},
    {"[::1", NULL, NULL, 0},
    {"[::1]x", NULL, NULL, 0},
    {"a b", NULL, NULL, 0},
    {"a;b", NULL, NULL, 0},
    {"$(x)", NULL, NULL, 0},
};

static void addresses_are_taken_apart(void)
{
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct repx_ssh_address a;
        struct repx_err err = {0};
        int rc = repx_ssh_address(addresses[i].text, &a, &err);
        if (!addresses[i].host) {
            ok(rc < 0 && err.code == REPX_E_USAGE, "refused: \"%s\"",
               addresses[i].text);
            continue;
        }
        if (!ok(rc == 0, "taken: %s %s", addresses[i].text, err.text))
            continue;
        is(a.user, addresses[i].user, "its user");
        is(a.host, addresses[i].host, "its host");
        ok(a.port == addresses[i].port, "its port");
        repx_ssh_address_free(&a);
    }
}

static const char printed[] =
    "user me\n"
    "hostname login1.example.org\n"
    "port 2222\n"
    "addressfamily inet6\n"
    "identitiesonly yes\n"
    "hostkeyalias cluster\n"
    "stricthostkeychecking accept-new\n"
    "gssapiauthentication no\n"
    "identityfile ~/.ssh/id_ed25519\n"
    "identityfile /keys/%r@%h\n"
    "globalknownhostsfile /etc/ssh/a /etc/ssh/b\n"
    "userknownhostsfile /home/me/.ssh/known_hosts\n"
    "connecttimeout 7\n"
    "serveraliveinterval 0\n"
    "identityagent none\n"
    "controlpath none\n"
    "proxycommand none\n"
    "canonicaldomains none\n"
    "noargument";

static void lines_of_ssh_become_settings(void)
{
    struct settings s = {.given = repx_strdup("c"), .port = 22, .keepalive_ms = 15000};

    s.agent = repx_strdup("/agent");
    settings_parse(printed, strlen(printed), &s);
    is(s.hostname, "login1.example.org", "hostname");
    is(s.user, "me", "user");
    ok(s.port == 2222, "port");
    ok(s.family == AF_INET6, "addressfamily");
    ok(s.identities_only, "identitiesonly");
    is(s.host_key_alias, "cluster", "hostkeyalias");
    ok(s.lenient, "accept-new is lenient");
    ok(!s.gssapi, "gssapiauthentication");
    ok(s.identities.count == 2, "identity files add up");
    ok(s.known_hosts.count == 3, "several known_hosts files on a line");
    ok(s.connect_ms == 7000, "connecttimeout in seconds");
    ok(s.keepalive_ms == 15000, "no serveraliveinterval: ours stays");
    static const char batch[] = "serveraliveinterval 300\n";
    settings_parse(batch, strlen(batch), &s);
    ok(s.keepalive_ms == 15000, "a longer one is what a batchmode brought: ours stays");
    static const char often[] = "serveraliveinterval 5\n";
    settings_parse(often, strlen(often), &s);
    ok(s.keepalive_ms == 5000, "a shorter one counts");
    ok(!s.agent, "identityagent none");
    ok(!s.has_master, "no controlpath");
    ok(!s.uncovered, "nothing that libssh2 lacks: %s", s.uncovered ? s.uncovered : "");
    REPX_AUTO_FREE char *path = settings_expand(&s, s.identities.items[1]);
    is(path, "/keys/me@login1.example.org", "tokens of a path");
    ok(!settings_expand(&s, "/keys/%Q"), "a token that is not known");
    ok(!settings_expand(&s, "/keys/%"), "a token cut short");
    settings_free(&s);
}

static const char *const uncovered[] = {
    "proxyjump bastion",        "proxycommand nc %h %p",    "certificatefile ~/.ssh/c",
    "pkcs11provider /lib/p.so", "knownhostscommand /bin/k", "bindaddress 10.0.0.1",
};

static void what_libssh2_lacks_is_named(void)
{
    for (size_t i = 0; i < sizeof(uncovered) / sizeof(uncovered[0]); i++) {
        struct settings s = {0};
        settings_parse(uncovered[i], strlen(uncovered[i]), &s);
        is(s.uncovered, uncovered[i], uncovered[i]);
        settings_free(&s);
    }
}

static void base64_goes_both_ways(void)
{
    static const char *const pairs[][3] = {{"", "", ""},
                                           {"f", "Zg", "Zg=="},
                                           {"fo", "Zm8", "Zm8="},
                                           {"foo", "Zm9v", "Zm9v"},
                                           {"foob", "Zm9vYg", "Zm9vYg=="}};

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct repx_buf b = {0};
        REPX_AUTO_FREE char *plain = base64_encode(pairs[i][0], strlen(pairs[i][0]), 0);
        REPX_AUTO_FREE char *padded =
            base64_encode(pairs[i][0], strlen(pairs[i][0]), 1);
        is(plain, pairs[i][1], "as a fingerprint");
        is(padded, pairs[i][2], "with padding");
        ok(base64_decode(padded, strlen(padded), &b), "decodes");
        is(repx_buf_text(&b), pairs[i][0], "to the same");
        repx_buf_free(&b);
    }
    struct repx_buf b = {0};
    ok(!base64_decode("Zm9v!", 5, &b), "other characters are refused");
    repx_buf_free(&b);
}

static const struct {
    const char *text;
    int kind, encrypted;
} keys[] = {
    {"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", IDENTITY_RSA, 0},
    {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", IDENTITY_RSA, 1},
    {"-----BEGIN EC PRIVATE KEY-----\nAAAA\n", IDENTITY_USABLE, 0},
    {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", IDENTITY_USABLE, 1},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", IDENTITY_OTHER, 0},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\n"
     "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAADwAAAAtzc2gtZWQyNTUxOQ==\n"
     "-----END OPENSSH PRIVATE KEY-----\n",
     IDENTITY_USABLE, 0},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\n"
     "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAEbm9uZQAAAAAAAAABAAAADwAAAAtzc2gtZWQyN"
     "TUxOQ==\n-----END OPENSSH PRIVATE KEY-----\n",
     IDENTITY_USABLE, 1},
    {"no key at all", IDENTITY_OTHER, 0},
};

static void key_files_tell_their_kind(void)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct identity id = {0};
        identity_parse(keys[i].text, &id);
        ok(id.kind == keys[i].kind && id.encrypted == keys[i].encrypted,
           "key %zu: kind %d, locked %d", i, id.kind, id.encrypted);
        identity_free(&id);
    }
    ok(identity_kind("sk-ssh-ed25519@openssh.com", 26) == IDENTITY_TOKEN, "a token");
    ok(identity_kind("ssh-ed25519-cert-v01@openssh.com", 32) == IDENTITY_CERTIFIED,
       "a certificate");
    ok(identity_kind("ssh-dss", 7) == IDENTITY_OTHER, "dss is of another time");
}

int main(void)
{
    addresses_are_taken_apart();
    lines_of_ssh_become_settings();
    what_libssh2_lacks_is_named();
    base64_goes_both_ways();
    key_files_tell_their_kind();
    return tap_end();
}
