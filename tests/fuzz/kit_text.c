/* SPDX-License-Identifier: MIT */
/* What a scheduler's commands print, and what users write into its configuration. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/scheduler.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *ctx, char *line)
{
    *(size_t *)ctx += strlen(line) + 1;
    line[0] = 0;
}

static void lines(const uint8_t *data, size_t size)
{
    size_t told = 0;
    struct repx_lines l = {.line = on_line, .ctx = &told};

    for (size_t at = 0; at < size; at += 5)
        repx_lines_take(&l, (const char *)data + at, size - at < 5 ? size - at : 5);
    (void)repx_lines_end(&l);
    if (told > size)
        abort();
}

static void options(const char *text)
{
    static const char *const reserved[] = {"-N", "--array", "-t*", NULL};
    const struct repx_resources r = {.native = &text, .native_count = 1};
    struct repx_args a REPX_AUTO_ARGS = {0};

    if (repx_args_native(&a, &r, "qsub", reserved, NULL) < 0)
        return;
    for (size_t i = 0; i < a.count; i++) {
        if (repx_text_plain("", a.list[i], NULL) < 0)
            abort();
    }
    if (a.count < 1 || a.count > 2 || a.list[0][0] != '-')
        abort();
}

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_FREE char *text = repx_strndup((const char *)data, size);
    REPX_AUTO_FREE char *said = repx_said(text, "error: ");
    char key[REPX_KEY_SIZE];

    if (strlen(said) > 1100 || strpbrk(said, "\r\n"))
        abort();
    lines(data, size);
    options(text);
    if (repx_key_take(text, strlen(text), key) && strlen(key) != strlen(text))
        abort();
    if (repx_text_word("", text, "_", NULL) == 0 && strpbrk(text, " \n;$'\"-"))
        abort();
    return 0;
}
