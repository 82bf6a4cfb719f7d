/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <stdint.h>
#include <string.h>

#include "json.h"
#include "utf8.h"

void json_reader_init(struct json_reader *r, const char *text, size_t len)
{
    *r = (struct json_reader){.text = text, .len = len};
}

void json_reader_finish(struct json_reader *r)
{
    repx_buf_free(&r->key);
    repx_buf_free(&r->value);
}

static int problem(struct json_reader *r, const char *what)
{
    if (!r->problem)
        r->problem = what;
    return -1;
}

static void skip_space(struct json_reader *r)
{
    while (r->pos < r->len) {
        char c = r->text[r->pos];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        r->pos++;
    }
}

int json_peek(struct json_reader *r)
{
    skip_space(r);
    if (r->pos >= r->len)
        return problem(r, "the text ends too early");
    switch (r->text[r->pos]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return JSON_NUMBER;
    default:
        return problem(r, "a value is expected here");
    }
}

static int take(struct json_reader *r, char c, const char *otherwise)
{
    skip_space(r);
    if (r->pos >= r->len)
        return problem(r, "the text ends too early");
    if (r->text[r->pos] != c)
        return problem(r, otherwise);
    r->pos++;
    return 0;
}

static int enter(struct json_reader *r, char open, const char *otherwise)
{
    if (take(r, open, otherwise) < 0)
        return -1;
    if (++r->depth > JSON_DEPTH)
        return problem(r, "more than 64 levels deep");
    r->fresh = 1;
    return 0;
}

int json_enter_object(struct json_reader *r)
{
    return enter(r, '{', "an object is expected here");
}

int json_enter_array(struct json_reader *r)
{
    return enter(r, '[', "an array is expected here");
}

static int next(struct json_reader *r, char close)
{
    skip_space(r);
    if (r->pos < r->len && r->text[r->pos] == close) {
        r->pos++;
        r->depth--;
        r->fresh = 0;
        return 0;
    }
    if (!r->fresh &&
        take(r, ',', "a comma or the end of the list is expected here") < 0)
        return -1;
    r->fresh = 0;
    return 1;
}

int json_next_element(struct json_reader *r)
{
    return next(r, ']');
}

static int read_text(struct json_reader *r, struct json_text *to,
                     struct repx_buf *scratch);

int json_next_member(struct json_reader *r, struct json_text *key)
{
    int more = next(r, '}');

    if (more <= 0)
        return more;
    skip_space(r);
    if (read_text(r, key, &r->key) < 0 || take(r, ':', "a colon is expected here") < 0)
        return -1;
    return 1;
}

static int hex4(const struct json_reader *r, size_t at, uint32_t *value)
{
    *value = 0;
    if (at > r->len || r->len - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        char c = r->text[at + i];
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A' + 10);
        } else {
            return -1;
        }
        *value = *value * 16 + digit;
    }
    return 0;
}

static void put_utf8(struct repx_buf *to, uint32_t code)
{
    if (code < 0x80) {
        repx_buf_char(to, (char)code);
    } else if (code < 0x800) {
        repx_buf_char(to, (char)(0xc0 | (code >> 6)));
        repx_buf_char(to, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        repx_buf_char(to, (char)(0xe0 | (code >> 12)));
        repx_buf_char(to, (char)(0x80 | ((code >> 6) & 0x3f)));
        repx_buf_char(to, (char)(0x80 | (code & 0x3f)));
    } else {
        repx_buf_char(to, (char)(0xf0 | (code >> 18)));
        repx_buf_char(to, (char)(0x80 | ((code >> 12) & 0x3f)));
        repx_buf_char(to, (char)(0x80 | ((code >> 6) & 0x3f)));
        repx_buf_char(to, (char)(0x80 | (code & 0x3f)));
    }
}

/* \uXXXX at pos (which is at the 'u'), and its second half if it has one. */
static int read_unicode(struct json_reader *r, struct repx_buf *to)
{
    uint32_t code, low;

    if (hex4(r, r->pos + 1, &code) < 0)
        return problem(r, "\\u needs four hexadecimal digits");
    r->pos += 5;
    if (code == 0)
        return problem(r, "a string may not contain NUL");
    if (code >= 0xd800 && code <= 0xdfff) {
        if (code >= 0xdc00 || r->len - r->pos < 6 || r->text[r->pos] != '\\' ||
            r->text[r->pos + 1] != 'u' || hex4(r, r->pos + 2, &low) < 0 ||
            low < 0xdc00 || low > 0xdfff)
            return problem(r, "half of a surrogate pair");
        r->pos += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(to, code);
    return 0;
}

static int read_escape(struct json_reader *r, struct repx_buf *to)
{
    static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";

    if (++r->pos >= r->len)
        return problem(r, "the text ends too early");
    char c = r->text[r->pos];
    if (c == 'u')
        return read_unicode(r, to);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return problem(r, "unknown escape in a string");
    repx_buf_char(to, meant[found - from]);
    r->pos++;
    return 0;
}

/* Forward over plain characters; stops at a quote, a backslash, or what is wrong. */
static int scan_plain(struct json_reader *r)
{
    const unsigned char *p = (const unsigned char *)r->text;
    size_t i = r->pos;

    while (i < r->len && p[i] != '"' && p[i] != '\\') {
        size_t step = 1;
        if (p[i] >= 0x80) {
            step = json_utf8_length(p + i, r->len - i);
        } else if (p[i] < 0x20) {
            step = 0;
        }
        if (step == 0) {
            r->pos = i;
            return problem(r, p[i] < 0x20 ? "control character in a string"
                                          : "not valid UTF-8");
        }
        i += step;
    }
    r->pos = i;
    return i < r->len ? 0 : problem(r, "the text ends inside a string");
}

static int read_text(struct json_reader *r, struct json_text *to,
                     struct repx_buf *scratch)
{
    if (take(r, '"', "a string is expected here") < 0)
        return -1;
    size_t start = r->pos;
    if (scan_plain(r) < 0)
        return -1;
    *to = (struct json_text){r->text + start, r->pos - start};
    if (r->text[r->pos] == '"') {
        r->pos++;
        return 0;
    }
    scratch->len = 0;
    repx_buf_add(scratch, to->at, to->len);
    while (r->text[r->pos] != '"') {
        if (read_escape(r, scratch) < 0)
            return -1;
        start = r->pos;
        if (scan_plain(r) < 0)
            return -1;
        repx_buf_add(scratch, r->text + start, r->pos - start);
    }
    r->pos++;
    *to = (struct json_text){repx_buf_text(scratch), scratch->len};
    return 0;
}

int json_read_string(struct json_reader *r, struct json_text *value)
{
    skip_space(r);
    return read_text(r, value, &r->value);
}

static size_t digits(struct json_reader *r)
{
    size_t start = r->pos;

    while (r->pos < r->len && r->text[r->pos] >= '0' && r->text[r->pos] <= '9')
        r->pos++;
    return r->pos - start;
}

static int accept(struct json_reader *r, const char *any)
{
    if (r->pos >= r->len || !r->text[r->pos] || !strchr(any, r->text[r->pos]))
        return 0;
    r->pos++;
    return 1;
}

int json_read_number(struct json_reader *r, struct json_text *raw)
{
    skip_space(r);
    size_t start = r->pos;
    (void)accept(r, "-");
    size_t first = r->pos, whole = digits(r);
    if (whole == 0 || (whole > 1 && r->text[first] == '0'))
        return problem(r, "malformed number");
    if (accept(r, ".") && digits(r) == 0)
        return problem(r, "malformed number");
    if (accept(r, "eE")) {
        (void)accept(r, "+-");
        if (digits(r) == 0)
            return problem(r, "malformed number");
    }
    *raw = (struct json_text){r->text + start, r->pos - start};
    return 0;
}

static int read_word(struct json_reader *r, const char *word)
{
    size_t n = strlen(word);

    if (r->len - r->pos < n || memcmp(r->text + r->pos, word, n) != 0)
        return problem(r, "unknown word; only true, false and null are");
    r->pos += n;
    return 0;
}

static int skip_container(struct json_reader *r, int type)
{
    struct json_text key;
    int more;

    if ((type == JSON_OBJECT ? json_enter_object(r) : json_enter_array(r)) < 0)
        return -1;
    while ((more = type == JSON_OBJECT ? json_next_member(r, &key)
                                       : json_next_element(r)) > 0) {
        if (json_skip(r) < 0)
            return -1;
    }
    return more;
}

int json_skip(struct json_reader *r)
{
    struct json_text text;
    int type = json_peek(r);

    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return skip_container(r, type);
    case JSON_STRING:
        return json_read_string(r, &text);
    case JSON_NUMBER:
        return json_read_number(r, &text);
    case JSON_BOOL:
        return read_word(r, r->text[r->pos] == 't' ? "true" : "false");
    case JSON_NULL:
        return read_word(r, "null");
    default:
        return -1;
    }
}

int json_end(struct json_reader *r)
{
    skip_space(r);
    return r->pos == r->len ? 0 : problem(r, "something follows the value");
}
