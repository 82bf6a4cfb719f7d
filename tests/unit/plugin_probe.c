/* SPDX-License-Identifier: MIT */
/* What is wrong with a plugin's file is told, whatever it does when it is touched. */
#include "tap.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/plugin/elf.h"
#include "core/plugin/probe.h"

static char root[] = "/tmp/repx-probe-XXXXXX";

static void put(const char *path, const void *bytes, size_t n)
{
    struct repx_err err = {0};

    if (repx_write_file(AT_FDCWD, path, bytes, n, 0644, &err) < 0)
        printf("# %s\n", err.text);
}

static void take(const char *built, struct repx_buf *so)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *from = repx_format(BROKEN_DIR "/%s.so", built);

    if (repx_read_file(AT_FDCWD, from, 64u << 20, so, &err) < 0)
        printf("# %s\n", err.text);
}

/* transport-broken.so with these bytes, and a manifest; the path is to be freed. */
static char *install(const struct repx_buf *so)
{
    static const char ini[] = "[plugin]\nkind = transport\nname = broken\nabi = 0.1\n";
    static int number;
    REPX_AUTO_FREE char *dir = repx_format("%s/%d", root, ++number);
    REPX_AUTO_FREE char *manifest = repx_format("%s/transport-broken.ini", dir);
    char *file = repx_format("%s/transport-broken.so", dir);

    (void)mkdir(dir, 0755);
    put(file, so->data, so->len);
    put(manifest, ini, sizeof(ini) - 1);
    return file;
}

static void probe_says(const char *what, const struct repx_buf *so, const char *want)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *file = install(so);

    ok(plugin_probe(file, 1000, &err) < 0 && strstr(err.text, want) &&
           strstr(err.text, file),
       "%s: %s", what, err.text);
}

static const struct {
    const char *built, *want;
} cases[] = {
    {"exits", "ends the process when it is loaded (exit status 3)"},
    {"exits0", "ends the process when it is loaded (exit status 0)"},
    {"crashes", "crashes when it is loaded: signal 11"},
    {"hangs", "does not come back within 1 s"},
    {"loading", "crashes when it is loaded: signal 6"},
    {"lies", "descriptor says it is 65536 bytes, but memory ends before that"},
    {"magic", "magic is 0000000000000011"},
    {"slot", "exit_status is NULL"},
    {"symbol", "exports no symbol repx_plugin_v0"},
    {"lies_more", "descriptor says it is 60000 bytes, but memory ends before that"},
    {"relative", "looks for its libraries in \"lib\", which depends on where repx is"},
    {"nowhere", "looks for its libraries in \"\", which depends on where repx is"},
};

/* The same without a manifest: what is wrong with the file comes first. */
static void of_a_file_alone_too(const struct repx_buf *so, const char *want)
{
    struct repx_err err = {0};
    REPX_AUTO_FREE char *file = install(so);
    REPX_AUTO_FREE char *ini = repx_format("%.*s.ini", (int)strlen(file) - 3, file);

    (void)unlink(ini);
    ok(plugin_probe(file, 1000, &err) < 0 && strstr(err.text, want), "alone: %s",
       err.text);
}

static void what_plugins_do_is_told(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPX_AUTO_BUF struct repx_buf so = {0};
        take(cases[i].built, &so);
        probe_says(cases[i].built, &so, cases[i].want);
        of_a_file_alone_too(&so, cases[i].want);
    }
}

static void files_that_are_no_library_are_told(void)
{
    static const char text[] = "#!/bin/sh\necho no library at all, just text\n";
    static const size_t cuts[] = {0, 3, 40, 500, 4096};
    REPX_AUTO_BUF struct repx_buf so = {0}, other = {0};
    struct repx_err err = {0};

    repx_buf_str(&other, text);
    probe_says("text", &other, "is no ELF file");
    take("good", &so);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        other.len = 0;
        repx_buf_add(&other, so.data, cuts[i]);
        REPX_AUTO_FREE char *what = repx_format("its first %zu bytes", cuts[i]);
        probe_says(what, &other, cuts[i] < 4 ? "is no ELF file" : "is cut short");
    }
    ((Elf64_Ehdr *)(void *)so.data)->e_machine = EM_S390;
    probe_says("another machine", &so, "is for s390 (64-bit), this repx is for");
    so.data[EI_CLASS] = ELFCLASS32;
    probe_says("a 32-bit file", &so, "(32-bit), this repx is for");
    ok(elf_check("/proc/self/exe", &err) == 0 || strstr(err.text, "no library"),
       "a program is no crash %s", err.text);
}

static void good_ones_pass_and_names_count(void)
{
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf so = {0};

    take("good", &so);
    REPX_AUTO_FREE char *file = install(&so);
    ok(plugin_probe(file, 5000, &err) == 0, "a good one %s", err.text);
    REPX_AUTO_FREE char *ini = repx_format("%.*s.ini", (int)strlen(file) - 3, file);
    (void)unlink(ini);
    ok(plugin_probe(file, 5000, &err) < 0 && strstr(err.text, "has no manifest"), "%s",
       err.text);
    ok(plugin_probe("/etc/passwd", 5000, &err) < 0 &&
           strstr(err.text, "is no ELF file"),
       "%s", err.text);
    REPX_AUTO_FREE char *other = repx_format("%s/mine.so", root);
    put(other, so.data, so.len);
    ok(plugin_probe(other, 5000, &err) < 0 && strstr(err.text, "KIND-NAME.so"), "%s",
       err.text);
    REPX_AUTO_FREE char *pipe = repx_format("%s/pipe.so", root);
    ok(mkfifo(pipe, 0644) == 0 && plugin_probe(pipe, 5000, &err) < 0 &&
           strstr(err.text, "is no regular file"),
       "%s", err.text);
    ok(plugin_probe("/none/transport-x.so", 5000, &err) < 0 && err.code == REPX_E_NOENT,
       "%s", err.text);
}

int main(void)
{
    struct repx_err err = {0};

    if (!mkdtemp(root) || chmod(root, 0755) < 0)
        return 1;
    what_plugins_do_is_told();
    files_that_are_no_library_are_told();
    good_ones_pass_and_names_count();
    (void)repx_remove_tree(AT_FDCWD, root, &err);
    return tap_end();
}
