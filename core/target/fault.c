/* SPDX-License-Identifier: MIT */
/* fault.c: the words of --fault. */
#include "fault.h"

#include <stddef.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/value.h>

#define SILENCE_MS 20000

static const struct word {
    const char *name;
    uint32_t type;
    size_t offset;
} words[] = {
    {"cut-after", REPX_FIELD_SIZE, offsetof(struct fault_plan, cut_after)},
    {"drop-after", REPX_FIELD_SIZE, offsetof(struct fault_plan, drop_after)},
    {"drop", REPX_FIELD_INT, offsetof(struct fault_plan, drop)},
    {"garble-after", REPX_FIELD_SIZE, offsetof(struct fault_plan, garble_after)},
    {"garble", REPX_FIELD_SIZE, offsetof(struct fault_plan, garble)},
    {"delay", REPX_FIELD_DURATION, offsetof(struct fault_plan, delay)},
    {"silence", REPX_FIELD_DURATION, offsetof(struct fault_plan, silence)},
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static int unknown(const char *item, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf list = {0};

    for (size_t i = 0; i < WORDS; i++)
        repx_buf_fmt(&list, "%s%s=", i ? ", " : "", words[i].name);
    return repx_fail(err, REPX_E_USAGE, "--fault: `%s` is none of %s", item,
                     repx_buf_text(&list));
}

static int take(const char *item, struct fault_plan *plan, struct repx_err *err)
{
    size_t n = strcspn(item, "=");
    int64_t value = 0;

    for (size_t i = 0; i < WORDS; i++) {
        const struct word *w = &words[i];
        if (strlen(w->name) != n || memcmp(w->name, item, n) != 0 || !item[n])
            continue;
        if (!repx_value_number(w->type, item + n + 1, &value) || value <= 0) {
            return repx_fail(err, REPX_E_USAGE, "--fault: %s needs %s, not `%s`",
                             w->name,
                             w->type == REPX_FIELD_INT    ? "a number"
                             : w->type == REPX_FIELD_SIZE ? "a size such as 64K"
                                                          : "a time such as 50ms",
                             item + n + 1);
        }
        memcpy((char *)plan + w->offset, &value, sizeof(value));
        return 0;
    }
    return unknown(item, err);
}

int fault_parse(const char *text, struct fault_plan *plan, struct repx_err *err)
{
    *plan = (struct fault_plan){.silence = SILENCE_MS};
    do {
        size_t n = strcspn(text, ",");
        REPX_AUTO_FREE char *item = repx_strndup(text, n);
        if (take(item, plan, err) < 0)
            return -1;
        text += n;
    } while (*text++);
    return 0;
}
