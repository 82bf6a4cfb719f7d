/* SPDX-License-Identifier: MIT */
/* auth.c: who we are, once: keys of the agent, then key files, then, where somebody can
 * be asked, what the server asks. Nothing is tried a second time, since failed logins get
 * addresses banned, and servers close the connection after a few. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "base64.h"
#include "identity.h"
#include "ssh.h"

#define KEYS_MAX 5 /* servers give up at 6 failures, and "none" may count as one */
#define STEP_MS 60000
#define ANSWER_MAX 1024

struct login {
    struct ssh *s;
    int64_t deadline_ms;
    int tries;
    int skipped_rsa, skipped_token, locked;
    int second;            /* the key was taken, something else is wanted, too */
    struct repx_buf tried; /* in words */
    struct texts offered;  /* public keys, base64 */
};

static int64_t until(const struct login *l)
{
    return ssh_earlier(l->deadline_ms, ssh_now(l->s) + STEP_MS);
}

static void note(struct login *l, const char *what)
{
    repx_buf_fmt(&l->tried, "%s%s", l->tried.len ? ", " : "", what);
}

/* An answer of libssh2 to a try: 1 in, 0 refused, -1 the link is gone. */
static int judge(struct login *l, int rc, struct repx_err *err)
{
    if (rc == 0)
        return 1;
    switch (rc) {
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
        return ssh_fail(l->s, "authentication", err);
    default:
        return 0;
    }
}

static int was_offered(struct login *l, const void *key, size_t n)
{
    REPX_AUTO_FREE char *text = base64_encode(key, n, 1);

    for (size_t i = 0; i < l->offered.count; i++) {
        if (strcmp(l->offered.items[i], text) == 0)
            return 1;
    }
    texts_add(&l->offered, text, strlen(text));
    return 0;
}

/* May a key of that kind be offered? Counts the others for the message. */
static int may_offer(struct login *l, int kind)
{
    if (kind == IDENTITY_RSA && !identity_rsa_works()) {
        l->skipped_rsa = 1;
        return 0;
    }
    if (kind == IDENTITY_TOKEN) {
        l->skipped_token = 1;
        return 0;
    }
    return (kind == IDENTITY_USABLE || kind == IDENTITY_RSA) && l->tries < KEYS_MAX;
}

/* ---- the agent ---- */

static int is_configured(const struct settings *t, const void *key, size_t n)
{
    int found = 0;

    for (size_t i = 0; i < t->identities.count && !found; i++) {
        struct identity id;
        if (!identity_read(t->identities.items[i], &id))
            continue;
        found = id.public_key.len == n && memcmp(id.public_key.data, key, n) == 0;
        identity_free(&id);
    }
    return found;
}

static int offer_agent_key(struct login *l, LIBSSH2_AGENT *agent,
                           struct libssh2_agent_publickey *key, struct repx_err *err)
{
    struct ssh *s = l->s;
    int rc;

    if (!may_offer(l, identity_kind_of_key(key->blob, key->blob_len)))
        return 0;
    if (s->settings.identities_only &&
        !is_configured(&s->settings, key->blob, key->blob_len))
        return 0;
    if (was_offered(l, key->blob, key->blob_len))
        return 0;
    REPX_AUTO_FREE char *what =
        repx_format("agent's key %s", key->comment ? key->comment : "");
    note(l, what);
    l->tries++;
    while ((rc = libssh2_agent_userauth(agent, s->settings.user, key)) ==
           LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, until(l), err) < 0)
            return -1;
    }
    return judge(l, rc, err);
}

static int try_agent(struct login *l, struct repx_err *err)
{
    struct ssh *s = l->s;
    struct libssh2_agent_publickey *key = NULL, *last = NULL;
    int rc = 0;

    if (!s->settings.agent || !s->settings.agent[0])
        return 0;
    LIBSSH2_AGENT *agent = libssh2_agent_init(s->session);
    if (!agent)
        return 0;
    libssh2_agent_set_identity_path(agent, s->settings.agent);
    if (libssh2_agent_connect(agent) == 0 &&
        libssh2_agent_list_identities(agent) == 0) {
        while (rc == 0 && libssh2_agent_get_identity(agent, &key, last) == 0) {
            rc = offer_agent_key(l, agent, key, err);
            last = key;
        }
    }
    (void)libssh2_agent_disconnect(agent);
    libssh2_agent_free(agent);
    return rc;
}

/* ---- key files ---- */

/* Reached only when the server would take the key: then asking for its passphrase makes
 * sense. Signing itself is left to the second round. */
static int do_not_sign(LIBSSH2_SESSION *session, unsigned char **sig, size_t *sig_len,
                       const unsigned char *data, size_t data_len, void **abstract)
{
    (void)session;
    (void)sig;
    (void)sig_len;
    (void)data;
    (void)data_len;
    *(int *)*abstract = 1;
    return -1;
}

static int is_welcome(struct login *l, const struct identity *id, struct repx_err *err)
{
    struct ssh *s = l->s;
    int welcome = 0, rc;
    void *flag = &welcome;

    if (!id->public_key.len)
        return 1; /* cannot be told */
    while ((rc = libssh2_userauth_publickey(s->session, s->settings.user,
                                            (const unsigned char *)id->public_key.data,
                                            id->public_key.len, do_not_sign, &flag)) ==
           LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, until(l), err) < 0)
            return -1;
    }
    return judge(l, rc, err) < 0 ? -1 : welcome;
}

static int ask_passphrase(struct login *l, const char *path, char *answer,
                          struct repx_err *err)
{
    struct ssh *s = l->s;
    REPX_AUTO_FREE char *prompt = repx_format("Passphrase for %s: ", path);

    return s->host.secret(s->host.ctx, prompt, answer, ANSWER_MAX, err);
}

static void forget(char *secret, size_t n)
{
    volatile char *p = secret;

    while (n--)
        *p++ = 0;
}

static int offer_file(struct login *l, const char *path, const char *passphrase,
                      struct repx_err *err)
{
    struct ssh *s = l->s;
    unsigned int user_len = (unsigned int)strlen(s->settings.user);
    int rc;

    note(l, path);
    l->tries++;
    while ((rc = libssh2_userauth_publickey_fromfile_ex(
                s->session, s->settings.user, user_len, NULL, path, passphrase)) ==
           LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, until(l), err) < 0)
            return -1;
    }
    if (rc == LIBSSH2_ERROR_FILE) {
        repx_buf_str(&l->tried,
                     passphrase ? " (wrong passphrase?)" : " (cannot be read)");
    }
    return judge(l, rc, err);
}

static int offer_locked(struct login *l, const char *path, const struct identity *id,
                        struct repx_err *err)
{
    char answer[ANSWER_MAX] = "";

    if (l->s->mode != REPX_OPEN_PROMPT) {
        l->locked = 1;
        return 0;
    }
    int welcome = is_welcome(l, id, err);
    if (welcome < 0)
        return -1;
    if (!welcome) {
        note(l, path);
        l->tries++;
        return 0;
    }
    int rc = ask_passphrase(l, path, answer, err) < 0
                 ? -1
                 : offer_file(l, path, answer, err);
    forget(answer, sizeof(answer));
    return rc;
}

static int try_file(struct login *l, const char *path, struct repx_err *err)
{
    struct identity id;
    int rc = 0;

    if (!identity_read(path, &id))
        return 0;
    int offered =
        id.public_key.len && was_offered(l, id.public_key.data, id.public_key.len);
    if (!offered && may_offer(l, id.kind)) {
        rc = id.encrypted ? offer_locked(l, path, &id, err)
                          : offer_file(l, path, NULL, err);
    }
    identity_free(&id);
    return rc;
}

static int try_keys(struct login *l, struct repx_err *err)
{
    const struct texts *files = &l->s->settings.identities;
    int rc = try_agent(l, err);

    for (size_t i = 0; rc == 0 && i < files->count; i++)
        rc = try_file(l, files->items[i], err);
    return rc;
}

/* ---- asking ---- */

/* NOLINTNEXTLINE(readability-function-size): the parameters are libssh2's */
static void answer_questions(const char *name, int name_len, const char *instruction,
                             int instruction_len, int count,
                             const LIBSSH2_USERAUTH_KBDINT_PROMPT *prompts,
                             LIBSSH2_USERAUTH_KBDINT_RESPONSE *responses,
                             void **abstract)
{
    struct ssh *s = *abstract;
    char answer[ANSWER_MAX];

    (void)name;
    (void)name_len;
    if (instruction_len > 0) {
        REPX_AUTO_FREE char *text = repx_format("%.*s", instruction_len, instruction);
        s->host.log(s->host.ctx, REPX_LOG_INFO, text);
    }
    for (int i = 0; i < count; i++) {
        REPX_AUTO_FREE char *prompt =
            repx_format("%s: %.*s", s->where, (int)prompts[i].length, prompts[i].text);
        answer[0] = 0;
        if (s->auth_err->code == REPX_E_NONE) {
            (void)s->host.secret(s->host.ctx, prompt, answer, sizeof(answer),
                                 s->auth_err);
        }
        /* libssh2 frees it with free(). */
        responses[i].text = repx_strdup(answer);
        responses[i].length = (unsigned int)strlen(answer);
        forget(answer, sizeof(answer));
    }
}

static int try_questions(struct login *l, struct repx_err *err)
{
    struct ssh *s = l->s;
    struct repx_err asked = {0};
    unsigned int user_len = (unsigned int)strlen(s->settings.user);
    int rc;

    note(l, "keyboard-interactive");
    s->auth_err = &asked;
    while ((rc = libssh2_userauth_keyboard_interactive_ex(
                s->session, s->settings.user, user_len, answer_questions)) ==
           LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, until(l), err) < 0)
            return -1;
    }
    s->auth_err = NULL;
    if (rc != 0 && asked.code != REPX_E_NONE) {
        *err = asked;
        return -1;
    }
    return judge(l, rc, err);
}

static int try_password(struct login *l, struct repx_err *err)
{
    struct ssh *s = l->s;
    char answer[ANSWER_MAX] = "";
    unsigned int user_len = (unsigned int)strlen(s->settings.user);
    REPX_AUTO_FREE char *prompt = repx_format("Password of %s: ", s->where);
    int rc = 0, judged = -1;

    note(l, "password");
    if (s->host.secret(s->host.ctx, prompt, answer, sizeof(answer), err) < 0)
        return -1;
    while ((rc = libssh2_userauth_password_ex(s->session, s->settings.user, user_len,
                                              answer, (unsigned int)strlen(answer),
                                              NULL)) == LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, until(l), err) < 0)
            break;
    }
    if (rc != LIBSSH2_ERROR_EAGAIN)
        judged = judge(l, rc, err);
    forget(answer, sizeof(answer));
    return judged;
}

/* ---- all together ---- */

static int offers(const char *list, const char *method)
{
    size_t n = strlen(method);

    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strncmp(at, method, n) == 0 && (at[n] == ',' || !at[n]))
            return 1;
    }
    return 0;
}

static int may_ask(const struct ssh *s)
{
    int64_t yes = 1;

    (void)s->host.config_number(s->host.ctx, "password", &yes);
    return s->mode == REPX_OPEN_PROMPT && yes;
}

static void add_hints(const struct login *l, struct repx_buf *to)
{
    if (l->skipped_rsa) {
        repx_buf_fmt(
            to,
            " RSA keys were not tried: libssh2 %s signs with them in a way that "
            "today's servers refuse; make an ed25519 key (ssh-keygen -t ed25519) "
            "and put it into authorized_keys there, or set transport = "
            "\"openssh\".",
            libssh2_version(0));
    }
    if (l->skipped_token)
        repx_buf_str(to, " Keys on a security token need transport = \"openssh\".");
    if (l->locked) {
        repx_buf_str(to,
                     " A key with a passphrase was not tried, since nobody may be "
                     "asked; load it with ssh-add.");
    }
    if (l->second) {
        repx_buf_str(to,
                     " The key was taken, but a second factor is wanted: set transport "
                     "= \"openssh\" and log in once with: repx login TARGET.");
    }
}

static int refused(const struct login *l, const char *list, struct repx_err *err)
{
    const struct settings *t = &l->s->settings;
    REPX_AUTO_BUF struct repx_buf hints = {0};

    add_hints(l, &hints);
    return repx_fail(
        err, REPX_E_AUTH,
        "%s: the server accepts none of what was tried (%s); it takes: %s.%s "
        "To see more: ssh -v -p %d %s@%s true",
        l->s->where, l->tried.len ? repx_buf_text(&l->tried) : "no key found", list,
        repx_buf_text(&hints), t->port, t->user, t->hostname);
}

/* What the server takes now: the caller frees. NULL with *done when it wants no proof at
 * all, or with *err. */
static char *ask_methods(struct login *l, int *done, struct repx_err *err)
{
    struct ssh *s = l->s;
    unsigned int n = (unsigned int)strlen(s->settings.user);

    for (;;) {
        const char *list = libssh2_userauth_list(s->session, s->settings.user, n);
        if (list)
            return repx_strdup(list);
        *done = libssh2_userauth_authenticated(s->session);
        if (*done)
            return NULL;
        if (libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_EAGAIN) {
            (void)ssh_fail(s, "authentication", err);
            return NULL;
        }
        if (ssh_wait(s, until(l), err) < 0)
            return NULL;
    }
}

static int try_asking(struct login *l, const char *list, struct repx_err *err)
{
    if (may_ask(l->s) && offers(list, "keyboard-interactive"))
        return try_questions(l, err);
    if (may_ask(l->s) && offers(list, "password"))
        return try_password(l, err);
    return 0;
}

/* A server that wants a key and something else does not say that it took the key, but
 * takes other things from then on. */
static int try_second(struct login *l, char **list, struct repx_err *err)
{
    int done = 0;

    if (!l->tries || offers(*list, "keyboard-interactive") || offers(*list, "password"))
        return try_asking(l, *list, err);
    char *now = ask_methods(l, &done, err);
    if (!now)
        return done ? 1 : -1;
    l->second = !offers(now, "publickey");
    free(*list);
    *list = now;
    return try_asking(l, now, err);
}

static int try_all(struct login *l, char **list, struct repx_err *err)
{
    int rc = 0;

    if (offers(*list, "publickey"))
        rc = try_keys(l, err);
    if (rc == 0)
        rc = try_second(l, list, err);
    if (rc == 0)
        return refused(l, *list, err);
    return rc < 0 ? -1 : 0;
}

int ssh_authenticate(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    struct login l = {.s = s, .deadline_ms = deadline_ms};
    int done = 0;
    char *list = ask_methods(&l, &done, err);

    if (!list)
        return done ? 0 : -1;
    int rc = try_all(&l, &list, err);
    free(list);
    repx_buf_free(&l.tried);
    texts_free(&l.offered);
    return rc;
}
