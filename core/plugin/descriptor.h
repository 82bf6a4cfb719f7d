/* SPDX-License-Identifier: MIT */
/* descriptor.h: is what a plugin says about itself fit for this build? A refusal names
 * the field that differs, what it is and what it should be; the caller adds the file. */
#ifndef REPX_PLUGIN_DESCRIPTOR_H
#define REPX_PLUGIN_DESCRIPTOR_H

#include <stddef.h>

#include <repx/plugin.h>
#include <repx/scheduler.h>
#include <repx/sync.h>
#include <repx/transport.h>

#include <kit/err.h>

#define DESCRIPTOR_SIZE_MAX 65536u
#define DESCRIPTOR_FIELDS_MAX 1024u

union plugin_ops {
    struct repx_transport_ops transport;
    struct repx_scheduler_ops scheduler;
    struct repx_sync_ops sync;
};

/* Copy what they have of it over zeros and check it: size, magic, ABI, kind, texts.
 * REPX_E_UNSUPPORTED. The texts stay theirs. */
int descriptor_adopt(const struct repx_plugin *theirs, struct repx_plugin *own,
                     struct repx_err *err);
/* The same for the vtable of an adopted descriptor: what theirs lacks is NULL in own. */
int descriptor_adopt_ops(const struct repx_plugin *own, union plugin_ops *ops,
                         struct repx_err *err);
/* Row i of the configuration keys, whatever size their rows have. */
struct repx_field descriptor_field(const struct repx_plugin *own, uint64_t i);

/* Words of the contract: "transport", "sched", "sync"; "bootstrap", "lab", "image";
 * "string" ... "list". NULL for numbers that are none. */
const char *descriptor_kind_word(uint32_t kind);
const char *descriptor_phase_word(uint32_t phase);
const char *descriptor_type_word(uint32_t type);
/* [a-z][a-z0-9-]{0,31} */
int descriptor_name_is_good(const char *name);

#endif
