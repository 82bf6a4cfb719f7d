/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <fcntl.h>
#include <libssh2.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "base64.h"

#define KEY_FILE_MAX (1u << 20)
#define FRAME_MAX 65536u

/* rsa-sha2 came with 1.11. */
#define RSA_SHA2_SINCE 0x010b00

int identity_rsa_works(void)
{
    return libssh2_version(RSA_SHA2_SINCE) != NULL;
}

int identity_kind(const char *type, size_t n)
{
    static const struct {
        const char *prefix;
        int kind;
    } kinds[] = {{"ssh-ed25519", IDENTITY_USABLE},
                 {"ecdsa-sha2-nistp", IDENTITY_USABLE},
                 {"ssh-rsa", IDENTITY_RSA},
                 {"rsa-sha2-", IDENTITY_RSA},
                 {"sk-", IDENTITY_TOKEN}};
    static const char cert[] = "-cert-v01@openssh.com";

    if (n > sizeof(cert) - 1 &&
        memcmp(type + n - (sizeof(cert) - 1), cert, sizeof(cert) - 1) == 0)
        return IDENTITY_CERTIFIED;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (n >= len && memcmp(type, kinds[i].prefix, len) == 0)
            return kinds[i].kind;
    }
    return IDENTITY_OTHER;
}

/* A length of four bytes and that many bytes. */
struct frame {
    const unsigned char *at;
    size_t len;
};

static int take_u32(struct frame *from, uint32_t *n)
{
    if (from->len < 4)
        return 0;
    *n = (uint32_t)from->at[0] << 24 | (uint32_t)from->at[1] << 16 |
         (uint32_t)from->at[2] << 8 | from->at[3];
    from->at += 4;
    from->len -= 4;
    return 1;
}

static int take_frame(struct frame *from, struct frame *to)
{
    uint32_t n = 0;

    if (!take_u32(from, &n) || n > from->len || n > FRAME_MAX)
        return 0;
    *to = (struct frame){from->at, n};
    from->at += n;
    from->len -= n;
    return 1;
}

int identity_kind_of_key(const void *key, size_t n)
{
    struct frame all = {key, n}, type;

    if (!take_frame(&all, &type))
        return IDENTITY_OTHER;
    return identity_kind((const char *)type.at, type.len);
}

static void set_public(struct identity *id, const void *key, size_t n)
{
    repx_buf_add(&id->public_key, key, n);
    id->kind = identity_kind_of_key(key, n);
}

/* openssh-key-v1: magic, cipher, kdf, its options, count, public key, private part. */
static int parse_openssh(struct identity *id, const struct repx_buf *bytes)
{
    static const char magic[] = "openssh-key-v1";
    struct frame all = {(const unsigned char *)repx_buf_text(bytes), bytes->len};
    struct frame cipher, kdf, options, key;
    uint32_t count = 0;

    if (all.len < sizeof(magic) || memcmp(all.at, magic, sizeof(magic)) != 0)
        return 0;
    all.at += sizeof(magic);
    all.len -= sizeof(magic);
    if (!take_frame(&all, &cipher) || !take_frame(&all, &kdf) ||
        !take_frame(&all, &options) || !take_u32(&all, &count) ||
        !take_frame(&all, &key))
        return 0;
    id->encrypted = cipher.len != 4 || memcmp(cipher.at, "none", 4) != 0;
    set_public(id, key.at, key.len);
    return 1;
}

/* TYPE BASE64 COMMENT */
static void read_public(const char *path, struct identity *id)
{
    REPX_AUTO_FREE char *file = repx_format("%s.pub", path);
    REPX_AUTO_BUF struct repx_buf text = {0}, key = {0};

    if (repx_read_file(AT_FDCWD, file, KEY_FILE_MAX, &text, NULL) < 0)
        return;
    const char *space = strchr(repx_buf_text(&text), ' ');
    if (!space)
        return;
    size_t n = strcspn(space + 1, " \r\n");
    if (base64_decode(space + 1, n, &key) && key.len)
        set_public(id, key.data, key.len);
}

static const struct {
    const char *begin;
    int kind;      /* if its public half is not beside it */
    int encrypted; /* by its form */
} forms[] = {
    {"-----BEGIN RSA PRIVATE KEY-----", IDENTITY_RSA, 0},
    {"-----BEGIN EC PRIVATE KEY-----", IDENTITY_USABLE, 0},
    {"-----BEGIN ENCRYPTED PRIVATE KEY-----", IDENTITY_USABLE, 1},
    {"-----BEGIN PRIVATE KEY-----", IDENTITY_USABLE, 0},
};

static void parse_pem(struct identity *id, const char *text)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!strstr(text, forms[i].begin))
            continue;
        id->kind = forms[i].kind;
        id->encrypted = forms[i].encrypted || strstr(text, "Proc-Type: 4,ENCRYPTED");
        return;
    }
}

void identity_parse(const char *text, struct identity *id)
{
    static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    REPX_AUTO_BUF struct repx_buf bytes = {0};
    const char *start = strstr(text, begin);

    if (!start) {
        parse_pem(id, text);
        return;
    }
    start += strlen(begin);
    const char *end = strstr(start, "-----END");
    if (end && base64_decode(start, (size_t)(end - start), &bytes))
        (void)parse_openssh(id, &bytes);
}

int identity_read(const char *path, struct identity *id)
{
    REPX_AUTO_BUF struct repx_buf text = {0};

    memset(id, 0, sizeof(*id));
    if (repx_read_file(AT_FDCWD, path, KEY_FILE_MAX, &text, NULL) < 0)
        return 0;
    identity_parse(repx_buf_text(&text), id);
    if (!id->public_key.len)
        read_public(path, id);
    return 1;
}

int identity_has_certificate(const char *path)
{
    REPX_AUTO_FREE char *file = repx_format("%s-cert.pub", path);

    return access(file, R_OK) == 0;
}

void identity_free(struct identity *id)
{
    repx_buf_free(&id->public_key);
}
