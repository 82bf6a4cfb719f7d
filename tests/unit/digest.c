/* SPDX-License-Identifier: MIT */
/* The expected digests were computed with another implementation of SHA-256. */
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/wire/digest.h"

static const struct {
    const char *text, *hex;
} texts[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"content", "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"},
};

static void texts_have_their_digests(void)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct digest d, back;
        char hex[DIGEST_HEX];
        digest_of(texts[i].text, strlen(texts[i].text), &d);
        digest_hex(&d, hex);
        is(hex, texts[i].hex, "digest of a text");
        ok(digest_parse(hex, &back) && memcmp(&d, &back, sizeof(d)) == 0,
           "parses back");
    }
}

static void only_64_lower_case_digits_parse(void)
{
    struct digest d;
    char hex[80];

    (void)snprintf(hex, sizeof(hex), "%s", texts[1].hex);
    hex[63] = 0;
    ok(!digest_parse(hex, &d), "63 digits");
    (void)snprintf(hex, sizeof(hex), "%s0", texts[1].hex);
    ok(!digest_parse(hex, &d), "65 digits");
    (void)snprintf(hex, sizeof(hex), "%s", texts[1].hex);
    hex[0] = 'B';
    ok(!digest_parse(hex, &d), "upper case");
    ok(!digest_parse("", &d), "nothing");
}

static void a_file_is_read_from_where_it_stands(void)
{
    char path[] = "/tmp/repx-digest-XXXXXX";
    int fd = mkstemp(path);
    struct digest d;
    struct repx_err err = {0};
    uint64_t length = 0;
    char hex[DIGEST_HEX] = "";

    ok(fd >= 0 && write(fd, "xxabc", 5) == 5 && lseek(fd, 2, SEEK_SET) == 2, "a file");
    ok(digest_fd(fd, &d, &length, &err) == 0 && length == 3, "three bytes are left");
    digest_hex(&d, hex);
    is(hex, texts[1].hex, "and have their digest");
    (void)close(fd);
    (void)unlink(path);
    ok(digest_fd(-1, &d, NULL, &err) < 0 && err.text[0], "a bad descriptor says why");
}

/* "a" and "a-b" hold something; "a/empty" does not. */
static struct repx_entry entries[] = {
    {.path = "link", .kind = REPX_ENTRY_LINK, .link = "b"},
    {.path = "a", .kind = REPX_ENTRY_DIR},
    {.path = "a/file", .kind = REPX_ENTRY_FILE},
    {.path = "b", .kind = REPX_ENTRY_FILE, .executable = 1},
    {.path = "a-b/c", .kind = REPX_ENTRY_FILE},
    {.path = "a/empty", .kind = REPX_ENTRY_DIR},
    {.path = "a-b", .kind = REPX_ENTRY_DIR},
};
#define COUNT (sizeof(entries) / sizeof(entries[0]))

static void tree_hex(const struct repx_entry *e, size_t n, char hex[DIGEST_HEX])
{
    struct digest d;

    digest_tree(e, n, &d);
    digest_hex(&d, hex);
}

static void a_tree_does_not_depend_on_order(void)
{
    static const char want[] =
        "7cfc98d8e528efbd6b7dd6c9e04151f6e3227828067a5af98837c041151eafca";
    char hex[DIGEST_HEX];
    struct digest content;

    digest_of("content", 7, &content);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(entries[i].digest, content.bytes, sizeof(content.bytes));
    tree_hex(entries, COUNT, hex);
    is(hex, want, "a tree");
    for (size_t i = 0; i < COUNT / 2; i++) {
        struct repx_entry e = entries[i];
        entries[i] = entries[COUNT - 1 - i];
        entries[COUNT - 1 - i] = e;
    }
    tree_hex(entries, COUNT, hex);
    is(hex, want, "and backwards");
    tree_hex(entries, 0, hex);
    is(hex, "d52b9de26ea9ec9f090e4c310c9b1f9ad50b6c950822386eb09a6e15676eb264",
       "the empty tree");
}

static void a_tree_depends_on_what_matters(void)
{
    struct repx_entry e = {.path = "p", .kind = REPX_ENTRY_FILE};
    char plain[DIGEST_HEX], other[DIGEST_HEX];

    tree_hex(&e, 1, plain);
    e.executable = 1;
    tree_hex(&e, 1, other);
    ok(strcmp(plain, other) != 0, "the executable bit");
    e.executable = 0;
    e.digest[31] = 1;
    tree_hex(&e, 1, other);
    ok(strcmp(plain, other) != 0, "the content");
    e.digest[31] = 0;
    e.path = "q";
    tree_hex(&e, 1, other);
    ok(strcmp(plain, other) != 0, "the path");
    e.path = "p";
    e.length = 5;
    tree_hex(&e, 1, other);
    is(other, plain, "but not the length, which the digest implies");
}

int main(void)
{
    texts_have_their_digests();
    only_64_lower_case_digits_parse();
    a_file_is_read_from_where_it_stands();
    a_tree_does_not_depend_on_order();
    a_tree_depends_on_what_matters();
    return tap_end();
}
