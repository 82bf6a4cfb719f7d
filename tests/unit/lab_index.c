/* SPDX-License-Identifier: MIT */
/* The pieces below a Lab: following links by name, clean paths, names, arenas, threads. */
#include <stdatomic.h>
#include <string.h>

#include "core/lab/doc.h"
#include "core/lab/index.h"
#include "core/lab/parallel.h"

#include "tap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    uint32_t kind;
    const char *path, *link;
} tree[] = {
    {REPX_ENTRY_DIR, "a", NULL},          {REPX_ENTRY_DIR, "a/b", NULL},
    {REPX_ENTRY_FILE, "a/b/f", NULL},     {REPX_ENTRY_FILE, "a.txt", NULL},
    {REPX_ENTRY_LINK, "up", "."},         {REPX_ENTRY_LINK, "a/l", "b/f"},
    {REPX_ENTRY_LINK, "a/dir", "../a/b"}, {REPX_ENTRY_LINK, "chain", "a/l"},
    {REPX_ENTRY_LINK, "gone", "a/none"},  {REPX_ENTRY_LINK, "loop", "loop2"},
    {REPX_ENTRY_LINK, "loop2", "loop"},   {REPX_ENTRY_LINK, "abs", "/etc"},
    {REPX_ENTRY_LINK, "climb", "../x"},   {REPX_ENTRY_LINK, "a/b/root", "../.."},
    {REPX_ENTRY_LINK, "self", "self/x"},  {REPX_ENTRY_LINK, "a/b/out", "root/../x"},
};

static const struct {
    const char *path, *found; /* NULL: an error */
    int32_t code;
    const char *says;
} ways[] = {
    {"a/b/f", "a/b/f", 0, NULL},
    {"a/l", "a/b/f", 0, NULL},
    {"chain", "a/b/f", 0, NULL},
    {"a/dir/f", "a/b/f", 0, NULL},
    {"a/dir", "a/b", 0, NULL},
    {"up/up/a/dir/../b/./f", "a/b/f", 0, NULL},
    {"a/b/root/a.txt", "a.txt", 0, NULL},
    {"a/b/root", "", 0, NULL},
    {"gone", NULL, REPX_E_NOENT, "is not in the Lab"},
    {"a/none", NULL, REPX_E_NOENT, "is not in the Lab"},
    {"a.txt/x", NULL, REPX_E_NOENT, "no directory"},
    {"chain/x", NULL, REPX_E_NOENT, "no directory"},
    {"loop", NULL, REPX_E_CORRUPT, "100 links"},
    {"self", NULL, REPX_E_CORRUPT, "100 links"},
    {"abs", NULL, REPX_E_CORRUPT, "out of the Lab to /etc"},
    {"climb", NULL, REPX_E_CORRUPT, "out of the Lab"},
    {"a/b/out", NULL, REPX_E_CORRUPT, "out of the Lab"},
    {"..", NULL, REPX_E_CORRUPT, "out of the Lab"},
    {"a/../../a", NULL, REPX_E_CORRUPT, "out of the Lab"},
};

static void links_are_followed_by_name(void)
{
    struct index ix = {0};

    for (size_t i = 0; i < COUNT(tree); i++)
        (void)index_add(&ix, tree[i].kind, tree[i].path, tree[i].link);
    (void)index_add(&ix, REPX_ENTRY_FILE, "twice", NULL);
    (void)index_add(&ix, REPX_ENTRY_DIR, "twice", NULL);
    index_settle(&ix);
    ok(ix.count == COUNT(tree) + 1, "equal paths are one entry");
    ok(ix.entries[index_find(&ix, "twice", 5)].kind == REPX_ENTRY_DIR, "the later one");
    ok(index_find(&ix, "a/", 2) == INDEX_NONE && index_find(&ix, "", 0) == INDEX_NONE,
       "nothing else is found");
    ok(index_find(&ix, "a.txt", 1) == index_find(&ix, "a", 1), "a length counts");
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct repx_err err = {0};
        size_t at = 0;
        int rc = index_resolve(&ix, ways[i].path, &at, &err);
        if (!ways[i].found) {
            ok(rc < 0 && err.code == ways[i].code && strstr(err.text, ways[i].says),
               "%s: %s", ways[i].path, err.text);
        } else {
            is(rc < 0             ? err.text
               : at == INDEX_NONE ? ""
                                  : ix.entries[at].path,
               ways[i].found, ways[i].path);
        }
    }
    index_free(&ix);
}

static const struct {
    const char *path, *clean;
} paths[] = {
    {"a/b", "a/b"}, {"./a//b/./c", "a/b/c"}, {"a/", "a"},
    {"...", "..."}, {"..a/b..", "..a/b.."},  {"", NULL},
    {".", NULL},    {"./.", NULL},           {"/a", NULL},
    {"..", NULL},   {"a/../b", NULL},        {"a/..", NULL},
};

static const struct {
    const char *name;
    int good;
} names[] = {
    {"0a1b-hello-1.1", 1},
    {"a", 1},
    {"a b", 1},
    {"a\xc3\xa9", 1},
    {"", 0},
    {".", 0},
    {"..", 0},
    {".a", 0},
    {"-a", 0},
    {"a/b", 0},
    {"/", 0},
    {"a\nb", 0},
    {"a\x7f", 0},
    {"\x1b[0m", 0},
};

static void paths_and_names_are_checked(void)
{
    struct arena arena = {0};
    char longest[210];

    for (size_t i = 0; i < COUNT(paths); i++) {
        is(index_clean_path(&arena, paths[i].path, strlen(paths[i].path)),
           paths[i].clean, paths[i].path);
    }
    ok(!index_clean_path(&arena, "a\0b", 3), "a path with NUL");
    for (size_t i = 0; i < COUNT(names); i++) {
        ok((doc_bad_name(names[i].name) == NULL) == names[i].good, "name %zu: %s", i,
           doc_bad_name(names[i].name) ? doc_bad_name(names[i].name) : "good");
    }
    memset(longest, 'n', sizeof(longest));
    longest[200] = 0;
    ok(!doc_bad_name(longest), "200 bytes");
    longest[200] = 'n';
    longest[201] = 0;
    ok(doc_bad_name(longest) != NULL, "201 bytes");
    is(doc_visible(&arena, "a\x1b[2J\nb\x7f"), "a?[2J?b?",
       "messages stay in their line");
    arena_free(&arena);
}

static void texts_are_kept_once(void)
{
    struct arena arena = {0};
    struct intern all = {.arena = &arena};
    const char *first = intern_text(&all, "main", 4);
    int good = 1;

    for (int i = 0; i < 5000; i++) {
        char text[16];
        int n = snprintf(text, sizeof(text), "t%d", i);
        const char *kept = intern_text(&all, text, (size_t)n);
        good &= strcmp(kept, text) == 0 && intern_text(&all, text, (size_t)n) == kept;
    }
    ok(good, "5000 texts");
    ok(intern_text(&all, "mainly", 4) == first, "the first one is still the same");
    ok(intern_text(&all, "mai", 3) != first, "a beginning is another text");
    is(intern_text(&all, "", 0), "", "the empty text");
    char *big = arena_alloc(&arena, 1 << 20), *small = arena_alloc(&arena, 1);
    big[(1 << 20) - 1] = 1;
    ok(((uintptr_t)big | (uintptr_t)small) % 16 == 0 && *small == 0, "aligned");
    intern_free(&all);
    arena_free(&arena);
}

struct job {
    atomic_size_t done;
    size_t bad[2];
};

static int one(void *ctx, size_t i, unsigned worker, struct repx_err *err)
{
    struct job *job = ctx;

    if (worker >= LAB_WORKERS)
        return repx_fail(err, REPX_E_FAILED, "worker %u", worker);
    atomic_fetch_add(&job->done, 1);
    if (i == job->bad[0] || i == job->bad[1])
        return repx_fail(err, REPX_E_FAILED, "%zu", i);
    return 0;
}

static void the_first_failure_is_told(void)
{
    static const size_t counts[] = {0, 1, 63, 64, 65, 1000, 10000};
    int good = 1;

    for (size_t i = 0; i < COUNT(counts); i++) {
        struct job job = {.bad = {SIZE_MAX, SIZE_MAX}};
        ok(lab_parallel(counts[i], one, &job, NULL) == 0 &&
               atomic_load(&job.done) == counts[i],
           "%zu, each once", counts[i]);
    }
    for (int n = 0; n < 200; n++) {
        struct job job = {.bad = {512, 511}};
        struct repx_err err = {0};
        good &= lab_parallel(1000, one, &job, &err) < 0 && !strcmp(err.text, "511");
    }
    ok(good, "of two failures always the first");
}

int main(void)
{
    links_are_followed_by_name();
    paths_and_names_are_checked();
    texts_are_kept_once();
    the_first_failure_is_told();
    return tap_end();
}
