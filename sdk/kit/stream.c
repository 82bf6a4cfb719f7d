/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <string.h>

#define BETWEEN 0 /* of values and names */
#define IN_TEXT 1
#define IN_WORD 2 /* a number, true, false, null */

static void tell(struct repx_stream *s,
                 void (*how)(void *, const char *const *, unsigned, const char *),
                 const char *text)
{
    const char *keys[REPX_STREAM_DEPTH];

    for (unsigned i = 0; i < s->depth; i++)
        keys[i] = repx_buf_text(&s->keys[i]);
    if (how)
        how(s->ctx, keys, s->depth, text);
}

static void tell_end(struct repx_stream *s)
{
    const char *keys[REPX_STREAM_DEPTH];
    unsigned depth = s->depth - 1; /* the name of what ends is one level up */

    for (unsigned i = 0; i < depth; i++)
        keys[i] = repx_buf_text(&s->keys[i]);
    if (s->end)
        s->end(s->ctx, keys, depth);
}

static void put(struct repx_stream *s, char c)
{
    if (s->text.len < REPX_STREAM_TEXT)
        repx_buf_char(&s->text, c);
}

static void put_byte(struct repx_stream *s, uint32_t byte)
{
    const unsigned char one = (unsigned char)byte;
    char c;

    memcpy(&c, &one, 1);
    put(s, c);
}

/* A code point as UTF-8; halves of pairs and zero become '?'. */
static void put_code(struct repx_stream *s, uint32_t c)
{
    if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
        put(s, '?');
    } else if (c < 0x80) {
        put_byte(s, c);
    } else if (c < 0x800) {
        put_byte(s, 0xc0 | (c >> 6));
        put_byte(s, 0x80 | (c & 0x3f));
    } else {
        put_byte(s, 0xe0 | (c >> 12));
        put_byte(s, 0x80 | ((c >> 6) & 0x3f));
        put_byte(s, 0x80 | (c & 0x3f));
    }
}

static void text_ends(struct repx_stream *s)
{
    s->state = BETWEEN;
    if (s->depth == 0 || s->kinds[s->depth] != '{' || !s->is_key) {
        tell(s, s->value, repx_buf_text(&s->text));
        s->done |= s->depth == 0;
        return;
    }
    struct repx_buf *key = s->keys + s->depth - 1;
    key->len = 0;
    repx_buf_add(key, repx_buf_text(&s->text), s->text.len < 256 ? s->text.len : 256);
}

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): one state after the other */
static void in_text(struct repx_stream *s, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (s->hex) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        s->bad |= at == NULL;
        s->unit = s->unit * 16 + (at ? (uint32_t)(at - digits) % 16 : 0);
        if (--s->hex == 0)
            put_code(s, s->unit);
    } else if (s->escape) {
        const char *at = c ? strchr(from, c) : NULL;
        s->escape = 0;
        if (c == 'u') {
            s->hex = 4;
            s->unit = 0;
        } else {
            if (at)
                c = to[at - from];
            put(s, c);
        }
    } else if (c == '\\') {
        s->escape = 1;
    } else if (c == '"') {
        text_ends(s);
    } else {
        if (!c)
            c = '?';
        put(s, c);
    }
}

static void open_level(struct repx_stream *s, char c)
{
    if (s->depth == REPX_STREAM_DEPTH) {
        s->bad = 1;
        return;
    }
    s->kinds[++s->depth] = c;
    s->keys[s->depth - 1].len = 0;
    repx_buf_add(&s->keys[s->depth - 1], "", 0);
    s->is_key = c == '{';
}

static void close_level(struct repx_stream *s, char c)
{
    if (s->depth == 0 || s->kinds[s->depth] != (c == '}' ? '{' : '[')) {
        s->bad = 1;
        return;
    }
    tell_end(s);
    s->depth--;
    s->is_key = 0;
    s->done |= s->depth == 0;
}

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): one character after the other */
static void between(struct repx_stream *s, char c)
{
    if (strchr(" \t\r\n", c) && c)
        return;
    s->bad |= s->done; /* something comes after the end */
    if (c == '{' || c == '[') {
        open_level(s, c);
    } else if (c == '}' || c == ']') {
        close_level(s, c);
    } else if (c == ':') {
        s->bad |= s->depth == 0 || s->kinds[s->depth] != '{';
        s->is_key = 0;
    } else if (c == ',') {
        s->bad |= s->depth == 0;
        s->is_key = s->depth > 0 && s->kinds[s->depth] == '{';
    } else if (c == '"') {
        s->text.len = 0;
        repx_buf_add(&s->text, "", 0);
        s->state = IN_TEXT;
    } else if (c && strchr("-+.0123456789abcdefghijklmnopqrstuvwxyzE", c) &&
               s->depth > 0) {
        s->text.len = 0;
        s->state = IN_WORD;
        put(s, c);
    } else {
        s->bad = 1;
    }
}

static void take(struct repx_stream *s, char c)
{
    if (s->state == IN_TEXT) {
        in_text(s, c);
        return;
    }
    if (s->state == IN_WORD) {
        if (c && strchr("-+.0123456789abcdefghijklmnopqrstuvwxyzE", c)) {
            put(s, c);
            return;
        }
        s->state = BETWEEN;
        tell(s, s->value, repx_buf_text(&s->text));
    }
    between(s, c);
}

void repx_stream_take(void *stream, const char *bytes, uint64_t n)
{
    struct repx_stream *s = stream;

    for (uint64_t i = 0; i < n && !s->bad; i++)
        take(s, bytes[i]);
}

int repx_stream_end(struct repx_stream *s)
{
    int whole = s->done && !s->bad && s->state == BETWEEN && s->depth == 0;

    for (unsigned i = 0; i < REPX_STREAM_DEPTH; i++)
        repx_buf_free(&s->keys[i]);
    repx_buf_free(&s->text);
    return whole ? 0 : -1;
}
