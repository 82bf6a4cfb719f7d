/* SPDX-License-Identifier: MIT */
/* What a scheduler forgets, kept in files; and the script that keeps it. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/records.h>

static char *base, *records;

#define KEY_A "kaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "kbbbbbbbbbbbbbbbbbbbbbbbbb"

static void begin(void)
{
    char dir[] = "/tmp/repx-test.XXXXXX";

    base = repx_strdup(mkdtemp(dir));
    records = repx_format("%s/sched 'q'", base);
}

static void end(void)
{
    (void)repx_remove_tree(AT_FDCWD, base, NULL);
    free(base);
    free(records);
}

static char *workdir(const char *key)
{
    char *dir = repx_format("%s/sub/%s", base, key);

    (void)repx_make_dirs(dir, 0755, NULL);
    return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, name);

    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

/* ---- what became of a unit ---- */

static void found(void)
{
    static const struct {
        const char *id, *array, *end, *end1; /* files; NULL: not there */
        int is;
        uint32_t state;
    } rows[] = {
        {NULL, "0\n", NULL, NULL, 0, 0},
        {"", "0\n", NULL, NULL, 0, 0},
        {"\n", "0\n", NULL, NULL, 0, 0},
        {"12\n", "0\n", NULL, NULL, 1, REPX_STATE_ENDED},
        {"12\n", NULL, NULL, NULL, 1, REPX_STATE_ENDED},
        {"12\n", "0\n", "0\n", NULL, 1, REPX_STATE_DONE},
        {"12\n", "0\n", "3\n", NULL, 1, REPX_STATE_FAILED},
        {"12\n", "0\n", "dependency\n", NULL, 1, REPX_STATE_CANCELED},
        {"12\n", "0\n", "", NULL, 1, REPX_STATE_FAILED},
        {"12\n", "0\n", "00", NULL, 1, REPX_STATE_FAILED},
        {"12\n", "2\n", "0\n", "0\n", 1, REPX_STATE_DONE},
        {"12\n", "2\n", "0\n", "1\n", 1, REPX_STATE_FAILED},
        {"12\n", "2\n", "0\n", NULL, 1, REPX_STATE_ENDED},
        {"12\n", "99999999999999999999\n", "0\n", "0\n", 1, REPX_STATE_ENDED},
        {"12\n", "-1", "0\n", NULL, 1, REPX_STATE_ENDED},
        {"0123456789012345678901234567890123456789012345678901234567890123\n", "0\n",
         NULL, NULL, 0, 0},
        {"12\nmore", "garbage", "0\nmore", NULL, 1, REPX_STATE_DONE},
    };
    struct repx_buf none = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        REPX_AUTO_FREE char *key = repx_format("kfound%020zu", i);
        REPX_AUTO_FREE char *dir = workdir(key);
        const struct repx_unit u = {.key = key, .workdir = dir};
        char id[REPX_ID_SIZE];
        uint32_t state = 0;
        (void)repx_records_prepare(records, &u, &none, NULL);
        REPX_AUTO_FREE char *array = repx_format("%s/repx.array", dir);
        (void)unlink(array);
        int many = rows[i].array && rows[i].array[0] == '2';
        int huge =
            rows[i].array && (rows[i].array[0] == '9' || rows[i].array[0] == '-');
        if (rows[i].id)
            put(dir, "repx.id", rows[i].id);
        if (rows[i].array)
            put(dir, "repx.array", rows[i].array);
        if (rows[i].end)
            put(dir, many || huge ? "repx.end.0" : "repx.end", rows[i].end);
        if (rows[i].end1)
            put(dir, "repx.end.1", rows[i].end1);
        int is = repx_records_find(records, key, id, &state);
        ok(is == rows[i].is && (!is || (state == rows[i].state && !strcmp(id, "12"))),
           "unit %zu: %d, state %u", i, is, state);
    }
    char id[REPX_ID_SIZE];
    uint32_t state;
    ok(repx_records_find(records, "knobody", id, &state) == 0, "nobody's key");
}

static void prepared(void)
{
    REPX_AUTO_FREE char *dir = workdir(KEY_A);
    const struct repx_unit u = {.key = KEY_A, .workdir = dir};
    struct repx_buf deps REPX_AUTO_BUF = {0}, read REPX_AUTO_BUF = {0};
    char id[REPX_ID_SIZE];
    uint32_t state;

    repx_buf_str(&deps, "ok 7\n");
    ok(repx_records_prepare(records, &u, &deps, NULL) == 0, "a unit is prepared");
    ok(repx_records_prepare(records, &u, &deps, NULL) == 1, "a second time says so");
    ok(repx_records_accepted(records, &u, "34", NULL) == 0 &&
           repx_records_find(records, KEY_A, id, &state) == 1 && !strcmp(id, "34"),
       "once it was accepted its id is found");
    deps.len = 0;
    repx_buf_str(&deps, "corr 8\n");
    ok(repx_records_deps(records, KEY_A, &deps, NULL) == 0 &&
           repx_records_deps_read(records, KEY_A, &read) == 0 &&
           strcmp(read.data, "corr 8\n") == 0,
       "its dependencies are replaced");
    ok(repx_records_deps_read(records, "knobody", &read) < 0, "nobody has none");
    struct repx_err err = {0};
    const struct repx_unit lost = {.key = KEY_A, .workdir = "/nonexistent"};
    ok(repx_records_prepare(records, &lost, &deps, &err) < 0 && err.text[0],
       "a directory that is not there is an error: %s", err.text);
}

static void swept(void)
{
    REPX_AUTO_FREE char *dir = workdir(KEY_B);
    REPX_AUTO_FREE char *link = repx_format("%s/key/kgone", records);
    REPX_AUTO_FREE char *stamp = repx_format("%s/swept", records);
    const struct repx_unit u = {.key = KEY_B, .workdir = dir};
    struct repx_buf none = {0};
    struct stat st;

    ok(symlink("/nonexistent", link) == 0, "a link that leads nowhere");
    (void)repx_records_prepare(records, &u, &none, NULL);
    ok(lstat(link, &st) == 0, "links are not looked at all the time");
    (void)unlink(stamp);
    (void)repx_records_prepare(records, &u, &none, NULL);
    REPX_AUTO_FREE char *kept = repx_format("%s/key/" KEY_B, records);
    ok(lstat(link, &st) < 0 && lstat(kept, &st) == 0,
       "but once a day those that lead nowhere go");
}

/* ---- the script ---- */

/* Runs it; 0 with what repx.end says in *end. */
static int run(const char *key, const char *body, uint64_t array, const char *deps,
               char **end)
{
    REPX_AUTO_FREE char *dir = workdir(key);
    const struct repx_unit u = {
        .key = key, .workdir = dir, .body = body, .array = array};
    struct repx_buf b REPX_AUTO_BUF = {0}, script REPX_AUTO_BUF = {0};
    struct repx_buf said = {0};

    repx_buf_str(&b, deps);
    if (repx_records_prepare(records, &u, &b, NULL) < 0)
        return -1;
    repx_records_script(records, &u, "77", "1", &script);
    put(dir, "script", script.data);
    REPX_AUTO_FREE char *command = repx_format("sh '%s/script'", dir);
    int status = system(command); /* NOLINT(cert-env33-c): as a scheduler runs it */
    REPX_AUTO_FREE char *path = repx_format("%s/repx.end%s", dir, array ? ".1" : "");
    (void)repx_read_file(AT_FDCWD, path, 100, &said, NULL);
    *end = repx_buf_detach(&said);
    (*end)[strcspn(*end, "\n")] = 0;
    return status < 0 ? -1 : 0;
}

static void ended(const char *key, const char *id, const char *array, const char *end)
{
    REPX_AUTO_FREE char *dir = workdir(key);
    REPX_AUTO_FREE char *link = repx_format("%s/id/%s", records, id);

    put(dir, "repx.array", array);
    put(dir, strcmp(array, "0") == 0 ? "repx.end" : "repx.end.1", end);
    if (symlink(dir, link) < 0)
        printf("# %s\n", link);
}

static void scripts(void)
{
    static const struct {
        const char *what, *body;
        uint64_t array;
        const char *deps, *end;
    } rows[] = {
        {"one that ends well", "true", 0, "", "0"},
        {"its exit status", "exit 5", 0, "", "5"},
        {"a signal", "kill -9 $$; sleep 9", 0, "", ""},
        {"an index", "test \"$REPX_INDEX\" = 1", 2, "", "0"},
        {"its id", "test \"$REPX_UNIT\" = 77", 0, "", "0"},
        {"no index", "test -z \"${REPX_INDEX+x}\"", 0, "", "0"},
        {"after one that ended well", "true", 0, "ok 501\n", "0"},
        {"after one that did not", "touch ran", 0, "ok 502\n", "dependency"},
        {"after one index", "true", 0, "ok 503_1\n", "0"},
        {"after both", "true", 0, "ok 501\nok 503_1\n", "0"},
        {"after one that did not end well and one that did", "touch ran", 0,
         "ok 501\nok 502\n", "dependency"},
        {"index by index", "true", 2, "corr 503\n", "0"},
    };

    ended("kdone", "501", "0", "0\n");
    ended("kfailed", "502", "0", "1\n");
    ended("karray", "503", "2", "0\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        REPX_AUTO_FREE char *key = repx_format("kscript%019zu", i);
        REPX_AUTO_FREE char *end = NULL;
        int rc = run(key, rows[i].body, rows[i].array, rows[i].deps, &end);
        REPX_AUTO_FREE char *ran = repx_format("%s/sub/%s/ran", base, key);
        ok(rc == 0 && strcmp(end, rows[i].end) == 0 && access(ran, F_OK) < 0,
           "the script: %s: %s", rows[i].what, end);
    }
}

int main(void)
{
    begin();
    prepared();
    swept();
    found();
    scripts();
    end();
    return tap_end();
}
