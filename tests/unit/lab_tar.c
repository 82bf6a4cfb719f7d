/* SPDX-License-Identifier: MIT */
/* Archives: hard links, long names, big numbers, and what is not a Lab's business. */
#include "tap.h"

#include "core/lab/tar.h"

#include "lab_scratch.h"

static struct index ix;
static struct arena arena;

static int index_of(const char *path, struct repx_err *err)
{
    struct stat st;
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    index_free(&ix);
    arena_free(&arena);
    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    return tar_index(fd, (uint64_t)st.st_size, &ix, &arena, err);
}

static const struct repx_entry *entry(const char *path)
{
    size_t at = index_find(&ix, path, strlen(path));

    return at == INDEX_NONE ? NULL : &ix.entries[at];
}

static void hard_links_are_their_file(const char *format)
{
    struct repx_err err = {0};

    ok(sh("rm -rf l && mkdir -p l/lab && echo {} >l/lab/lab-metadata.json && echo abc >l/a "
          "&& chmod 755 l/a && ln l/a l/b && ln l/a l/c && ln -s a l/s && mkfifo l/p && "
          "mkdir l/empty && tar --format=%s -cf l.tar l",
          format) == 0,
       "%s", format);
    ok(index_of("l.tar", &err) == 0, "is indexed: %s", err.text);
    const struct repx_entry *a = entry("a"), *b = entry("b"), *c = entry("c");
    ok(a && b && c && a->length == 4 && b->length == 4 && c->length == 4, "lengths");
    ok(b && b->executable && b->kind == REPX_ENTRY_FILE && !b->link, "a file again");
    ok(a && ix.stamps[b - ix.entries].offset == ix.stamps[a - ix.entries].offset,
       "in one place");
    is(entry("s") ? entry("s")->link : NULL, "a", "symbolic link");
    ok(!entry("p"), "no pipe");
    ok(entry("empty") && entry("empty")->kind == REPX_ENTRY_DIR, "empty directory");
}

static void long_names_are_whole(const char *format)
{
    struct repx_err err = {0};
    char name[260], link[260];

    memset(name, 'n', 200);
    memcpy(name + 200, "/end", 5);
    memset(link, 'k', 210);
    link[210] = 0;
    ok(sh("rm -rf l && mkdir -p l/lab l/$(dirname %s) && echo {} >l/lab/lab-metadata.json "
          "&& echo 1 >l/%s && echo 2 >l/%s && ln l/%s l/hard && ln -s %s l/soft && tar "
          "--format=%s -cf l.tar l",
          name, name, link, link, link, format) == 0,
       "%s", format);
    ok(index_of("l.tar", &err) == 0, "is indexed: %s", err.text);
    ok(entry(name) != NULL, "a long name");
    is(entry("soft") ? entry("soft")->link : NULL, link, "a long link");
    ok(entry("hard") && entry("hard")->length == 2, "a long hard link");
}

static void a_size_in_pax_counts(void)
{
    struct repx_err err = {0};

    ok(sh("rm -rf l && mkdir -p l/lab && echo {} >l/lab/lab-metadata.json && echo abc >l/a "
          "&& tar --format=pax --pax-option=size:=4 -cf l.tar l/a && tar --format=pax "
          "-rf l.tar l/lab") == 0,
       "size as a pax record");
    ok(index_of("l.tar", &err) == 0, "is indexed: %s", err.text);
    ok(entry("a") && entry("a")->length == 4, "length");
}

static void every_cut_is_noticed(void)
{
    struct repx_err err = {0};
    struct repx_buf b = {0};
    int bad = 0;

    ok(sh("rm -rf l && mkdir -p l/lab && echo {} >l/lab/lab-metadata.json && echo abc >l/a "
          "&& tar -b 2 -cf l.tar l") == 0,
       "a small archive");
    (void)repx_read_file(AT_FDCWD, "l.tar", 1 << 20, &b, NULL);
    size_t whole = b.len;
    while (whole > 512 && !memcmp(b.data + whole - 512, b.data + b.len - 512, 512))
        whole -= 512; /* the zeros at the end may well be shorter */
    for (size_t n = 0; n < whole; n += 128) {
        put("cut.tar", "");
        (void)repx_write_file(AT_FDCWD, "cut.tar", b.data, n, 0644, NULL);
        err = (struct repx_err){0};
        bad += index_of("cut.tar", &err) == 0 || err.code == REPX_E_NONE;
    }
    ok(bad == 0 && whole > 2000, "every cut of %zu bytes is an error", whole);
    repx_buf_free(&b);
}

static void sparse_files_are_refused(void)
{
    static const char *const formats[] = {"gnu", "pax"};

    for (size_t i = 0; i < 2; i++) {
        struct repx_err err = {0};
        ok(sh("rm -rf l && mkdir -p l/lab && echo {} >l/lab/lab-metadata.json && truncate "
              "-s 1M l/a && tar --format=%s --sparse -cf l.tar l",
              formats[i]) == 0,
           "%s", formats[i]);
        ok(index_of("l.tar", &err) < 0 && strstr(err.text, "--sparse"), "refused: %s",
           err.text);
    }
}

int main(void)
{
    scratch_begin();
    hard_links_are_their_file("gnu");
    hard_links_are_their_file("pax");
    hard_links_are_their_file("ustar");
    long_names_are_whole("gnu");
    long_names_are_whole("pax");
    a_size_in_pax_counts();
    every_cut_is_noticed();
    sparse_files_are_refused();
    index_free(&ix);
    arena_free(&arena);
    scratch_end();
    return tap_end();
}
