/* SPDX-License-Identifier: MIT */
/* json_member.h: one member of a JSON object as text, so that the list of a hundred thousand
 * files in it need not become a tree of values. */
#ifndef REPX_AGENT_JSON_MEMBER_H
#define REPX_AGENT_JSON_MEMBER_H

#include <stddef.h>

/* Where the value of the last member of that name lies in an object's text: 1 with
 * text[*from..*end), 0 there is none. Of what is no JSON it finds something or nothing; the
 * name is compared as it is written. */
int json_member_find(const char *text, size_t n, const char *name, size_t *from,
                     size_t *end);

#endif
