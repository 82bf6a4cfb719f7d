/* SPDX-License-Identifier: MIT */
/* connect.c: reach the agent with the first command.
 *
 *     client                                     login shell, then script.c
 *     first command                     ->
 *     base, state, offers, "."          ->
 *                                       <-       (noise) present          the agent runs
 *   or                                  <-       (noise) missing ARCH
 *     the agent's bytes                 ->
 *                                       <-       ready                    the agent runs
 *
 * Answers are read byte by byte, since what follows the last one is the agent's. */
#include "connect.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>

#include "script.h"

#define ANSWER_MS 60000   /* a slow login, a cold file system */
#define STEP_MS 120000    /* for one piece of the agent to be taken */
#define NOISE_MAX 1048576 /* before an answer */
#define LINE_MAX_SHOWN 1024
#define PIECE 65536
#define AGENT_NAME "/repx-agent"
#define GAVE_UP 1

struct offer {
    char *arch;
    uint64_t index; /* in the source */
    uint64_t length;
    char sha256[2 * REPX_DIGEST_LEN + 1];
};

struct offers {
    struct offer *items;
    size_t count;
};

static void offers_free(struct offers *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->items[i].arch);
    free(o->items);
}

static void hex(const uint8_t *digest, char *to)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < REPX_DIGEST_LEN; i++) {
        to[2 * i] = digits[digest[i] >> 4];
        to[2 * i + 1] = digits[digest[i] & 15];
    }
    to[(size_t)2 * REPX_DIGEST_LEN] = 0;
}

/* Agents of the source: entries ARCH/repx-agent. */
static int offers_get(const struct repx_sync_host *sync, struct offers *o,
                      struct repx_err *err)
{
    uint64_t count = sync->source_count(sync->ctx);

    for (uint64_t i = 0; i < count; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        if (sync->source_entry(sync->ctx, i, &e, err) < 0)
            return -1;
        const char *slash = strchr(e.path, '/');
        if (!slash || strcmp(slash, AGENT_NAME) != 0 || e.kind != REPX_ENTRY_FILE)
            continue;
        o->items = repx_grow(o->items, o->count + 1, sizeof(struct offer));
        struct offer *one = &o->items[o->count++];
        *one = (struct offer){.arch = repx_strndup(e.path, (size_t)(slash - e.path)),
                              .index = i,
                              .length = e.length};
        hex(e.digest, one->sha256);
    }
    if (o->count == 0) {
        return repx_fail(err, REPX_E_FAILED,
                         "there is no agent to offer: is libexec/repx/agent-linux-ARCH "
                         "installed?");
    }
    return 0;
}

/* ---- lines ---- */

static int64_t soon(const struct repx_sync_host *sync, int64_t ms)
{
    return sync->host->now_ms(sync->host->ctx) + ms;
}

/* 0, or GAVE_UP when nobody takes the bytes: what was said last then tells why; or -1
 * when there is nobody to listen to either. */
static int give(const struct repx_sync_host *sync, const void *bytes, size_t n,
                struct repx_err *err)
{
    struct repx_err why = {0};

    if (sync->raw_write(sync->ctx, bytes, n, soon(sync, STEP_MS), &why) == 0)
        return 0;
    if (why.code != REPX_E_CANCELED && why.code != REPX_E_TIMEOUT)
        return GAVE_UP;
    if (err)
        *err = why;
    return -1;
}

/* As give. */
static int send_lines(const struct repx_sync_host *sync, const struct offers *o,
                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    const char *base = sync->base_path(sync->ctx);
    const char *state = sync->state_path(sync->ctx);

    if (!state)
        state = "";
    if (!*base || strchr(base, '\n') || strchr(state, '\n')) {
        return repx_fail(err, REPX_E_USAGE,
                         "base_path and state_path are one line each");
    }
    repx_buf_fmt(&b, "%s\n%s\n", base, state);
    for (size_t i = 0; i < o->count; i++) {
        repx_buf_fmt(&b, "%s %s %llu\n", o->items[i].arch, o->items[i].sha256,
                     (unsigned long long)o->items[i].length);
    }
    repx_buf_str(&b, ".\n");
    return give(sync, b.data, b.len, err);
}

static void show_noise(const struct repx_sync_host *sync, const struct repx_buf *line)
{
    if (line->len)
        sync->host->log(sync->host->ctx, REPX_LOG_DEBUG, repx_buf_text(line));
}

static void add_printable(struct repx_buf *line, char c)
{
    int plain = (unsigned char)c >= ' ' && c != 127;

    if (line->len < LINE_MAX_SHOWN)
        repx_buf_add(line, plain ? &c : " ", 1);
}

static int no_answer(const struct repx_buf *last, struct repx_err *err)
{
    return repx_fail(
        err, REPX_E_LINK,
        "the login shell ended without an answer to the first command%s%s: "
        "does `/bin/sh -c true` work in that account?",
        last->len ? "; its last line was: " : "", repx_buf_text(last));
}

/* The next answer without its mark; other lines are noise. */
static int read_answer(const struct repx_sync_host *sync, struct repx_buf *answer,
                       struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf line = {0}, last = {0};
    int64_t deadline = soon(sync, ANSWER_MS);

    for (size_t total = 0; total < NOISE_MAX; total++) {
        char c;
        int64_t n = sync->raw_read(sync->ctx, &c, 1, deadline, err);
        if (n < 0)
            return repx_wrap(err, "waiting for the answer to the first command");
        if (n == 0)
            return no_answer(line.len ? &line : &last, err);
        if (c != '\n') {
            add_printable(&line, c);
            continue;
        }
        const char *mark = strstr(repx_buf_text(&line), ANSWER_MARK);
        if (mark) {
            repx_buf_str(answer, mark + sizeof(ANSWER_MARK) - 1);
            return 0;
        }
        show_noise(sync, &line);
        if (line.len) {
            last.len = 0;
            repx_buf_add(&last, line.data, line.len);
        }
        line.len = 0;
    }
    return repx_fail(
        err, REPX_E_CORRUPT,
        "no answer to the first command within %d bytes of output; the last "
        "line was: %s",
        NOISE_MAX, repx_buf_text(&last));
}

/* ---- failures ---- */

static const struct {
    const char *kind;
    int32_t code;
    const char *before, *after;
} failures[] = {
    {"arch", REPX_E_UNSUPPORTED, "there is no agent for the target's architecture ",
     ": build one there and configure with -DREPX_AGENT_DIR"},
    {"path", REPX_E_USAGE, "base_path is not absolute on the target: ",
     ": begin it with /, ~/ or a variable"},
    {"unset", REPX_E_USAGE,
     "base_path names a variable that is not set on the target: ",
     ": write the path out"},
    {"dir", REPX_E_FAILED, "base_path cannot be written on the target: ",
     ": choose a base_path that is yours there, with room"},
    {"trust", REPX_E_FAILED,
     "others can change what lies in base_path and in the home directory on the "
     "target: ",
     ": chmod go-w the home, so that the agent has a place that is yours alone"},
    {"write", REPX_E_FAILED, "the agent cannot be stored on the target: ",
     ": is there room (quota, df) below base_path?"},
    {"short", REPX_E_CORRUPT, "the agent did not arrive whole on the target", ""},
    {"digest", REPX_E_CORRUPT, "the agent arrived damaged on the target: ", ""},
    {"exec", REPX_E_FAILED, "the agent cannot be run on the target: ",
     ": is base_path on a file system mounted noexec? Choose one that is not"},
};

static int failed(const char *detail, struct repx_err *err)
{
    size_t n = strcspn(detail, " ");
    const char *text = detail + n + (detail[n] == ' ');

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (strlen(failures[i].kind) == n &&
            strncmp(failures[i].kind, detail, n) == 0) {
            return repx_fail(err, failures[i].code, "%s%s%s", failures[i].before, text,
                             failures[i].after);
        }
    }
    return repx_fail(err, REPX_E_FAILED, "the first command failed: %s", detail);
}

/* Returns the length of `word` when the answer begins with it, 0 otherwise; a failure is
 * given as the error. */
static int expect(const struct repx_buf *answer, const char *word, struct repx_err *err)
{
    const char *text = repx_buf_text(answer);
    size_t n = strlen(word);

    if (strncmp(text, "fail ", 5) == 0)
        return failed(text + 5, err);
    return strncmp(text, word, n) == 0 && (text[n] == 0 || text[n] == ' ');
}

/* ---- the agent's bytes ---- */

/* As give. */
static int send_bytes(const struct repx_sync_host *sync, const struct offer *o,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *piece = repx_alloc(PIECE);

    for (uint64_t at = 0; at < o->length;) {
        uint64_t want = o->length - at < PIECE ? o->length - at : PIECE;
        int64_t n = sync->source_read(sync->ctx, o->index, at, piece, want, err);
        if (n < 0)
            return -1;
        if (n == 0) {
            return repx_fail(err, REPX_E_CORRUPT, "%s" AGENT_NAME " became shorter",
                             o->arch);
        }
        int given = give(sync, piece, (size_t)n, err);
        if (given != 0)
            return given;
        at += (uint64_t)n;
        sync->host->progress(sync->host->ctx, "bytes", at, o->length);
    }
    return 0;
}

static int send_agent(const struct repx_sync_host *sync, const struct offers *o,
                      const char *arch, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf answer = {0};
    const struct offer *one = NULL;

    for (size_t i = 0; i < o->count; i++) {
        if (strcmp(o->items[i].arch, arch) == 0)
            one = &o->items[i];
    }
    if (!one) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "asked for an agent that was not offered");
    }
    if (send_bytes(sync, one, err) < 0 || read_answer(sync, &answer, err) < 0)
        return -1;
    int ready = expect(&answer, "ready", err);
    if (ready == 0) {
        (void)repx_fail(err, REPX_E_CORRUPT,
                        "unexpected answer to the first command: %s",
                        repx_buf_text(&answer));
    }
    return ready == 1 ? 0 : -1;
}

int32_t bootstrap_connect(const struct repx_sync_host *sync, struct repx_err *err)
{
    static const char missing[] = "missing ";
    struct offers o = {0};
    REPX_AUTO_BUF struct repx_buf answer = {0};
    int rc = -1;

    if (offers_get(sync, &o, err) == 0 &&
        sync->raw_exec(sync->ctx, first_command, err) == 0 &&
        send_lines(sync, &o, err) >= 0 && read_answer(sync, &answer, err) == 0) {
        const char *text = repx_buf_text(&answer);
        int present = expect(&answer, "present", err);
        if (present == 1) {
            rc = 0;
        } else if (present == 0 && strncmp(text, missing, sizeof(missing) - 1) == 0) {
            rc = send_agent(sync, &o, text + sizeof(missing) - 1, err);
        } else if (present == 0) {
            (void)repx_fail(err, REPX_E_CORRUPT,
                            "unexpected answer to the first command: %s", text);
        }
    }
    offers_free(&o);
    return rc;
}
