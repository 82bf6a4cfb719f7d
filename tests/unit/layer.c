/* SPDX-License-Identifier: MIT */
/* Layers of hostile images: what they may do to the directory, and that they do nothing
 * outside of it. */
#define _GNU_SOURCE /* memfd_create */
#include "core/agent/runtime_tar.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#include "layer_rows.h"
#include "tap.h"

#define BLOCK 512

static void header_add(struct repx_buf *tar, const char *name, char type,
                       const char *link, size_t size, unsigned mode)
{
    char b[BLOCK + 1] = {0};
    unsigned sum = 0;

    (void)snprintf(b, 100, "%.99s", name);
    (void)snprintf(b + 100, 8, "%07o", mode);
    (void)snprintf(b + 124, 12, "%011zo", size);
    (void)snprintf(b + 136, 12, "%011o", 1u);
    memset(b + 148, ' ', 8);
    b[156] = type;
    (void)snprintf(b + 157, 100, "%.99s", link);
    memcpy(b + 257, "ustar", 6);
    b[263] = b[264] = '0';
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)b[i];
    (void)snprintf(b + 148, 8, "%06o", sum);
    repx_buf_add(tar, b, BLOCK);
}

static void data_add(struct repx_buf *tar, const char *text, size_t n)
{
    static const char zeros[BLOCK];

    repx_buf_add(tar, text, n);
    repx_buf_add(tar, zeros, (BLOCK - n % BLOCK) % BLOCK);
}

static void member_add(struct repx_buf *tar, const struct row *r)
{
    int has_data = r->type != '1' && r->type != '2' && r->type != '5';
    size_t n = has_data && r->text ? strlen(r->text) : 0;

    header_add(tar, r->name, r->type, has_data || !r->text ? "" : r->text, n,
               r->mode ? r->mode : 0644);
    data_add(tar, n ? r->text : "", n);
}

static int apart; /* each layer is unpacked alone first */

static int unpack_apart(int fd, int root, struct repx_err *err)
{
    char dir[] = "/var/tmp/repx-alone.XXXXXX";
    const struct layer_options plain = {.max = 1000};
    REPX_AUTO_BUF struct repx_buf notes = {0};
    struct layer_options alone = {.max = 1000, .notes = &notes};

    if (!mkdtemp(dir))
        return -2;
    REPX_AUTO_CLOSE int own = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = layer_unpack(fd, own, &alone, err);
    if (rc == 0)
        rc = layer_merge(own, &notes, root, &plain, err);
    (void)repx_remove_tree(AT_FDCWD, dir, NULL);
    return rc;
}

static int unpack(const struct repx_buf *tar, int root, struct repx_err *err)
{
    int fd = memfd_create("layer", MFD_CLOEXEC);

    if (fd < 0 || repx_write_all(fd, tar->data, tar->len) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        return -2;
    int rc = apart ? unpack_apart(fd, root, err)
                   : layer_unpack(fd, root, &(struct layer_options){.max = 1000}, err);
    (void)close(fd);
    return rc;
}

/* Layers of a list, one over the other. */
static int unpack_rows(const struct row *rows, int root, struct repx_err *err)
{
    int rc = 0;

    for (const struct row *r = rows; rc == 0 && *r->name;) {
        struct repx_buf tar = {0};
        for (; *r->name && strcmp(r->name, "@") != 0; r++)
            member_add(&tar, r);
        r += *r->name ? 1 : 0;
        rc = unpack(&tar, root, err);
        repx_buf_free(&tar);
    }
    return rc;
}

/* The directory's content: "path", "path=text", "path->target", "path/", each with a blank
 * behind it. */
static void list(const char *root, struct repx_buf *to)
{
    REPX_AUTO_FREE char *command = repx_format(
        "cd %s && find . -mindepth 1 \\( -type d -printf '%%P/ ' -o -type l "
        "-printf '%%P->%%l ' -o -type f -printf '%%P=' -exec cat {} \\; -printf ' ' -o "
        "-printf '%%P? ' \\) | tr ' ' '\\n' | LC_ALL=C sort | tr '\\n' ' '",
        root);
    FILE *f = popen(command, "r");
    char text[4096];

    for (size_t n; f && (n = fread(text, 1, sizeof text, f)) > 0;)
        repx_buf_add(to, text, n);
    if (f)
        (void)pclose(f);
    while (to->len && to->data[to->len - 1] == ' ')
        to->data[--to->len] = 0;
    for (size_t i = 0; i < to->len; i++) {
        if (!to->data[i]) /* of a hole */
            to->data[i] = '?';
    }
}

/* The directory is two levels below one that is watched. */
struct place {
    char top[64];
    char *root;
    int fd;
};

static void place_make(struct place *p)
{
    struct repx_err err = {0};

    (void)strcpy(p->top, "/var/tmp/repx-layer.XXXXXX");
    if (!mkdtemp(p->top))
        abort();
    p->root = repx_format("%s/a/b", p->top);
    (void)repx_make_dirs(p->root, 0755, &err);
    p->fd = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Does nothing but the directory exist around it? Removes it. */
static int place_clean(struct place *p)
{
    struct stat st;
    REPX_AUTO_FREE char *command = repx_format(
        "test \"$(ls -A %s)$(ls -A %s/a)\" = ab && ! test -e /escape", p->top, p->top);
    int good = system(command) == 0 && stat(p->root, &st) == 0;

    (void)close(p->fd);
    (void)repx_remove_tree(AT_FDCWD, p->top, NULL);
    free(p->root);
    return good;
}

static void hostile_layers(int way)
{
    apart = way;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct place p;
        struct repx_err err = {0};
        REPX_AUTO_BUF struct repx_buf got = {0};
        place_make(&p);
        int rc = unpack_rows(table[i].rows, p.fd, &err);
        list(p.root, &got);
        if (table[i].gives) {
            ok(rc == 0, "%s: is unpacked: %s", table[i].what, err.text);
            is(repx_buf_text(&got), table[i].gives, table[i].what);
        } else {
            ok(rc < 0 && strstr(err.text, table[i].says), "%s: is refused: %s",
               table[i].what, err.text);
        }
        ok(place_clean(&p), "%s: nothing outside", table[i].what);
    }
}

static void set_id_bits_are_dropped(void)
{
    static const struct row rows[] = {
        {"f", '0', "x", 06755}, {"d", '5', NULL, 07777}, {"u", '0', "x", 0}, {""}};
    struct place p;
    struct repx_err err = {0};
    struct stat f = {0}, d = {0};

    place_make(&p);
    ok(unpack_rows(rows, p.fd, &err) == 0 && fstatat(p.fd, "f", &f, 0) == 0 &&
           (f.st_mode & 07777) == 0755,
       "set-user-id and set-group-id of a file");
    ok(fstatat(p.fd, "d", &d, 0) == 0 && (d.st_mode & 07000) == 0, "of a directory");
    ok(f.st_uid == geteuid() && f.st_mtime == 1, "owner and time");
    (void)place_clean(&p);
}

/* A name or a target of a megabyte, and one more. */
static void long_names(void)
{
    static const struct {
        char type, member;
        size_t n;
        const char *says;
    } rows[] = {
        {'L', '0', 1u << 20, "layer"},   {'L', '0', (1u << 20) + 1, "a name of"},
        {'L', '5', 1u << 20, "layer"},   {'K', '2', 1u << 20, ""},
        {'K', '1', 1u << 20, "link to"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        REPX_AUTO_BUF struct repx_buf tar = {0};
        REPX_AUTO_FREE char *name = repx_alloc(rows[i].n + 1);
        struct place p;
        struct repx_err err = {0};
        for (size_t k = 0; k < rows[i].n; k++)
            name[k] = k % 2 || rows[i].type == 'K' ? 'a' : '/';
        header_add(&tar, "long", rows[i].type, "", rows[i].n, 0644);
        data_add(&tar, name, rows[i].n);
        header_add(&tar, "f", rows[i].member, "", 0, 0644);
        place_make(&p);
        ok(unpack(&tar, p.fd, &err) == -1 && err.code, "%c of %zu: %.60s", rows[i].type,
           rows[i].n, err.text);
        ok(place_clean(&p), "nothing outside");
    }
}

static void huge_counts(void)
{
    for (unsigned n = 1000; n <= 1001; n++) {
        REPX_AUTO_BUF struct repx_buf tar = {0};
        struct place p;
        struct repx_err err = {0};
        for (unsigned i = 0; i < n; i++)
            header_add(&tar, "same", '0', "", 0, 0644);
        place_make(&p);
        int rc = unpack(&tar, p.fd, &err);
        ok(n == 1000 ? rc == 0 : rc < 0 && strstr(err.text, "more than 1000 members"),
           "%u members: %s", n, err.text);
        ok(place_clean(&p), "nothing outside");
    }
}

/* Every length: an error, or what a shorter archive gives; and never more. */
static void cut_archives(void)
{
    static const struct row rows[] = {{"d", '5', NULL, 0755},
                                      {"d/f", '0', "some text", 0},
                                      {"l", '2', "d/f", 0},
                                      {""}};
    REPX_AUTO_BUF struct repx_buf tar = {0};
    int bad = 0, good = 0;

    for (const struct row *r = rows; *r->name; r++)
        member_add(&tar, r);
    for (size_t n = 0; n < tar.len; n += 64) {
        struct repx_buf cut = tar;
        struct place p;
        struct repx_err err = {0};
        cut.len = n;
        place_make(&p);
        int rc = unpack(&cut, p.fd, &err);
        bad += rc < 0 && err.code;
        good += rc == 0 && n % BLOCK == 0;
        if (!place_clean(&p))
            bad -= 1000;
    }
    ok(bad + good == (int)(tar.len / 64) && bad > 20, "%d cut, %d at an end", bad,
       good);
}

/* As GNU tar stores them: many pieces, a hole at the end, nothing but a hole, none. */
static void sparse_files(void)
{
    static const char *const forms[] = {
        "--format=gnu", "--format=posix --sparse-version=0.0",
        "--format=posix --sparse-version=0.1", "--format=posix --sparse-version=1.0"};

    for (size_t i = 0; i < 2 * sizeof forms / sizeof forms[0]; i++) {
        struct place p;
        struct repx_err err = {0};
        place_make(&p);
        apart = i % 2 == 1;
        REPX_AUTO_FREE char *make = repx_format(
            "mkdir -p %s/in/d && cd %s/in && truncate -s 3000001 d/many && "
            "for i in $(seq 0 60); do printf %%03d $i | dd of=d/many bs=1 "
            "seek=$((i * 40960 + i)) conv=notrunc status=none; done && "
            "truncate -s 1M d/none && echo plain >plain && "
            "{ head -c 8192 /dev/zero | tr '\\0' x; } >d/end && truncate -s 2M d/end && "
            "tar --sparse %s -cf ../tar .",
            p.top, p.top, forms[i / 2]);
        REPX_AUTO_FREE char *tar = repx_format("%s/tar", p.top);
        REPX_AUTO_FREE char *compare = repx_format(
            "cd %s && diff -r in a/b && test $(du -k a/b/d/many | cut -f1) -lt 2000 && "
            "rm -r in tar",
            p.top);
        int made = system(make) == 0;
        REPX_AUTO_CLOSE int fd = open(tar, O_RDONLY | O_CLOEXEC);
        const struct layer_options plain = {.max = 1000};
        int rc =
            apart ? unpack_apart(fd, p.fd, &err) : layer_unpack(fd, p.fd, &plain, &err);
        ok(made && rc == 0, "sparse files, %s%s: %s", forms[i / 2],
           apart ? ", apart" : "", err.text);
        ok(system(compare) == 0 && place_clean(&p), "come out as they were");
    }
}

int main(void)
{
    (void)umask(022);
    hostile_layers(1);
    hostile_layers(0);
    set_id_bits_are_dropped();
    long_names();
    huge_counts();
    cut_archives();
    sparse_files();
    return tap_end();
}
