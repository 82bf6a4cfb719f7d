/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <kit/alloc.h>

#include "plugins/transport-ssh/known_hosts.h"

#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static const struct {
    const char *line, *name;
    int found; /* 1: a plain key; 2, 3: marked */
} cases[] = {
    {"host ssh-ed25519 " KEY, "host", 1},
    {"host ssh-ed25519 " KEY " a comment", "host", 1},
    {"  host\tssh-ed25519\t" KEY "\r", "host", 1},
    {"HOST ssh-ed25519 " KEY, "host", 1},
    {"a,host,b ssh-ed25519 " KEY, "host", 1},
    {"*.example.org ssh-ed25519 " KEY, "login.example.org", 1},
    {"log?n ssh-ed25519 " KEY, "login", 1},
    {"*,!bad ssh-ed25519 " KEY, "good", 1},
    {"[host]:2222 ssh-ed25519 " KEY, "[host]:2222", 1},
    {"@cert-authority *.org ssh-ed25519 " KEY, "host.org", 2},
    {"@revoked host ssh-ed25519 " KEY, "host", 3},
    /* a line that ssh-keygen -H made of the name host */
    {"|1|AAECAwQFBgcICQoLDA0ODxAREhM=|6tbkAfZDulNpJ/cQ7aCK0Bbfp+g= ssh-ed25519 " KEY,
     "host", 1},
    {"|1|AAECAwQFBgcICQoLDA0ODxAREhM=|6tbkAfZDulNpJ/cQ7aCK0Bbfp+g= ssh-ed25519 " KEY,
     "hose", 0},
    {"|1|AAEC|xx ssh-ed25519 " KEY, "host", 0},
    {"|1| ssh-ed25519 " KEY, "host", 0},
    {"*,!host ssh-ed25519 " KEY, "host", 0},
    {"hosts ssh-ed25519 " KEY, "host", 0},
    {"hos ssh-ed25519 " KEY, "host", 0},
    {"[host]:2222 ssh-ed25519 " KEY, "host", 0},
    {"@unheard-of host ssh-ed25519 " KEY, "host", 0},
    {"# host ssh-ed25519 " KEY, "host", 0},
    {"host ssh-ed25519", "host", 0},
    {"host", "host", 0},
    {"", "host", 0},
    {",,,! ssh-ed25519 " KEY, "host", 0},
};

static void lines_name_hosts(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct known_keys keys = {0};
        known_hosts_parse("f", cases[i].line, strlen(cases[i].line), cases[i].name,
                          &keys);
        int found = keys.count ? keys.items[0].marker + 1 : 0;
        ok(found == cases[i].found, "%d for %s: %.60s", cases[i].found, cases[i].name,
           cases[i].line);
        if (keys.count)
            is(keys.items[0].key, KEY, "with its key");
        known_keys_free(&keys);
    }
}

static void keys_know_their_place(void)
{
    static const char text[] =
        "# first\n\nhost ssh-rsa AAAA\nother ssh-rsa AAAA\n"
        "host ssh-ed25519 " KEY;
    struct known_keys keys = {0};

    known_hosts_parse("/k", text, strlen(text), "host", &keys);
    ok(keys.count == 2, "two keys");
    if (keys.count == 2) {
        ok(keys.items[0].line == 3 && keys.items[1].line == 5, "at their lines");
        is(keys.items[1].type, "ssh-ed25519", "of their types");
        is(keys.items[1].file, "/k", "in their file");
    }
    known_keys_free(&keys);
}

static void hosts_have_names_on_file(void)
{
    char host[] = "h", alias[] = "a";
    struct settings s = {.hostname = host, .port = 22};
    REPX_AUTO_FREE char *plain = known_hosts_name(&s);

    is(plain, "h", "the name alone on port 22");
    s.port = 2222;
    REPX_AUTO_FREE char *with_port = known_hosts_name(&s);
    is(with_port, "[h]:2222", "name and port elsewhere");
    s.host_key_alias = alias;
    REPX_AUTO_FREE char *aliased = known_hosts_name(&s);
    is(aliased, "a", "an alias stands for both");
}

int main(void)
{
    lines_name_hosts();
    keys_know_their_place();
    hosts_have_names_on_file();
    return tap_end();
}
