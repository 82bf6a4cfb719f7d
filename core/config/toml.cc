/* SPDX-License-Identifier: MIT */
/* toml++ is visible here and nowhere else. It is compiled in, without exceptions of its
 * own, so that the program needs no library of it at run time. */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
/* Its parser asserts what hostile texts can make false (`[~x]`), and with NDEBUG goes on
 * as if it were true. Here it stops, and the text is refused. */
struct toml_tripped {
};
[[noreturn]] static void toml_trip()
{
    throw toml_tripped();
}
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? (void)0 : toml_trip())
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/impl/preprocessor.h>

#include <toml++/impl/forward_declarations.h>
/* It also calls places unreachable that letters outside ASCII do reach, when it asks
 * whether they are white space. They are not. */
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE toml_trip()
#include <toml++/toml.h>

#include "toml.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace
{

struct walker {
    int (*each)(void *ctx, const toml_event *event);
    void *ctx;

    int visit(const toml::node &node, const toml::key *key) const;
    int tell(int type, const std::string &text, const toml::key *key,
             const toml::node &node) const;
};

/* The shortest of the usual notations that reads back as the same number. */
std::string float_text(double number)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)std::snprintf(text, sizeof(text), "%.*g", digits, number);
        if (std::isnan(number) || std::strtod(text, nullptr) == number)
            break;
    }
    return text;
}

template <typename T> std::string stream_text(const T &value)
{
    std::ostringstream out;

    out << value;
    return out.str();
}

int walker::tell(int type, const std::string &text, const toml::key *key,
                 const toml::node &node) const
{
    toml_event event = {};

    event.type = type;
    if (key) {
        event.key = key->str().data() ? key->str().data() : "";
        event.key_len = key->str().size();
    }
    event.text = text.data();
    event.text_len = text.size();
    event.line = key ? key->source().begin.line : node.source().begin.line;
    return each(ctx, &event);
}

int walker::visit(const toml::node &node, const toml::key *key) const
{
    int rc = 0;

    if (const auto *table = node.as_table()) {
        rc = tell(TOML_TABLE, "", key, node);
        for (auto it = table->cbegin(); rc == 0 && it != table->cend(); ++it)
            rc = visit(it->second, &it->first);
        return rc == 0 ? tell(TOML_END, "", nullptr, node) : rc;
    }
    if (const auto *array = node.as_array()) {
        rc = tell(TOML_ARRAY, "", key, node);
        for (auto it = array->cbegin(); rc == 0 && it != array->cend(); ++it)
            rc = visit(*it, nullptr);
        return rc == 0 ? tell(TOML_END, "", nullptr, node) : rc;
    }
    if (const auto *text = node.as_string())
        return tell(TOML_STRING, text->get(), key, node);
    if (const auto *number = node.as_integer())
        return tell(TOML_INTEGER, std::to_string(number->get()), key, node);
    if (const auto *real = node.as_floating_point())
        return tell(TOML_FLOAT, float_text(real->get()), key, node);
    if (const auto *truth = node.as_boolean())
        return tell(TOML_BOOL, truth->get() ? "true" : "false", key, node);
    if (const auto *date = node.as_date())
        return tell(TOML_TIME, stream_text(date->get()), key, node);
    if (const auto *time = node.as_time())
        return tell(TOML_TIME, stream_text(time->get()), key, node);
    if (const auto *both = node.as_date_time())
        return tell(TOML_TIME, stream_text(both->get()), key, node);
    return 0;
}

int fail(toml_fault *fault, size_t line, const std::string &why)
{
    fault->line = line;
    (void)std::snprintf(fault->why, sizeof(fault->why), "%s", why.c_str());
    return -1;
}

/* Does the parser trip over this text? */
bool trips(std::string_view text)
{
    try {
        (void)toml::parse(text);
        return false;
    } catch (const toml_tripped &) {
        return true;
    }
}

/* The line it trips over: the last of the shortest beginning of the text that does. */
size_t tripping_line(std::string_view text)
{
    std::vector<size_t> ends;

    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\n')
            ends.push_back(i + 1);
    }
    ends.push_back(text.size());
    const auto first = std::partition_point(ends.begin(), ends.end(), [&](size_t end) {
        return !trips(text.substr(0, end));
    });

    return static_cast<size_t>(first - ends.begin()) + 1;
}

int walk(std::string_view text, const walker &walker, toml_fault *fault)
{
    try {
        const toml::parse_result result = toml::parse(text);

        if (result)
            return walker.visit(result.table(), nullptr);
        return fail(fault, result.error().source().begin.line,
                    std::string(result.error().description()));
    } catch (const toml_tripped &) {
        return fail(fault, tripping_line(text), "an unexpected character");
    }
}

} // namespace

extern "C" int toml_walk(const char *text, size_t n,
                         int (*each)(void *ctx, const toml_event *event), void *ctx,
                         toml_fault *fault)
{
    try {
        return walk(std::string_view(text, n), walker{each, ctx}, fault);
    } catch (const std::exception &e) {
        return fail(fault, 1, e.what());
    } catch (...) {
        return fail(fault, 1, "cannot be read");
    }
}
