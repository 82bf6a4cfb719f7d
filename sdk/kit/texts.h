/* SPDX-License-Identifier: MIT */
/* texts.h: many short texts that live as long as their owner, without an allocation for
 * each: a hundred thousand paths take what their bytes take. */
#ifndef REPX_KIT_TEXTS_H
#define REPX_KIT_TEXTS_H

#include <stddef.h>

struct repx_text_page;

struct repx_texts { /* all zero at first */
    struct repx_text_page *pages;
};

/* A copy, which belongs to t. */
char *repx_texts_add(struct repx_texts *t, const char *text);
void repx_texts_free(struct repx_texts *t);

#endif
