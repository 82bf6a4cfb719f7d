/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <string.h>

#define WORD_MAX 64u

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Insertions, removals and replacements between two words, row by row. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[WORD_MAX + 1];

    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t here =
                least(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = here;
        }
    }
    return row[m];
}

const char *nearest_word(const char *word, const char *const *among, size_t count)
{
    const char *best = NULL;
    size_t n = strlen(word), best_distance = n / 3 + 2; /* one less is near enough */

    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, among[i]);
        size_t k = strlen(among[i]), both = n < k ? n : k;
        /* `cpus` is far from `cpus-per-task` and `memory` from `mem`, and yet it is what
         * was meant. */
        if (both >= 3 && strncmp(among[i], word, both) == 0)
            d = 1;
        if (d < best_distance && d < k) {
            best = among[i];
            best_distance = d;
        }
    }
    return best;
}
