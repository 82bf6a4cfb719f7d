/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/index.h"

static char dir[] = "/tmp/repx-index-XXXXXX";
static int state = -1;

static struct index_entry entry(uint8_t mark, uint8_t executable, char *path)
{
    struct index_entry e = {.executable = executable, .size = 5, .sec = 100, .nsec = 7};

    memset(e.digest.bytes, mark, sizeof(e.digest.bytes));
    e.path = path;
    return e;
}

static int finds(const struct object_index *ix, uint8_t mark, uint8_t executable,
                 const char *path)
{
    struct digest d;

    memset(d.bytes, mark, sizeof(d.bytes));
    for (size_t i = index_find(ix, &d, executable); i != INDEX_END;
         i = index_at((struct object_index *)(uintptr_t)ix, i)->next) {
        if (!index_at((struct object_index *)(uintptr_t)ix, i)->dropped &&
            strcmp(index_at((struct object_index *)(uintptr_t)ix, i)->path, path) == 0)
            return 1;
    }
    return 0;
}

static void write_one(const char *boot, const char *writer, uint8_t mark,
                      const char *path)
{
    struct object_index *ix = index_open(state, "n1", boot, writer);
    struct repx_err err = {0};
    REPX_AUTO_FREE char *own = repx_strdup(path);
    struct index_entry e = entry(mark, 1, own);
    struct digest t;

    memset(t.bytes, mark, sizeof(t.bytes));
    index_add(ix, &e);
    index_tree_add(ix, "artifacts/jobs/j", &t);
    ok(index_save(ix, &err) == 0, "saved%s", err.text);
    index_close(ix);
}

static void what_is_saved_is_found(void)
{
    write_one("b1", "001", 1, "artifacts/jobs/j/x y");
    struct object_index *ix = index_open(state, "n1", "b1", "002");
    ok(finds(ix, 1, 1, "artifacts/jobs/j/x y"), "by digest");
    ok(!finds(ix, 1, 0, "artifacts/jobs/j/x y"), "and mode");
    const struct index_entry *e = index_path(ix, "artifacts/jobs/j/x y");
    ok(e && e->size == 5 && e->sec == 100 && e->nsec == 7 && e->ino == 0,
       "by path, whole");
    ok(!index_path(ix, "artifacts/jobs/j/x"), "no other path");
    index_close(ix);
}

static void the_last_word_on_a_path_counts(void)
{
    write_one("b1", "003", 2, "artifacts/jobs/j/x y");
    struct object_index *ix = index_open(state, "n1", "b1", "004");
    ok(finds(ix, 2, 1, "artifacts/jobs/j/x y"), "new content");
    ok(!finds(ix, 1, 1, "artifacts/jobs/j/x y"), "old content is not there any more");
    index_close(ix);
}

static void another_boot_trusts_only_what_was_flushed(void)
{
    struct object_index *ix = index_open(state, "n1", "b2", "005");
    ok(!finds(ix, 2, 1, "artifacts/jobs/j/x y"), "not flushed: not trusted");
    index_close(ix);
    index_mark_safe(state, "003");
    ix = index_open(state, "n1", "b2", "005");
    ok(finds(ix, 2, 1, "artifacts/jobs/j/x y"), "flushed: trusted");
    index_close(ix);
}

static void many_files_become_one(void)
{
    for (int i = 10; i < 22; i++) {
        REPX_AUTO_FREE char *writer = repx_format("%03d", i);
        REPX_AUTO_FREE char *path = repx_format("artifacts/jobs/j/%d", i);
        write_one("b1", writer, (uint8_t)i, path);
    }
    struct object_index *ix = index_open(state, "n1", "b1", "099");
    int all = 1;
    for (int i = 10; i < 22; i++) {
        REPX_AUTO_FREE char *path = repx_format("artifacts/jobs/j/%d", i);
        all &= finds(ix, (uint8_t)i, 1, path);
    }
    ok(all, "and nothing is lost");
    index_close(ix);
    ok(faccessat(state, "index/001", F_OK, 0) < 0, "the old files are gone");
}

static void a_merge_forgets_what_is_gone(void)
{
    for (int i = 30; i < 40; i++) {
        REPX_AUTO_FREE char *writer = repx_format("%03d", i);
        write_one("b1", writer, (uint8_t)i, i % 2 ? "index" : "gone");
    }
    struct object_index *ix = index_open(state, "n1", "b1", "098");
    index_prune(ix, state);
    ok(index_path(ix, "index") && !index_path(ix, "gone"), "files that are gone");
    index_close(ix);
}

static const char *const broken[] = {
    "",
    "F",
    "nonsense\n",
    "repx-index 2 n1 b1\nF 00 x 1 1 1 1 a\n",
    "repx-index 1 n1 b1",
    "repx-index 1 n1 b1\nF zz x 1 1 1 1 artifacts/a\n",
    "repx-index 1 n1 b1\nF "
    "0909090909090909090909090909090909090909090909090909090909090909 x 1 1 1 1 ../up\n",
    "repx-index 1 n1 b1\nF "
    "0909090909090909090909090909090909090909090909090909090909090909 x 1 1 1 1 artif",
    "repx-index 1 n1 b1\nF "
    "0909090909090909090909090909090909090909090909090909090909090909 x 99999999999999999999 "
    "1 1 1 a\n",
};

static void what_is_broken_is_skipped(void)
{
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        struct repx_err err = {0};
        (void)repx_write_file(state, "index/500", broken[i], strlen(broken[i]), 0600,
                              &err);
        struct object_index *ix = index_open(state, "n1", "b1", "600");
        struct digest d;
        memset(d.bytes, 9, sizeof(d.bytes));
        ok(index_find(ix, &d, 1) == INDEX_END, "broken index %zu", i);
        index_close(ix);
    }
}

static void witnesses(void)
{
    struct index_entry e = entry(1, 1, NULL);
    struct stat st = {.st_mode = S_IFREG | 0755, .st_size = 5};

    st.st_mtim.tv_sec = 100;
    st.st_mtim.tv_nsec = 7;
    ok(index_agrees(&e, &st, NULL), "a bound takes the time itself");
    st.st_mtim.tv_nsec = 6;
    ok(index_agrees(&e, &st, NULL), "and what is before");
    st.st_mtim.tv_nsec = 8;
    ok(!index_agrees(&e, &st, NULL), "nothing after");
    struct stat dir_st = st;
    st.st_mtim.tv_nsec = 7;
    ok(!index_agrees(&e, &st, &dir_st), "nor when the directory changed after");
    dir_st.st_mtim.tv_nsec = 0;
    ok(index_agrees(&e, &st, &dir_st), "only before");
    e.ino = 4;
    st.st_mtim.tv_nsec = 7;
    ok(!index_agrees(&e, &st, NULL), "another inode is another file");
    st.st_ino = 4;
    ok(index_agrees(&e, &st, NULL), "inode and time");
    st.st_size = 6;
    ok(!index_agrees(&e, &st, NULL), "another size");
    st.st_size = 5;
    st.st_mode = S_IFREG | 0644;
    ok(!index_agrees(&e, &st, NULL), "another mode");
}

int main(void)
{
    struct repx_err err = {0};

    if (!mkdtemp(dir))
        return 1;
    state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    what_is_saved_is_found();
    the_last_word_on_a_path_counts();
    another_boot_trusts_only_what_was_flushed();
    many_files_become_one();
    a_merge_forgets_what_is_gone();
    what_is_broken_is_skipped();
    witnesses();
    (void)close(state);
    (void)repx_remove_tree(AT_FDCWD, dir, &err);
    return tap_end();
}
