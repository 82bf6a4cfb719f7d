/* SPDX-License-Identifier: MIT */
/* command.c: what was submitted, for people. */
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define PLAIN                    \
    "abcdefghijklmnopqrstuvwxyz" \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,%+@"

static void put_word(struct repx_buf *b, const char *word)
{
    if (*word && word[strspn(word, PLAIN)] == 0) {
        repx_buf_str(b, word);
    } else {
        repx_buf_shell(b, word);
    }
}

char *command_text(const char *const *argv, const char *input)
{
    struct repx_buf b = {0};
    size_t i = 0;

    while (argv[i] && strcmp(argv[i], "sbatch") != 0)
        i++;
    for (; argv[i]; i++) {
        put_word(&b, argv[i]);
        repx_buf_char(&b, ' ');
    }
    repx_buf_fmt(&b, "<<'SCRIPT'\n%sSCRIPT", input);
    return repx_buf_detach(&b);
}
