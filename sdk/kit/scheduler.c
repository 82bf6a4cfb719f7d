/* SPDX-License-Identifier: MIT */
#include "scheduler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define MESSAGE_MAX 1000
#define LINE_MAX_LEN 400
#define PIECE_MAX (1u << 20)

/* ---- arguments ---- */

static void take(struct repx_args *a, char *text)
{
    if (a->count + 1 >= a->cap) {
        a->cap = a->cap ? a->cap * 2 : 32;
        a->list = repx_grow(a->list, a->cap, sizeof(char *));
    }
    a->list[a->count++] = text;
    a->list[a->count] = NULL;
}

void repx_args_add(struct repx_args *a, const char *text)
{
    take(a, repx_strdup(text));
}

void repx_args_fmt(struct repx_args *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t size = n > 0 ? (size_t)n + 1 : 1;
    char *text = repx_alloc(size);
    va_start(ap, fmt);
    (void)vsnprintf(text, size, fmt, ap);
    va_end(ap);
    take(a, text);
}

void repx_args_cut(struct repx_args *a, size_t count)
{
    while (a->count > count) {
        free(a->list[--a->count]);
        a->list[a->count] = NULL;
    }
}

void repx_args_free(struct repx_args *a)
{
    repx_args_cut(a, 0);
    free(a->list);
    *a = (struct repx_args){0};
}

char *repx_args_text(const struct repx_args *a, const char *input)
{
    struct repx_buf b = {0};

    for (size_t i = 0; i < a->count; i++) {
        const char *word = a->list[i];
        if (i)
            repx_buf_char(&b, ' ');
        if (*word && word[strspn(word, LOWER UPPER DIGITS "-_=./:,%+@")] == 0) {
            repx_buf_str(&b, word);
        } else {
            repx_buf_shell(&b, word);
        }
    }
    if (input)
        repx_buf_fmt(&b, " <<'SCRIPT'\n%sSCRIPT", input);
    return repx_buf_detach(&b);
}

/* ---- what users write ---- */

int repx_text_plain(const char *what, const char *text, struct repx_err *err)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s holds a line break or another control character",
                             what);
        }
    }
    return 0;
}

int repx_text_word(const char *what, const char *text, const char *more,
                   struct repx_err *err)
{
    if (!*text)
        return repx_fail(err, REPX_E_USAGE, "%s is empty", what);
    if (*text == '-')
        return repx_fail(err, REPX_E_USAGE, "%s \"%s\" begins with '-'", what, text);
    for (const char *p = text; *p; p++) {
        if (!strchr(LOWER UPPER DIGITS, *p) && !strchr(more, *p)) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s \"%s\": only letters, digits and %s may be in it",
                             what, text, more);
        }
    }
    return 0;
}

int repx_number_least(const char *what, int64_t n, int64_t least, struct repx_err *err)
{
    if (n == REPX_UNSET || n >= least)
        return 0;
    return repx_fail(err, REPX_E_USAGE, "%s must be at least %lld, not %lld", what,
                     (long long)least, (long long)n);
}

int64_t repx_memory_per_node(const struct repx_resources *r)
{
    int64_t nodes = r->nodes > 0 ? r->nodes : 1, tasks = r->tasks > 0 ? r->tasks : 1;
    int64_t cpus = r->cpus > 0 ? r->cpus : 1;
    int64_t each = r->size >= sizeof(*r) ? r->memory_per_cpu : REPX_UNSET;

    if (r->memory != REPX_UNSET || each <= 0)
        return r->memory;
    tasks = tasks / nodes + (tasks % nodes != 0);
    if (cpus > INT64_MAX / each || tasks > INT64_MAX / each / cpus)
        return INT64_MAX;
    return each * cpus * tasks;
}

/* "--name=value" or "-n value": is it that option? */
static int is_option(const char *option, const char *name)
{
    size_t n = strlen(name);

    if (name[n - 1] == '*')
        return strncmp(option, name, n - 1) == 0;
    return strncmp(option, name, n) == 0 &&
           (!option[n] || strchr("= \t", option[n]) != NULL);
}

/* "-A proj" is an option and its value; "-l a=b c" too; "--x=a b" is one argument. */
static void add_native(struct repx_args *a, const char *option)
{
    size_t word = strcspn(option, " \t");
    const char *value = option + word + strspn(option + word, " \t");

    if (!*value || memchr(option, '=', word)) {
        repx_args_add(a, option);
        return;
    }
    take(a, repx_strndup(option, word));
    repx_args_add(a, value);
}

/* NOLINTNEXTLINE(readability-function-size): as the header has it */
int repx_args_native(struct repx_args *a, const struct repx_resources *r,
                     const char *program, const char *const *reserved,
                     struct repx_err *err)
{
    for (uint64_t i = 0; i < r->native_count; i++) {
        const char *option = r->native[i];
        if (option[0] != '-' || !option[1] || strcmp(option, "--") == 0) {
            return repx_fail(err, REPX_E_USAGE,
                             "\"%s\" is no option of %s: it must begin with '-'",
                             option, program);
        }
        if (repx_text_plain("a native option", option, err) < 0)
            return -1;
        for (const char *const *name = reserved; *name; name++) {
            if (is_option(option, *name)) {
                return repx_fail(err, REPX_E_USAGE,
                                 "\"%s\": this option of %s is set by repx itself",
                                 option, program);
            }
        }
        add_native(a, option);
    }
    return 0;
}

/* ---- what commands say ---- */

char *repx_said(const char *errors, const char *lead)
{
    struct repx_buf b = {0};
    size_t skip = lead ? strlen(lead) : 0;

    while (*errors && b.len + 2 < MESSAGE_MAX) {
        size_t n = strcspn(errors, "\r\n");
        size_t from = n >= skip && skip && strncmp(errors, lead, skip) == 0 ? skip : 0;
        size_t length = n - from;
        if (length > LINE_MAX_LEN)
            length = LINE_MAX_LEN;
        if (length > MESSAGE_MAX - 2 - b.len)
            length = MESSAGE_MAX - 2 - b.len;
        if (length)
            repx_buf_fmt(&b, "%s%.*s", b.len ? "; " : "", (int)length, errors + from);
        errors += n + (errors[n] != 0);
    }
    return repx_buf_detach(&b);
}

int repx_says(const char *text, const char *const *phrases)
{
    for (; *phrases; phrases++) {
        if (strstr(text, *phrases))
            return 1;
    }
    return 0;
}

static void give_line(struct repx_lines *l, char *line, size_t n)
{
    if (l->skipping) { /* the end of one that is too long */
        l->skipping = 0;
        return;
    }
    line[n] = 0;
    l->count++;
    l->line(l->ctx, line);
}

void repx_lines_take(void *lines, const char *bytes, uint64_t n)
{
    struct repx_lines *l = lines;

    if (!n)
        return;
    repx_buf_add(&l->rest, bytes, n);
    char *at = l->rest.data, *stop = at + l->rest.len, *end;
    while ((end = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        give_line(l, at, (size_t)(end - at));
        at = end + 1;
    }
    repx_buf_drop(&l->rest, (size_t)(at - l->rest.data));
    if (l->rest.len > PIECE_MAX) {
        l->rest.len = 0;
        l->skipping = l->skipped = 1;
    }
}

int repx_lines_end(struct repx_lines *l)
{
    int cut = l->rest.len > 0 || l->skipping || l->skipped;

    repx_buf_free(&l->rest);
    return cut ? -1 : 0;
}

/* ---- units ---- */

const struct repx_unit *repx_unit_at(const struct repx_unit *units, uint64_t i,
                                     uint64_t stride)
{
    return (const void *)((const char *)units + i * stride);
}

const struct repx_dep *repx_dep_at(const struct repx_dep *deps, uint64_t i,
                                   uint64_t stride)
{
    return (const void *)((const char *)deps + i * stride);
}

void repx_unit_program(const struct repx_unit *u, struct repx_buf *to)
{
    if (u->body) {
        repx_buf_str(to, u->body);
    } else {
        repx_buf_str(to, "exec");
        for (size_t i = 0; u->argv[i]; i++) {
            repx_buf_char(to, ' ');
            repx_buf_shell(to, u->argv[i]);
        }
    }
    if (!to->len || to->data[to->len - 1] != '\n')
        repx_buf_char(to, '\n');
}

int repx_key_take(const char *from, size_t n, char key[REPX_KEY_SIZE])
{
    if (n < 13 || n >= REPX_KEY_SIZE || strspn(from, LOWER DIGITS) < n)
        return 0;
    memcpy(key, from, n);
    key[n] = 0;
    return 1;
}

void repx_batch_open(struct repx_batch *b, uint64_t units)
{
    b->keys = repx_array(units + 1, sizeof(char *));
    b->ids = repx_array(units + 1, sizeof(char *));
    b->count = 0;
}

void repx_batch_add(struct repx_batch *b, const char *key, const char *id)
{
    b->keys[b->count] = key;
    b->ids[b->count++] = repx_strdup(id);
}

const char *repx_batch_id(const struct repx_batch *b, const struct repx_dep *dep)
{
    if (dep->id || !b || !dep->key)
        return dep->id;
    for (size_t i = b->count; i > 0; i--) {
        if (strcmp(b->keys[i - 1], dep->key) == 0)
            return b->ids[i - 1];
    }
    return NULL;
}

void repx_batch_close(struct repx_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->ids[i]);
    free(b->ids);
    free((void *)b->keys);
    *b = (struct repx_batch){0};
}

/* ---- find ---- */

struct repx_wanted {
    const char *key;
    char *id; /* NULL until found */
    uint32_t state;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct repx_wanted *)a)->key,
                  ((const struct repx_wanted *)b)->key);
}

void repx_search_open(struct repx_search *s, const char *const *keys, uint64_t count)
{
    *s = (struct repx_search){.list = repx_array(count + 1, sizeof(*s->list))};
    for (uint64_t i = 0; i < count; i++)
        s->list[i].key = keys[i];
    qsort(s->list, count, sizeof(*s->list), by_key);
    for (uint64_t i = 0; i < count; i++) { /* a key that was asked twice is told once */
        if (!s->count || strcmp(s->list[s->count - 1].key, s->list[i].key) != 0)
            s->list[s->count++].key = s->list[i].key;
    }
}

void repx_search_note(struct repx_search *s, const char *key, const char *id,
                      uint32_t state)
{
    const struct repx_wanted want = {.key = key};
    struct repx_wanted *w = bsearch(&want, s->list, s->count, sizeof(want), by_key);

    if (!w ||
        (w->id && (w->state == REPX_STATE_PENDING || w->state == REPX_STATE_RUNNING)))
        return;
    s->found += w->id == NULL;
    free(w->id);
    w->id = repx_strdup(id);
    w->state = state;
}

void repx_search_rest(struct repx_search *s, void (*look)(void *ctx, const char *key),
                      void *ctx)
{
    for (uint64_t i = 0; i < s->count; i++) {
        if (!s->list[i].id)
            look(ctx, s->list[i].key);
    }
}

void repx_search_tell(const struct repx_search *s, const struct repx_found_sink *sink)
{
    for (uint64_t i = 0; i < s->count; i++) {
        if (s->list[i].id)
            sink->found(sink->ctx, s->list[i].key, s->list[i].id, s->list[i].state);
    }
}

void repx_search_close(struct repx_search *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        free(s->list[i].id);
    free(s->list);
    *s = (struct repx_search){0};
}
