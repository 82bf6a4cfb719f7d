/* SPDX-License-Identifier: MIT */
/* verdict.c: ssh says 255 for whatever went wrong with the connection; what it was stands
 * in its last words. */
#include <string.h>

#include <kit/alloc.h>

#include "openssh.h"

static const struct {
    const char *said;
    int32_t code;
    const char *cure;
} verdicts[] = {
    {"REMOTE HOST IDENTIFICATION HAS CHANGED", REPX_E_AUTH,
     "the host shows another key than the one on file: ask its admin; if the new one is "
     "right, remove the old one with ssh-keygen -R and connect once with ssh"},
    {"Host key verification failed", REPX_E_AUTH,
     "the host's key is not on file: connect once with ssh and compare the fingerprint"},
    {"host key is known for", REPX_E_AUTH,
     "the host's key is not on file: connect once with ssh and compare the fingerprint"},
    {"Permission denied", REPX_E_AUTH,
     "is your key loaded (ssh-add -l) and in authorized_keys there? With a second factor "
     "log in once with: repx login"},
    {"Too many authentication failures", REPX_E_AUTH,
     "name the one key to use: identity = [\"~/.ssh/KEY\"]"},
    {"Connection timed out", REPX_E_TIMEOUT, "is the address right, a VPN needed?"},
    {"Operation timed out", REPX_E_TIMEOUT, "is the address right, a VPN needed?"},
    {"Could not resolve hostname", REPX_E_LINK, "is the address right?"},
};

/* The last line that says something. */
static char *last_line(const char *said)
{
    size_t end = strlen(said);

    while (end && strchr(" \t\r\n", said[end - 1]))
        end--;
    size_t start = end;
    while (start && said[start - 1] != '\n')
        start--;
    return repx_strndup(said + start, end - start);
}

int openssh_verdict(const struct openssh *o, const char *said, struct repx_err *err)
{
    REPX_AUTO_FREE char *line = last_line(said);
    const char *text = line[0] ? line
                               : "ssh ended without a word: the connection is lost, or "
                                 "the command was killed";

    if (o->mode == REPX_OPEN_REUSE && !master_lives(o)) {
        return repx_fail(err, REPX_E_AUTH,
                         "%s: the login that was kept is gone (%s); run: repx login %s",
                         o->address, text, o->target);
    }
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        if (strstr(said, verdicts[i].said)) {
            return repx_fail(err, verdicts[i].code, "%s: %s; %s", o->address, text,
                             verdicts[i].cure);
        }
    }
    return repx_fail(err, REPX_E_LINK, "%s: %s", o->address, text);
}
