/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/wire/pack.h"

struct seen {
    struct repx_buf log;
    int fail_at_end;
    int ranges; /* tell where they begin */
    uint64_t at;
};

static int begin(void *ctx, const struct pack_head *head, struct repx_err *err)
{
    struct seen *s = ctx;

    (void)err;
    repx_buf_fmt(&s->log, "[%02x %c %llu ", head->digest.bytes[0],
                 head->executable ? 'x' : '-', (unsigned long long)head->length);
    return 0;
}

static int bytes(void *ctx, uint64_t at, const void *data, size_t n,
                 struct repx_err *err)
{
    struct seen *s = ctx;

    (void)err;
    if (s->ranges && at != s->at)
        repx_buf_fmt(&s->log, "@%llu:", (unsigned long long)at);
    s->at = at + n;
    repx_buf_add(&s->log, data, n);
    return 0;
}

static int end(void *ctx, struct repx_err *err)
{
    struct seen *s = ctx;

    repx_buf_char(&s->log, ']');
    return s->fail_at_end ? repx_fail(err, REPX_E_CORRUPT, "wrong digest") : 0;
}

static void add_object(struct repx_buf *b, uint8_t mark, uint8_t executable,
                       const char *text)
{
    struct pack_head head = {.executable = executable, .length = strlen(text)};
    uint8_t raw[PACK_HEAD];

    memset(head.digest.bytes, mark, sizeof(head.digest.bytes));
    pack_head_put(raw, &head);
    repx_buf_add(b, raw, sizeof(raw));
    repx_buf_str(b, text);
}

static void pieces_of_any_size(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    add_object(&b, 1, 1, "one");
    add_object(&b, 2, 0, "");
    add_object(&b, 3, 0, "three");
    for (size_t step = 1; step <= b.len; step += 1 + step / 3) {
        struct seen seen = {0};
        struct pack_sink sink = {&seen, begin, bytes, end};
        struct pack p;
        struct repx_err err = {0};
        int rc = 0;

        pack_init(&p, &sink);
        for (size_t at = 0; at < b.len && rc == 0; at += step) {
            size_t n = b.len - at < step ? b.len - at : step;
            rc = pack_input(&p, b.data + at, n, &err);
        }
        ok(rc == 0 && pack_end(&p, &err) == 0, "in pieces of %zu", step);
        is(repx_buf_text(&seen.log), "[01 x 3 one][02 - 0 ][03 - 5 three]",
           "same objects");
        repx_buf_free(&seen.log);
    }
}

static void what_is_wrong_ends_it(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct seen seen = {0};
    struct pack_sink sink = {&seen, begin, bytes, end};
    struct repx_err err = {0};
    struct pack p;

    add_object(&b, 1, 0, "abc");
    pack_init(&p, &sink);
    ok(pack_input(&p, b.data, b.len - 1, &err) == 0 && pack_end(&p, &err) < 0,
       "a pack that ends within content fails");
    pack_init(&p, &sink);
    ok(pack_input(&p, b.data, 10, &err) == 0 && pack_end(&p, &err) < 0,
       "one that ends within a head, too");
    pack_init(&p, &sink);
    b.data[32] = 7;
    ok(pack_input(&p, b.data, b.len, &err) < 0, "an unknown mode is refused");
    ok(pack_input(&p, "", 0, &err) < 0 && pack_end(&p, &err) < 0, "and ends the pack");
    b.data[32] = 0;
    memset(b.data + 33, 0xff, 8);
    pack_init(&p, &sink);
    ok(pack_input(&p, b.data, b.len, &err) < 0, "so is a length beyond all sense");
    b.len = 0;
    add_object(&b, 1, 0, "abc");
    seen.fail_at_end = 1;
    pack_init(&p, &sink);
    ok(pack_input(&p, b.data, b.len, &err) < 0, "an error of the sink comes through");
    is(err.text, "wrong digest", "with its text");
    repx_buf_free(&seen.log);
}

static void add_range(struct repx_buf *b, uint64_t at, const char *text)
{
    uint8_t raw[PACK_RANGE];

    pack_range_put(raw, at, (uint32_t)strlen(text));
    repx_buf_add(b, raw, sizeof(raw));
    repx_buf_str(b, text);
}

static void add_parts_head(struct repx_buf *b)
{
    struct pack_head head = {.parts = 1, .length = 100};
    uint8_t raw[PACK_HEAD];

    pack_head_put(raw, &head);
    repx_buf_add(b, raw, sizeof(raw));
}

static int taken(const struct repx_buf *b, size_t step, struct seen *seen)
{
    struct pack_sink sink = {seen, begin, bytes, end};
    struct repx_err err = {0};
    struct pack p;
    int rc = 0;

    seen->ranges = 1;
    pack_init(&p, &sink);
    for (size_t at = 0; at < b->len && rc == 0; at += step) {
        rc =
            pack_input(&p, b->data + at, b->len - at < step ? b->len - at : step, &err);
    }
    return rc == 0 ? pack_end(&p, &err) : rc;
}

static void parts_of_an_object(void)
{
    for (size_t step = 1; step < 90; step += 11) {
        REPX_AUTO_BUF struct repx_buf b = {0};
        struct seen seen = {0};
        add_parts_head(&b);
        add_range(&b, 10, "ten");
        add_range(&b, 13, "on");
        add_range(&b, 95, "end..");
        add_range(&b, 0, "");
        ok(taken(&b, step, &seen) == 0, "ranges in pieces of %zu", step);
        char *joined = repx_buf_detach(&seen.log);
        ok(strncmp(joined, "[00 - 100 @10:t", 15) == 0 && strstr(joined, "@95:e"),
           "each at its place: %s", joined);
        free(joined);
    }
    static const struct {
        uint64_t at;
        const char *text, *name;
    } wrong[] = {{5, "x", "backwards"},
                 {99, "xy", "beyond the end"},
                 {UINT64_MAX, "x", "far beyond"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        REPX_AUTO_BUF struct repx_buf b = {0};
        struct seen seen = {0};
        add_parts_head(&b);
        add_range(&b, 10, "ten");
        add_range(&b, wrong[i].at, wrong[i].text);
        ok(taken(&b, 1000, &seen) < 0, "%s", wrong[i].name);
        repx_buf_free(&seen.log);
    }
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct seen seen = {0};
    add_parts_head(&b);
    add_range(&b, 10, "ten");
    ok(taken(&b, 1000, &seen) < 0, "no last range");
    repx_buf_free(&seen.log);
}

int main(void)
{
    pieces_of_any_size();
    parts_of_an_object();
    what_is_wrong_ends_it();
    return tap_end();
}
