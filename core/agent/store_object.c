/* SPDX-License-Identifier: MIT */
/* The objects of a session, by digest and mode. */
#include "store_own.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

static size_t slot_of(const struct store *s, const struct digest *d, uint8_t executable)
{
    size_t mask = s->object_slot_count - 1, at;

    memcpy(&at, d->bytes, sizeof(at));
    for (at = (at ^ executable) & mask; s->object_slots[at]; at = (at + 1) & mask) {
        const struct object *o = &s->objects[s->object_slots[at] - 1];
        if (o->executable == executable && memcmp(&o->digest, d, sizeof(*d)) == 0)
            break;
    }
    return at;
}

struct object *store_object_find(struct store *s, const struct digest *d,
                                 uint8_t executable)
{
    if (!s->object_slot_count)
        return NULL;
    size_t i = s->object_slots[slot_of(s, d, executable)];
    return i ? &s->objects[i - 1] : NULL;
}

static void grow_slots(struct store *s)
{
    s->object_slot_count = s->object_slot_count ? s->object_slot_count * 2 : 256;
    free(s->object_slots);
    s->object_slots = repx_array(s->object_slot_count, sizeof(*s->object_slots));
    for (uint32_t i = 0; i < s->object_count; i++) {
        const struct object *o = &s->objects[i];
        s->object_slots[slot_of(s, &o->digest, o->executable)] = i + 1;
    }
}

struct object *store_object_add(struct store *s, const struct store_item *item)
{
    if ((s->object_count + 1) * 2 > s->object_slot_count)
        grow_slots(s);
    if (s->object_count == s->object_cap) {
        s->object_cap = s->object_cap ? s->object_cap * 2 : 128;
        s->objects = repx_grow(s->objects, s->object_cap, sizeof(*s->objects));
    }
    struct object *o = &s->objects[s->object_count++];
    *o = (struct object){
        .digest = item->digest, .executable = item->executable, .length = item->length};
    s->object_slots[slot_of(s, &o->digest, o->executable)] = (uint32_t)s->object_count;
    return o;
}

void store_object_want(struct object *o, size_t build, size_t item)
{
    const struct wanted_at w = {(uint32_t)build, (uint32_t)item};
    uint32_t others = o->wanted_count ? o->wanted_count - 1 : 0;

    if (!o->wanted_count++) {
        o->first = w;
        return;
    }
    if ((others & (others - 1)) == 0) /* grows by powers of two */
        o->others = repx_grow(o->others, others ? others * 2 : 1, sizeof(*o->others));
    o->others[others] = w;
}

const struct wanted_at *store_object_at(const struct object *o, size_t i)
{
    return i ? &o->others[i - 1] : &o->first;
}
