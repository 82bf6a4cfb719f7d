/* SPDX-License-Identifier: MIT */
/* scatter_items.c: the work list, which a user's script wrote. */
#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/scatter.h"

#define WORK_LIST_MAX (256u << 20)
#define BRANCH_MAX 10000000u
#define DEPTH_MAX 200

static int depth_ok(const char *text, size_t n)
{
    int depth = 0, quoted = 0;

    for (size_t i = 0; i < n && depth <= DEPTH_MAX; i++) {
        char c = text[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        }
    }
    return depth <= DEPTH_MAX;
}

json_t *work_items_parse(const char *text, size_t n, struct repx_err *err)
{
    json_error_t why;

    if (!depth_ok(text, n)) {
        (void)repx_fail(err, REPX_E_CORRUPT, "work_items.json: nested too deeply");
        return NULL;
    }
    json_t *items = json_loadb(text, n, JSON_ALLOW_NUL, &why);
    if (!items) {
        (void)repx_fail(err, REPX_E_CORRUPT, "work_items.json: line %d: %s", why.line,
                        why.text);
        return NULL;
    }
    if (json_is_array(items) && json_array_size(items) <= BRANCH_MAX)
        return items;
    json_decref(items);
    (void)repx_fail(err, REPX_E_CORRUPT,
                    "work_items.json: not an array; the scatter has to write one "
                    "element for each branch");
    return NULL;
}

json_t *work_items_read(const struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *path =
        repx_format("outputs/%s/scatter/out/work_items.json", u->id);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(u->site->base_fd, path, WORK_LIST_MAX, &b, err) < 0)
        return NULL;
    return work_items_parse(repx_buf_text(&b), b.len, err);
}
