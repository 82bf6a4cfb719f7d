/* SPDX-License-Identifier: MIT */
#include "known_hosts.h"

#include <fcntl.h>
#include <libssh2.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "base64.h"

#define FILE_MAX (16u << 20)
#define LINE_MAX_LEN 16384u
#define NAMES_MAX_LEN 8192u
#define SHA1_LEN 20u

/* A word of a line. */
struct word {
    const char *at;
    size_t len;
};

static int word_is(struct word w, const char *text)
{
    return w.len == strlen(text) && memcmp(w.at, text, w.len) == 0;
}

static struct word next_word(const char **from, const char *end)
{
    while (*from < end && (**from == ' ' || **from == '\t'))
        ++*from;
    struct word w = {*from, 0};
    while (*from < end && **from != ' ' && **from != '\t' && **from != '\r')
        ++*from;
    w.len = (size_t)(*from - w.at);
    return w;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static int fits(char pattern, char c)
{
    return pattern == '?' || lower(pattern) == lower(c);
}

/* '*' any run, '?' one, case does not matter. Goes back to the last star only: that is
 * enough, and its time is bounded. */
static int glob(const char *p, size_t n, const char *text)
{
    const char *end = p + n, *star = NULL, *mark = NULL;

    while (*text) {
        if (p < end && *p == '*') {
            star = ++p;
            mark = text;
        } else if (p < end && fits(*p, *text)) {
            p++;
            text++;
        } else if (star) {
            p = star;
            text = ++mark;
        } else {
            return 0;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

static int list_matches(struct word names, const char *name)
{
    const char *at = names.at, *end = names.at + names.len;
    int found = 0;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t n = (size_t)((comma ? comma : end) - at);
        int not = n > 0 && *at == '!';
        if (glob(at + not, n - (size_t) not, name)) {
            if (not )
                return 0;
            found = 1;
        }
        at += n + (comma != NULL);
    }
    return found;
}

/* |1|salt|hash, the hash being a SHA-1: of other lengths libssh2 loses memory. */
static int is_hashed_name(struct word names)
{
    REPX_AUTO_BUF struct repx_buf hash = {0};
    const char *end = names.at + names.len, *bar = NULL;

    if (names.len > 3 && memcmp(names.at, "|1|", 3) == 0)
        bar = memchr(names.at + 3, '|', names.len - 3);
    return bar && base64_decode(bar + 1, (size_t)(end - bar) - 1, &hash) &&
           hash.len == SHA1_LEN;
}

/* libssh2 knows how to hash a name: a line of one hashed name and any key tells whether
 * the name is meant. The session is for its memory only. */
static int hash_matches(struct word names, const char *name)
{
    static const char any_key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    LIBSSH2_SESSION *session = libssh2_session_init();
    LIBSSH2_KNOWNHOSTS *hosts = session ? libssh2_knownhost_init(session) : NULL;
    struct libssh2_knownhost *found = NULL;
    int matches = 0;

    if (hosts && is_hashed_name(names)) {
        REPX_AUTO_FREE char *line =
            repx_format("%.*s ssh-ed25519 %s\n", (int)names.len, names.at, any_key);
        if (libssh2_knownhost_readline(hosts, line, strlen(line),
                                       LIBSSH2_KNOWNHOST_FILE_OPENSSH) == 0) {
            int rc = libssh2_knownhost_check(
                hosts, name, any_key, strlen(any_key),
                LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_BASE64, &found);
            matches = rc == LIBSSH2_KNOWNHOST_CHECK_MATCH ||
                      rc == LIBSSH2_KNOWNHOST_CHECK_MISMATCH;
        }
    }
    if (hosts)
        libssh2_knownhost_free(hosts);
    if (session)
        (void)libssh2_session_free(session);
    return matches;
}

static int names_match(struct word names, const char *name)
{
    if (!names.len || names.len > NAMES_MAX_LEN)
        return 0;
    return names.at[0] == '|' ? hash_matches(names, name) : list_matches(names, name);
}

static void parse_line(const char *file, int line, struct word text, const char *name,
                       struct known_keys *keys)
{
    const char *at = text.at, *end = text.at + text.len;
    struct known_key key = {.line = line};
    struct word w = next_word(&at, end);

    if (!w.len || w.at[0] == '#')
        return;
    if (w.at[0] == '@') {
        key.marker = word_is(w, "@cert-authority") ? KNOWN_AUTHORITY
                     : word_is(w, "@revoked")      ? KNOWN_REVOKED
                                                   : -1;
        w = next_word(&at, end);
    }
    struct word type = next_word(&at, end), bytes = next_word(&at, end);
    if (key.marker < 0 || !bytes.len || !names_match(w, name))
        return;
    key.type = repx_strndup(type.at, type.len);
    key.key = repx_strndup(bytes.at, bytes.len);
    key.file = repx_strdup(file);
    keys->items = repx_grow(keys->items, keys->count + 1, sizeof(*keys->items));
    keys->items[keys->count++] = key;
}

void known_hosts_parse(const char *file, const char *text, size_t n, const char *name,
                       struct known_keys *keys)
{
    const char *end = text + n;

    for (int line = 1; text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct word w = {text, (size_t)((newline ? newline : end) - text)};
        if (w.len <= LINE_MAX_LEN && !memchr(w.at, 0, w.len))
            parse_line(file, line, w, name, keys);
        text = newline ? newline + 1 : end;
    }
}

static void find_name(const struct settings *s, const char *name,
                      struct known_keys *keys)
{
    for (size_t i = 0; i < s->known_hosts.count; i++) {
        const char *file = s->known_hosts.items[i];
        struct repx_buf text = {0};
        if (repx_read_file(AT_FDCWD, file, FILE_MAX, &text, NULL) == 0)
            known_hosts_parse(file, repx_buf_text(&text), text.len, name, keys);
        repx_buf_free(&text);
    }
}

char *known_hosts_name(const struct settings *s)
{
    if (s->host_key_alias)
        return repx_strdup(s->host_key_alias);
    if (s->port != 22)
        return repx_format("[%s]:%d", s->hostname, s->port);
    return repx_strdup(s->hostname);
}

void known_hosts_find(const struct settings *s, struct known_keys *keys)
{
    REPX_AUTO_FREE char *name = known_hosts_name(s);

    find_name(s, name, keys);
    if (!keys->count && !s->host_key_alias && s->port != 22)
        find_name(s, s->hostname, keys);
}

void known_keys_free(struct known_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->items[i].type);
        free(keys->items[i].key);
        free(keys->items[i].file);
    }
    free(keys->items);
    memset(keys, 0, sizeof(*keys));
}
