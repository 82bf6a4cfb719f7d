/* SPDX-License-Identifier: MIT */
#include "ssh.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "alloc.h"
#include "file.h"

/* ssh adds 17 characters of its own while it makes the socket, and 108 is the end. */
#define MASTER_PATH_MAX 90u

static int parse_port(const char *text, int *port)
{
    size_t n = strspn(text, "0123456789");

    if (!n || n > 5 || text[n])
        return 0;
    *port = (int)strtol(text, NULL, 10);
    return *port > 0 && *port < 65536;
}

/* Host and port behind the user; 0 when they are none. */
static int parse_host(const char *text, struct repx_ssh_address *to)
{
    const char *colon = strrchr(text, ':');

    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (!end || (end[1] && (end[1] != ':' || !parse_port(end + 2, &to->port))))
            return 0;
        to->host = repx_strndup(text + 1, (size_t)(end - text) - 1);
        return 1;
    }
    if (!colon || strchr(text, ':') != colon) { /* none, or a bare IPv6 number */
        to->host = repx_strdup(text);
        return 1;
    }
    if (!parse_port(colon + 1, &to->port))
        return 0;
    to->host = repx_strndup(text, (size_t)(colon - text));
    return 1;
}

/* What would be an option of ssh, or is no name at all, goes nowhere. */
static int is_word(const char *s)
{
    if (!s[0] || s[0] == '-' || strlen(s) > 255)
        return 0;
    for (; *s; s++) {
        if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("'\"`\\$;&|<>(){}*?", *s))
            return 0;
    }
    return 1;
}

int repx_ssh_address(const char *text, struct repx_ssh_address *to,
                     struct repx_err *err)
{
    const char *rest = text;

    memset(to, 0, sizeof(*to));
    if (strncmp(rest, "ssh://", 6) == 0)
        rest += 6;
    const char *at = strrchr(rest, '@');
    if (at) {
        to->user = repx_strndup(rest, (size_t)(at - rest));
        rest = at + 1;
    }
    if (parse_host(rest, to) && is_word(to->host) && (!to->user || is_word(to->user)))
        return 0;
    repx_ssh_address_free(to);
    return repx_fail(
        err, REPX_E_USAGE,
        "\"%.200s\" is no ssh address; write HOST, USER@HOST, HOST:PORT or "
        "[IPV6]:PORT",
        text);
}

void repx_ssh_address_free(struct repx_ssh_address *a)
{
    free(a->user);
    free(a->host);
    memset(a, 0, sizeof(*a));
}

/* FNV-1a: tells targets apart; nothing rests on its being hard to guess, since nobody
 * else can enter the directory. */
static uint64_t hash(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* Ours, and nobody else enters it. */
static int is_private(const char *dir)
{
    struct stat st;

    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 077) == 0;
}

static int lives(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(path);

    if (n >= sizeof(a.sun_path))
        return 0;
    memcpy(a.sun_path, path, n + 1);
    REPX_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0 &&
           connect(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0;
}

/* The i-th directory that may hold sockets: NULL when it cannot be, or past the last. */
static char *place(size_t i)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");

    if (i == 0 && runtime && runtime[0] == '/' && is_private(runtime))
        return repx_format("%s/repx", runtime);
    if (i == 1 && home && home[0] == '/')
        return repx_format("%s/.ssh/repx", home);
    if (i == 2)
        return repx_format("/tmp/repx-%lu", (unsigned long)geteuid());
    return NULL;
}
#define PLACES 3u

/* DIR/m-HASH, when that is short enough. */
static char *socket_in(const char *dir, const char *target, const char *address)
{
    REPX_AUTO_FREE char *both = repx_format("%s\n%s", target, address);
    char *path = repx_format("%s/m-%016" PRIx64, dir, hash(both));

    if (strlen(path) <= MASTER_PATH_MAX)
        return path;
    free(path);
    return NULL;
}

char *repx_ssh_master_find(const char *target, const char *address)
{
    for (size_t i = 0; i < PLACES; i++) {
        REPX_AUTO_FREE char *dir = place(i);
        char *path = dir && is_private(dir) ? socket_in(dir, target, address) : NULL;
        if (path && lives(path))
            return path;
        free(path);
    }
    return NULL;
}

char *repx_ssh_master_path(const char *target, const char *address,
                           struct repx_err *err)
{
    for (size_t i = 0; i < PLACES; i++) {
        REPX_AUTO_FREE char *dir = place(i);
        char *path = dir ? socket_in(dir, target, address) : NULL;
        if (path && repx_make_dirs(dir, 0700, NULL) == 0 && is_private(dir))
            return path;
        free(path);
    }
    (void)repx_fail(err, REPX_E_FAILED,
                    "no private directory for the connection's socket: neither "
                    "$XDG_RUNTIME_DIR, ~/.ssh/repx nor /tmp/repx-%lu can be used",
                    (unsigned long)geteuid());
    return NULL;
}
