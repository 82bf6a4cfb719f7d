/* SPDX-License-Identifier: MIT */
/* JSON of a scheduler: whatever comes, in whatever pieces, is told the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/stream.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_value(void *ctx, const char *const *keys, unsigned depth,
                     const char *text)
{
    for (unsigned i = 0; i < depth; i++)
        repx_buf_str(ctx, keys[i]);
    repx_buf_str(ctx, text);
    if (depth > REPX_STREAM_DEPTH || strlen(text) > REPX_STREAM_TEXT)
        abort();
}

static void on_end(void *ctx, const char *const *keys, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        repx_buf_str(ctx, keys[i]);
    repx_buf_char(ctx, ';');
}

static int read_all(const uint8_t *data, size_t size, size_t step, struct repx_buf *to)
{
    struct repx_stream s = {.value = on_value, .end = on_end, .ctx = to};

    for (size_t at = 0; at < size; at += step) {
        repx_stream_take(&s, (const char *)data + at,
                         size - at < step ? size - at : step);
    }
    return repx_stream_end(&s);
}

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_buf whole REPX_AUTO_BUF = {0}, parts REPX_AUTO_BUF = {0};
    int rc = read_all(data, size, size + 1, &whole);

    if (read_all(data, size, 3, &parts) != rc || whole.len != parts.len ||
        (whole.len && memcmp(whole.data, parts.data, whole.len) != 0))
        abort();
    return 0;
}
