/* SPDX-License-Identifier: MIT */
/* What arrived of large objects: kept, told, gone on with, and never taken for the whole. */
#define _GNU_SOURCE /* O_PATH, usleep */

#include "store_fixture.h"

#include <dirent.h>
#include <time.h>

#define LARGE ((size_t)3 * 1024 * 1024 + 12345)
#define CHUNK ((size_t)PACK_CHUNK)
#define WEEK_AGO (time(NULL) - (time_t)8 * 86400)

static char *content; /* LARGE characters, no two pieces alike */
static struct file large[1];

static void content_make(void)
{
    uint32_t x = 1;

    content = repx_alloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++) {
        x = x * 1664525u + 1013904223u;
        content[i] = (char)('a' + (x >> 24) % 26);
    }
    content[LARGE] = 0;
    large[0] = (struct file){"data", content, 0, NULL};
}

static struct digest digest_large(void)
{
    struct digest d;

    digest_of(content, LARGE, &d);
    return d;
}

/* The first n bytes of the plain object's pack; then the session is gone. */
static void send_some(size_t n)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};
    struct repx_err err = {0};
    struct store *s = opened();

    (void)place(s, JOB, large, 1, NULL);
    (void)lacking(s, &a);
    pack_file(&pack, &large[0], content);
    struct store_put *p = store_put_begin(s);
    ok(store_put_bytes(p, pack.data, PACK_HEAD + n, &err) == 0, "%zu bytes arrive", n);
    store_put_free(p);
    store_close(s);
}

static void add_range(struct repx_buf *pack, size_t at, size_t n)
{
    uint8_t raw[PACK_RANGE];

    pack_range_put(raw, at, (uint32_t)n);
    repx_buf_add(pack, raw, sizeof(raw));
    repx_buf_add(pack, content + at, n);
}

static void add_parts_head(struct repx_buf *pack)
{
    struct pack_head head = {.digest = digest_large(), .parts = 1, .length = LARGE};
    uint8_t raw[PACK_HEAD];

    pack_head_put(raw, &head);
    repx_buf_add(pack, raw, sizeof(raw));
}

/* What a client does: compares what is told, sends the rest. Returns the bytes sent, -1. */
static int64_t go_on(struct store *s, uint64_t *told)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};
    REPX_AUTO_BUF struct repx_buf pieces = {0};
    struct digest d = digest_large(), got;
    struct repx_err err = {0};

    (void)place(s, JOB, large, 1, NULL);
    (void)lacking(s, &a);
    *told = store_partial(s, d.bytes, 0, &pieces);
    add_parts_head(&pack);
    size_t head = pack.len;
    for (size_t at = 0; at < LARGE; at += CHUNK) {
        size_t n = LARGE - at < CHUNK ? LARGE - at : CHUNK;
        size_t have = at >= *told ? 0 : *told - at < n ? (size_t)*told - at : n;
        digest_of(content + at, have, &got);
        const char *there = repx_buf_text(&pieces) + at / CHUNK * REPX_DIGEST_LEN;
        if (!have || memcmp(got.bytes, there, REPX_DIGEST_LEN) != 0)
            have = 0;
        if (have < n)
            add_range(&pack, at + have, n - have);
    }
    int64_t sent = (int64_t)(pack.len - head);
    repx_buf_add(&pack, "\0\0\0\0\0\0\0\0\0\0\0\0", PACK_RANGE);
    struct store_put *p = store_put_begin(s);
    if (store_put_bytes(p, pack.data, pack.len, &err) < 0 ||
        store_put_end(p, &err) < 0 || store_verify(s, &err) < 0) {
        printf("# %s\n", err.text);
        sent = -1;
    }
    store_put_free(p);
    return sent;
}

static int arrived_whole(void)
{
    struct digest want = digest_large(), got;
    uint64_t length;

    return store_hash(site.base_fd, JOB "/data", &got, &length) &&
           memcmp(&got, &want, sizeof(got)) == 0;
}

static void cut_and_gone_on(void)
{
    uint64_t told = 0;

    site_make();
    send_some(CHUNK + 77777);
    ok(!is_there(JOB), "nothing is to be seen");
    struct store *s = opened();
    int64_t sent = go_on(s, &told);
    ok(told == CHUNK + 77777, "the next session tells what is there: %llu",
       (unsigned long long)told);
    ok(sent > 0 && (size_t)sent < LARGE - CHUNK - 77777 + (size_t)4 * PACK_RANGE + 1,
       "the rest is sent: %lld", (long long)sent);
    ok(arrived_whole(), "and the whole is right");
    ok(mode_of(JOB "/data") == 0644, "with its mode");
    store_close(s);
    ok(stage_is_empty(), "nothing is left");
    site_drop();
}

/* The part's path below the state directory, as a session left it. */
static char *part_path(void)
{
    struct digest d = digest_large();
    char hex[DIGEST_HEX];

    digest_hex(&d, hex);
    return repx_format("stage/.parts/f%s", hex);
}

static void a_bad_piece_is_sent_alone(void)
{
    REPX_AUTO_FREE char *path = part_path();
    uint64_t told = 0;

    site_make();
    send_some(3 * CHUNK);
    REPX_AUTO_CLOSE int fd = openat(site.state_fd, path, O_RDWR | O_CLOEXEC);
    ok(fd >= 0 && pwrite(fd, "#", 1, (off_t)CHUNK + 5) == 1, "a byte rots");
    struct store *s = opened();
    int64_t sent = go_on(s, &told);
    ok(sent > 0 && (size_t)sent == LARGE - 2 * CHUNK + (size_t)2 * PACK_RANGE,
       "that piece and the rest are sent: %lld", (long long)sent);
    ok(arrived_whole(), "and the whole is right");
    store_close(s);
    site_drop();
}

static void wrong_on_the_way(void)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};
    struct repx_err err = {0};
    uint64_t told = 0;

    site_make();
    struct store *s = opened();
    (void)place(s, JOB, large, 1, NULL);
    (void)lacking(s, &a);
    pack_file(&pack, &large[0], content);
    pack.data[PACK_HEAD + 2 * CHUNK + 1] = '#';
    struct store_put *p = store_put_begin(s);
    store_put_again(p);
    ok(store_put_bytes(p, pack.data, pack.len, &err) == 0 &&
           store_put_end(p, &err) == 0 && store_put_wrong(p) == 1,
       "a wrong digest is counted");
    store_put_free(p);
    ok(store_verify(s, &err) < 0 && !is_there(JOB), "and nothing stands");
    int64_t sent = go_on(s, &told);
    ok(told == LARGE && sent == (int64_t)(CHUNK + PACK_RANGE),
       "one piece is sent again: %lld", (long long)sent);
    ok(arrived_whole(), "and the whole is right");
    store_close(s);
    site_drop();
}

static void never_the_whole(void)
{
    static struct asked a;
    REPX_AUTO_FREE char *path = part_path();
    uint64_t told = 0;

    site_make();
    send_some(LARGE - 1);
    struct store *s = opened();
    (void)place(s, JOB, large, 1, NULL);
    ok(lacking(s, &a) == 1, "a part is none");
    store_close(s);
    REPX_AUTO_CLOSE int fd = openat(site.state_fd, path, O_RDWR | O_CLOEXEC);
    ok(fd >= 0 && pwrite(fd, "#", 1, (off_t)LARGE - 1) == 1,
       "of full length, but wrong");
    s = opened();
    (void)place(s, JOB, large, 1, NULL);
    ok(lacking(s, &a) == 1 && !is_there(JOB), "is none either");
    store_close(s);
    ok(fd >= 0 && pwrite(fd, "##", 2, (off_t)LARGE) == 2, "one that is too long");
    s = opened();
    ok(go_on(s, &told) > 0 && told == 0 && arrived_whole(), "is thrown away");
    store_close(s);
    site_drop();
}

static void of_a_killed_session(void)
{
    struct repx_err err = {0};
    uint64_t told = 0;

    site_make();
    pid_t pid = fork();
    if (pid == 0) {
        REPX_AUTO_BUF struct repx_buf pack = {0};
        struct store *s = opened();
        (void)place(s, JOB, large, 1, NULL);
        pack_file(&pack, &large[0], content);
        struct store_put *p = store_put_begin(s);
        (void)store_put_bytes(p, pack.data, 2 * CHUNK, &err);
        _exit(0); /* nothing is closed */
    }
    int status;
    ok(pid > 0 && waitpid(pid, &status, 0) == pid, "a session is killed");
    struct store *s = opened();
    ok(go_on(s, &told) > 0 && told == 2 * CHUNK - PACK_HEAD,
       "what it had is gone on with: %llu", (unsigned long long)told);
    store_close(s);
    ok(arrived_whole() && stage_is_empty(), "to the end");
    site_drop();
}

static void of_a_session_that_hangs(void)
{
    static struct asked a;
    REPX_AUTO_BUF struct repx_buf pack = {0};
    struct repx_err err = {0};
    uint64_t told = 0;

    site_make();
    struct store *hangs = opened();
    (void)place(hangs, JOB, large, 1, NULL);
    (void)lacking(hangs, &a);
    pack_file(&pack, &large[0], content);
    struct store_put *p = store_put_begin(hangs);
    (void)store_put_bytes(p, pack.data, 2 * CHUNK, &err);
    struct store *s = opened();
    ok(go_on(s, &told) > 0 && told == 2 * CHUNK - PACK_HEAD && arrived_whole(),
       "what another session sits on is used, too");
    ok(store_put_bytes(p, pack.data + 2 * CHUNK, pack.len - 2 * CHUNK, &err) == 0 &&
           store_put_end(p, &err) == 0 && store_verify(hangs, &err) == 0,
       "and that one can go on, if it wakes");
    store_put_free(p);
    store_close(hangs);
    store_close(s);
    ok(arrived_whole(), "the whole is right");
    site_drop();
}

static void stale_ones_go(void)
{
    REPX_AUTO_FREE char *path = part_path();
    struct timespec times[2] = {{.tv_sec = WEEK_AGO}, {.tv_sec = WEEK_AGO}};
    struct stat st;

    site_make();
    send_some(CHUNK);
    (void)transfer("artifacts/jobs/other", package, COUNT(package));
    ok(fstatat(site.state_fd, path, &st, 0) == 0, "another transfer leaves a part");
    (void)utimensat(site.state_fd, path, times, 0);
    (void)transfer("artifacts/jobs/other2", package, COUNT(package));
    ok(fstatat(site.state_fd, path, &st, 0) < 0, "unless nobody came for a week");
    ok(stage_is_empty(), "and nothing is left");
    site_drop();
}

int main(void)
{
    if (!mkdtemp(base))
        return 1;
    content_make();
    cut_and_gone_on();
    a_bad_piece_is_sent_alone();
    wrong_on_the_way();
    never_the_whole();
    of_a_killed_session();
    of_a_session_that_hangs();
    stale_ones_go();
    free(content);
    return tap_end();
}
