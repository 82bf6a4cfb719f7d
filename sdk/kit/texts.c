/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define PAGE 65536

struct repx_text_page {
    struct repx_text_page *next;
    size_t used, cap;
    char bytes[];
};

char *repx_texts_add(struct repx_texts *t, const char *text)
{
    size_t n = strlen(text) + 1;
    struct repx_text_page *page = t->pages;

    if (!page || page->cap - page->used < n) {
        size_t cap = n > PAGE ? n : PAGE;
        page = repx_alloc(sizeof(*page) + cap);
        page->cap = cap;
        page->next = t->pages;
        t->pages = page;
    }
    char *to = page->bytes + page->used;
    memcpy(to, text, n);
    page->used += n;
    return to;
}

void repx_texts_free(struct repx_texts *t)
{
    for (struct repx_text_page *page = t->pages, *next; page; page = next) {
        next = page->next;
        free(page);
    }
    t->pages = NULL;
}
