/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* gethostname, getpwuid */
#include "settings.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/child.h>
#include <kit/ssh.h>

#define SSH_G_MS 10000
#define CONNECT_MS 15000
#define DEFAULT_PORT 22

void texts_add(struct texts *t, const char *text, size_t n)
{
    t->items = repx_grow(t->items, t->count + 1, sizeof(*t->items));
    t->items[t->count++] = repx_strndup(text, n);
}

void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i]);
    free(t->items);
    memset(t, 0, sizeof(*t));
}

static void put(char **where, const char *text)
{
    free(*where);
    *where = repx_strdup(text);
}

static char *home_dir(void)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *home = getenv("HOME");

    return repx_strdup(pw && pw->pw_dir ? pw->pw_dir : home ? home : "/");
}

static char *local_user(void)
{
    const struct passwd *pw = getpwuid(getuid());

    return repx_strdup(pw ? pw->pw_name : "");
}

/* ---- the lines of ssh -G ---- */

static int is_no(const char *value)
{
    return strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ||
           strcmp(value, "none") == 0;
}

static void take_hostname(struct settings *s, const char *value)
{
    put(&s->hostname, value);
}

static void take_user(struct settings *s, const char *value)
{
    put(&s->user, value);
}

static void take_port(struct settings *s, const char *value)
{
    long port = strtol(value, NULL, 10);

    if (port > 0 && port < 65536)
        s->port = (int)port;
}

static void take_family(struct settings *s, const char *value)
{
    s->family = strcmp(value, "inet") == 0    ? AF_INET
                : strcmp(value, "inet6") == 0 ? AF_INET6
                                              : AF_UNSPEC;
}

static void take_alias(struct settings *s, const char *value)
{
    put(&s->host_key_alias, value);
}

static void take_identity(struct settings *s, const char *value)
{
    texts_add(&s->identities, value, strlen(value));
}

static void take_known_hosts(struct settings *s, const char *value)
{
    while (*value) {
        size_t n = strcspn(value, " ");
        if (n && !(n == 4 && strncmp(value, "none", 4) == 0))
            texts_add(&s->known_hosts, value, n);
        value += n + strspn(value + n, " ");
    }
}

static void take_agent(struct settings *s, const char *value)
{
    free(s->agent);
    s->agent = NULL;
    if (strcmp(value, "SSH_AUTH_SOCK") == 0) {
        s->agent = repx_strdup(getenv("SSH_AUTH_SOCK"));
    } else if (value[0] == '$') {
        s->agent = repx_strdup(getenv(value + 1));
    } else if (strcmp(value, "none") != 0) {
        s->agent = repx_strdup(value);
    }
}

static void take_identities_only(struct settings *s, const char *value)
{
    s->identities_only = !is_no(value);
}

static void take_strict(struct settings *s, const char *value)
{
    s->lenient =
        is_no(value) || strcmp(value, "off") == 0 || strcmp(value, "accept-new") == 0;
}

static void take_gssapi(struct settings *s, const char *value)
{
    s->gssapi = !is_no(value);
}

static void take_connect_timeout(struct settings *s, const char *value)
{
    long seconds = strtol(value, NULL, 10);

    if (seconds > 0 && seconds < 86400)
        s->connect_ms = seconds * 1000;
}

/* Only to ask more often: Debian's ssh says 300 for whoever has BatchMode, and a link that
 * died would be noticed after twenty minutes. The key `keepalive` may ask less often. */
static void take_alive_interval(struct settings *s, const char *value)
{
    long seconds = strtol(value, NULL, 10);

    if (seconds > 0 && seconds * 1000 < s->keepalive_ms)
        s->keepalive_ms = seconds * 1000;
}

static void take_control_path(struct settings *s, const char *value)
{
    s->has_master = !is_no(value);
}

static const struct {
    const char *key;
    void (*take)(struct settings *s, const char *value);
} lines[] = {
    {"hostname", take_hostname},
    {"user", take_user},
    {"port", take_port},
    {"addressfamily", take_family},
    {"hostkeyalias", take_alias},
    {"identityfile", take_identity},
    {"userknownhostsfile", take_known_hosts},
    {"globalknownhostsfile", take_known_hosts},
    {"identityagent", take_agent},
    {"identitiesonly", take_identities_only},
    {"stricthostkeychecking", take_strict},
    {"gssapiauthentication", take_gssapi},
    {"connecttimeout", take_connect_timeout},
    {"serveraliveinterval", take_alive_interval},
    {"controlpath", take_control_path},
};

/* Those that libssh2 has nothing for, when they are set. */
static const char *const beyond[] = {
    "proxyjump",         "proxycommand",    "proxyusefdpass", "certificatefile",
    "pkcs11provider",    "bindaddress",     "bindinterface",  "hostbasedauthentication",
    "knownhostscommand", "revokedhostkeys", "remotecommand",
};

static void take_line(struct settings *s, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strcasecmp(lines[i].key, key) == 0) {
            lines[i].take(s, value);
            return;
        }
    }
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        if (!s->uncovered && strcasecmp(beyond[i], key) == 0 && !is_no(value))
            s->uncovered = repx_format("%s %s", key, value);
    }
}

void settings_parse(const char *text, size_t n, struct settings *s)
{
    const char *end = text + n;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        const char *space = memchr(text, ' ', (size_t)(stop - text));
        if (space && space > text) {
            REPX_AUTO_FREE char *key = repx_strndup(text, (size_t)(space - text));
            REPX_AUTO_FREE char *value =
                repx_strndup(space + 1, (size_t)(stop - space) - 1);
            take_line(s, key, value);
        }
        text = newline ? newline + 1 : end;
    }
}

/* ---- paths ---- */

static char *token(const struct settings *s, char c)
{
    char name[256] = "";

    switch (c) {
    case '%':
        return repx_strdup("%");
    case 'd':
        return home_dir();
    case 'h':
        return repx_strdup(s->hostname);
    case 'n':
        return repx_strdup(s->given);
    case 'k':
        return repx_strdup(s->host_key_alias ? s->host_key_alias : s->given);
    case 'p':
        return repx_format("%d", s->port);
    case 'r':
        return repx_strdup(s->user);
    case 'u':
        return local_user();
    case 'i':
        return repx_format("%lu", (unsigned long)getuid());
    case 'l':
    case 'L':
        if (gethostname(name, sizeof(name) - 1) < 0)
            return NULL;
        if (c == 'L')
            name[strcspn(name, ".")] = 0;
        return repx_strdup(name);
    default:
        return NULL;
    }
}

char *settings_expand(const struct settings *s, const char *text)
{
    struct repx_buf b = {0};

    if (text[0] == '~' && (text[1] == '/' || !text[1])) {
        REPX_AUTO_FREE char *home = home_dir();
        repx_buf_str(&b, home);
        text++;
    }
    for (; *text; text++) {
        if (*text != '%') {
            repx_buf_char(&b, *text);
            continue;
        }
        REPX_AUTO_FREE char *value = text[1] ? token(s, text[1]) : NULL;
        if (!value) {
            repx_buf_free(&b);
            return NULL;
        }
        repx_buf_str(&b, value);
        text++;
    }
    return repx_buf_detach(&b);
}

/* In place; a path with a token that is not known cannot be followed. */
static void expand_all(struct settings *s, struct texts *t)
{
    for (size_t i = 0; i < t->count; i++) {
        char *path = settings_expand(s, t->items[i]);
        if (!path) {
            if (!s->uncovered)
                s->uncovered = repx_format("the path %s", t->items[i]);
            continue;
        }
        free(t->items[i]);
        t->items[i] = path;
    }
}

/* ---- all sources ---- */

/* What ssh has for a host that nothing is said about. */
static void defaults_without_ssh(struct settings *s)
{
    static const char *const keys[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa",
                                       "~/.ssh/id_rsa"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        take_identity(s, keys[i]);
    take_known_hosts(s, "~/.ssh/known_hosts /etc/ssh/ssh_known_hosts");
}

static int ask_ssh(struct settings *s, const struct repx_ssh_address *a,
                   struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf out = {0}, errors = {0};
    REPX_AUTO_FREE char *port = a->port ? repx_format("%d", a->port) : NULL;
    struct repx_err none = {0};
    const char *argv[12] = {"ssh", "-G"};
    size_t n = 2;
    int status = 0;

    const char *const pairs[][2] = {
        {"-F", s->config_file}, {"-p", port}, {"-l", a->user}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (!pairs[i][1])
            continue;
        argv[n++] = pairs[i][0];
        argv[n++] = pairs[i][1];
    }
    argv[n++] = "--";
    argv[n++] = a->host;
    if (repx_child_run(argv, SSH_G_MS, &out, &errors, &status, &none) < 0) {
        if (none.code != REPX_E_NOENT)
            return repx_fail(err, none.code, "ssh -G %s: %s", a->host, none.text);
        defaults_without_ssh(s);
        return 0;
    }
    if (status != 0) {
        return repx_fail(err, REPX_E_USAGE, "ssh -G %s: %s", a->host,
                         errors.len ? repx_buf_text(&errors) : "failed");
    }
    settings_parse(repx_buf_text(&out), out.len, s);
    return 0;
}

static void replace_list(const struct repx_host *h, const char *key, struct texts *t)
{
    const char *first = h->config_text(h->ctx, key, 0);

    if (!first)
        return;
    texts_free(t);
    for (uint64_t i = 0; h->config_text(h->ctx, key, i); i++) {
        const char *text = h->config_text(h->ctx, key, i);
        texts_add(t, text, strlen(text));
    }
}

/* The plugin's own keys come before ssh's, the address before both. */
static void take_config(struct settings *s, const struct repx_host *h,
                        const struct repx_ssh_address *a)
{
    const char *user = h->config_text(h->ctx, "user", 0);
    int64_t n = 0;

    if (user && !a->user)
        put(&s->user, user);
    if (!a->port && h->config_number(h->ctx, "port", &n))
        s->port = (int)n;
    if (h->config_number(h->ctx, "connect_timeout", &n))
        s->connect_ms = n;
    if (h->config_number(h->ctx, "keepalive", &n))
        s->keepalive_ms = n;
    if (h->config_text(h->ctx, "identity", 0))
        s->identities_only = 1;
    replace_list(h, "identity", &s->identities);
    replace_list(h, "known_hosts", &s->known_hosts);
}

int settings_read(const struct repx_host *host, const struct repx_endpoint *endpoint,
                  struct settings *s, struct repx_err *err)
{
    struct repx_ssh_address a;

    memset(s, 0, sizeof(*s));
    if (repx_ssh_address(endpoint->address, &a, err) < 0)
        return -1;
    s->given = repx_strdup(a.host);
    s->hostname = repx_strdup(a.host);
    s->user = a.user ? repx_strdup(a.user) : local_user();
    s->port = a.port ? a.port : DEFAULT_PORT;
    s->family = AF_UNSPEC;
    s->connect_ms = CONNECT_MS;
    s->keepalive_ms = 15000;
    s->agent = repx_strdup(getenv("SSH_AUTH_SOCK"));
    const char *file = host->config_text(host->ctx, "config_file", 0);
    s->config_file = file ? settings_expand(s, file) : NULL;
    int rc = ask_ssh(s, &a, err);
    if (rc == 0) {
        take_config(s, host, &a);
        expand_all(s, &s->identities);
        expand_all(s, &s->known_hosts);
        char *agent = s->agent ? settings_expand(s, s->agent) : NULL;
        free(s->agent);
        s->agent = agent;
    }
    repx_ssh_address_free(&a);
    return rc;
}

void settings_free(struct settings *s)
{
    free(s->given);
    free(s->hostname);
    free(s->user);
    free(s->host_key_alias);
    free(s->agent);
    free(s->uncovered);
    free(s->config_file);
    texts_free(&s->identities);
    texts_free(&s->known_hosts);
    memset(s, 0, sizeof(*s));
}
