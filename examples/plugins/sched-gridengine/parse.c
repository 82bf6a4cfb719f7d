/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

int ge_parse_id(const char *out, char id[GE_ID_SIZE])
{
    int found = 0;

    while (*out) {
        size_t line = strcspn(out, "\n"), n = strspn(out, DIGITS);
        if (n > 0 && n < GE_ID_SIZE && (n == line || out[n] == '.') &&
            strspn(out + n, DIGITS ".-:") == line - n) {
            memcpy(id, out, n);
            id[n] = 0;
            found = 1; /* the last one is qsub's own */
        }
        out += line + (out[line] == '\n');
    }
    return found;
}

int ge_only_gone(const char *text)
{
    static const char *const gone[] = {"does not exist", "has registered",
                                       "has deleted",    "is already in deletion",
                                       "not found",      NULL};

    while (*text) {
        size_t n = strcspn(text, "\n");
        char line[256];
        (void)snprintf(line, sizeof(line), "%.*s", (int)(n < 255 ? n : 255), text);
        if (n && !repx_says(line, gone))
            return 0;
        text += n + (text[n] == '\n');
    }
    return 1;
}

/* ---- rows ---- */

static void begin(struct ge_reader *r)
{
    r->row = (struct ge_row){.index = -1, .exit = -1, .state = REPX_STATE_RUNNING};
    r->inside = 1;
}

static void end(struct ge_reader *r)
{
    if (r->inside && r->row.key[0] && r->row.id[0])
        r->each(r->ctx, &r->row);
    r->inside = 0;
}

static void set_id(struct ge_row *row, const char *text, size_t n)
{
    if (n > 0 && n < GE_ID_SIZE && strspn(text, DIGITS) >= n)
        (void)snprintf(row->id, sizeof(row->id), "%.*s", (int)n, text);
}

/* A name of ours ends with ".KEY". */
static void set_key(struct ge_row *row, const char *text, size_t n)
{
    size_t at = n;

    while (at > 0 && text[at - 1] != '.')
        at--;
    if (at > 0)
        (void)repx_key_take(text + at, n - at, row->key);
}

/* Tasks count from 1; lists and ranges are several. */
static void set_index(struct ge_row *row, const char *text, size_t n)
{
    size_t digits = strspn(text, DIGITS);

    if (digits == n && n > 0 && n < 10)
        row->index = strtoll(text, NULL, 10) - 1;
}

static void set_state(struct ge_row *row, const char *text, size_t n)
{
    int waits = memchr(text, 'q', n) != NULL;

    row->state = waits ? REPX_STATE_PENDING : REPX_STATE_RUNNING;
    if (memchr(text, 'E', n)) {
        (void)snprintf(row->reason, sizeof(row->reason),
                       "%.*s: qstat -j says why; qmod -cj lets it try again", (int)n,
                       text);
    } else {
        (void)snprintf(row->reason, sizeof(row->reason), "%.*s", (int)n, text);
    }
}

/* "all.q@node" */
static void set_node(struct ge_row *row, const char *text, size_t n)
{
    const char *at = memchr(text, '@', n);

    if (at) {
        n -= (size_t)(at + 1 - text);
        (void)snprintf(row->node, sizeof(row->node), "%.*s", (int)(n < 127 ? n : 127),
                       at + 1);
    }
}

/* ---- qstat -xml: each element has a line of its own ---- */

static const struct {
    const char *name;
    void (*set)(struct ge_row *row, const char *text, size_t n);
} elements[] = {
    {"JB_job_number", set_id}, {"JB_name", set_key}, {"state", set_state},
    {"queue_name", set_node},  {"tasks", set_index},
};

/* "<name>text</name>" */
static void element(struct ge_row *row, const char *line)
{
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        size_t n = strlen(elements[i].name);
        if (strncmp(line + 1, elements[i].name, n) != 0 || line[1 + n] != '>')
            continue;
        const char *text = line + n + 2, *stop = strchr(text, '<');
        if (stop)
            elements[i].set(row, text,
                            (size_t)(stop - text) < 120 ? (size_t)(stop - text) : 120);
        return;
    }
}

void ge_read_queue(void *reader, char *line)
{
    struct ge_reader *r = reader;

    line += strspn(line, " \t");
    if (strncmp(line, "<job_list", 9) == 0) {
        begin(r);
    } else if (strncmp(line, "</job_list>", 11) == 0) {
        end(r);
    } else if (r->inside && *line == '<') {
        element(&r->row, line);
    }
    /* the list of waiting jobs and the whole have the same name: the last one counts */
    if (*line)
        r->whole = strcmp(line, "</job_info>") == 0;
}

/* ---- qacct -j: "name   value" a line, lines of '=' before each ---- */

static void set_failed(struct ge_row *row, const char *value)
{
    long code = strtol(value, NULL, 10);

    if (code == 0)
        return;
    const char *why = strchr(value, ':');
    (void)snprintf(row->reason, sizeof(row->reason), "%s", why ? why + 2 : value);
    row->state = REPX_STATE_FAILED;
    if (code == 37) {
        row->state = REPX_STATE_TIMEOUT;
    } else if (code == 19 || code == 21 || code == 22) {
        row->state = REPX_STATE_NODE;
    } else if (code == 24 || code == 25) {
        row->key[0] = 0; /* it was put back into the queue */
    }
}

static int64_t size_of(const char *value)
{
    char *unit;
    double n = strtod(value, &unit);
    int shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0;

    return n > 0 && n < 1e9 ? (int64_t)(n * (double)(INT64_C(1) << shift)) : 0;
}

static void account(struct ge_row *row, const char *name, const char *value)
{
    size_t n = strlen(value);

    if (strcmp(name, "jobname") == 0) {
        set_key(row, value, n);
    } else if (strcmp(name, "jobnumber") == 0) {
        set_id(row, value, n);
    } else if (strcmp(name, "taskid") == 0) {
        set_index(row, value, n);
    } else if (strcmp(name, "hostname") == 0) {
        (void)snprintf(row->node, sizeof(row->node), "%.127s", value);
    } else if (strcmp(name, "exit_status") == 0) {
        row->exit = (int32_t)strtol(value, NULL, 10) & 0xff;
        if (row->state == REPX_STATE_RUNNING)
            row->state = row->exit ? REPX_STATE_FAILED : REPX_STATE_DONE;
    } else if (strcmp(name, "failed") == 0) {
        set_failed(row, value);
    } else if (strcmp(name, "maxvmem") == 0) {
        row->memory = size_of(value);
    }
}

void ge_read_account(void *reader, char *line)
{
    struct ge_reader *r = reader;

    if (!line || *line == '=') {
        end(r);
        if (line)
            begin(r);
        return;
    }
    char *value = line + strcspn(line, " \t");
    if (!r->inside || !*value)
        return;
    *value++ = 0;
    value += strspn(value, " \t");
    size_t n = strlen(value);
    while (n > 0 && strchr(" \t\r", value[n - 1]))
        value[--n] = 0;
    account(&r->row, line, value);
}
