/* SPDX-License-Identifier: MIT */
/* toml++ is visible here and nowhere else. It is compiled in, without exceptions of its
 * own, so that the program needs no library of it at run time. */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "toml.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

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

} // namespace

extern "C" int toml_walk(const char *text, size_t n,
                         int (*each)(void *ctx, const toml_event *event), void *ctx,
                         toml_fault *fault)
{
    try {
        const toml::parse_result result = toml::parse(std::string_view(text, n));

        if (!result) {
            const toml::parse_error &error = result.error();

            return fail(fault, error.source().begin.line,
                        std::string(error.description()));
        }
        return walker{each, ctx}.visit(result.table(), nullptr);
    } catch (const std::exception &e) {
        return fail(fault, 1, e.what());
    } catch (...) {
        return fail(fault, 1, "cannot be read");
    }
}
