/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "descriptor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define DESCRIPTOR_SIZE_MIN END_OF(struct repx_plugin, field_stride)

/* A function that every vtable of the kind holds. */
struct slot {
    const char *name;
    size_t offset;
};
#define NEEDED(type, member)                   \
    {                                          \
#        member, offsetof(struct type, member) \
    }

static const struct slot transport_slots[] = {
    NEEDED(repx_transport_ops, open),  NEEDED(repx_transport_ops, close),
    NEEDED(repx_transport_ops, start), NEEDED(repx_transport_ops, read),
    NEEDED(repx_transport_ops, write), NEEDED(repx_transport_ops, half_close),
    NEEDED(repx_transport_ops, wait),  NEEDED(repx_transport_ops, exit_status),
    NEEDED(repx_transport_ops, end),   NEEDED(repx_transport_ops, stats),
};
static const struct slot scheduler_slots[] = {
    NEEDED(repx_scheduler_ops, open),   NEEDED(repx_scheduler_ops, close),
    NEEDED(repx_scheduler_ops, check),  NEEDED(repx_scheduler_ops, limits),
    NEEDED(repx_scheduler_ops, submit), NEEDED(repx_scheduler_ops, status),
    NEEDED(repx_scheduler_ops, find),   NEEDED(repx_scheduler_ops, cancel),
};
static const struct slot sync_slots[] = {
    NEEDED(repx_sync_ops, perform),
};
static const struct slot bootstrap_slots[] = {
    NEEDED(repx_sync_ops, perform),
    NEEDED(repx_sync_ops, connect),
};

/* What a kind's vtable is: its size here, and what every build of it must hold. */
struct shape {
    const char *kind;
    size_t size;
    const struct slot *slots;
    size_t count;
};
#define SHAPE(kind, type, slots)                                             \
    {                                                                        \
        kind, sizeof(struct type), slots, sizeof(slots) / sizeof((slots)[0]) \
    }

static const struct shape shapes[] = {
    [REPX_KIND_TRANSPORT] = SHAPE("transport", repx_transport_ops, transport_slots),
    [REPX_KIND_SCHEDULER] = SHAPE("sched", repx_scheduler_ops, scheduler_slots),
    [REPX_KIND_SYNC] = SHAPE("sync", repx_sync_ops, sync_slots),
};
static const struct shape bootstrap_shape =
    SHAPE("sync", repx_sync_ops, bootstrap_slots);

static const char *const phases[] = {
    [REPX_PHASE_BOOTSTRAP] = "bootstrap",
    [REPX_PHASE_LAB] = "lab",
    [REPX_PHASE_IMAGE] = "image",
};
static const char *const types[] = {
    [REPX_FIELD_STRING] = "string", [REPX_FIELD_INT] = "int",
    [REPX_FIELD_BOOL] = "bool",     [REPX_FIELD_DURATION] = "duration",
    [REPX_FIELD_SIZE] = "size",     [REPX_FIELD_LIST] = "list",
};

const char *descriptor_kind_word(uint32_t kind)
{
    return kind && kind < sizeof(shapes) / sizeof(shapes[0]) ? shapes[kind].kind : NULL;
}

const char *descriptor_phase_word(uint32_t phase)
{
    return phase < sizeof(phases) / sizeof(phases[0]) ? phases[phase] : NULL;
}

const char *descriptor_type_word(uint32_t type)
{
    return type < sizeof(types) / sizeof(types[0]) ? types[type] : NULL;
}

int descriptor_name_is_good(const char *name)
{
    size_t n = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    return n > 0 && n <= 32 && !name[n] && name[0] >= 'a';
}

static int check_size(const char *what, uint64_t size, uint64_t min,
                      struct repx_err *err)
{
    if (size < min) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s is %" PRIu64 " bytes, need at least %" PRIu64, what, size,
                         min);
    }
    if (size > DESCRIPTOR_SIZE_MAX) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s is %" PRIu64 " bytes, at most %u can be true", what, size,
                         DESCRIPTOR_SIZE_MAX);
    }
    return 0;
}

static int check_texts(const struct repx_plugin *p, struct repx_err *err)
{
    const struct {
        const char *name, *text;
    } texts[] = {{"name", p->name},
                 {"version", p->version},
                 {"vendor", p->vendor},
                 {"license", p->license},
                 {"summary", p->summary}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!texts[i].text) {
            return repx_fail(err, REPX_E_UNSUPPORTED, "%s is NULL, need a text",
                             texts[i].name);
        }
    }
    if (!descriptor_name_is_good(p->name)) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "name is \"%.64s\", need [a-z][a-z0-9-]{0,31}", p->name);
    }
    return 0;
}

static int check_fields(const struct repx_plugin *p, struct repx_err *err)
{
    if (!p->field_count)
        return 0;
    if (!p->fields) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "fields is NULL, field_count is %" PRIu64, p->field_count);
    }
    if (p->field_count > DESCRIPTOR_FIELDS_MAX) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "field_count is %" PRIu64 ", at most %u can be true",
                         p->field_count, DESCRIPTOR_FIELDS_MAX);
    }
    if (check_size("field_stride", p->field_stride, END_OF(struct repx_field, help),
                   err) < 0)
        return -1;
    for (uint64_t i = 0; i < p->field_count; i++) {
        struct repx_field f = descriptor_field(p, i);
        if (!f.name || !f.name[0] || !f.help) {
            return repx_fail(err, REPX_E_UNSUPPORTED, "field %" PRIu64 " has no %s", i,
                             f.help ? "name" : "help text");
        }
        if (!descriptor_type_word(f.type)) {
            return repx_fail(err, REPX_E_UNSUPPORTED,
                             "field %s has type %" PRIu32 ", need 1 to %d", f.name,
                             f.type, REPX_FIELD_LIST);
        }
    }
    return 0;
}

struct repx_field descriptor_field(const struct repx_plugin *own, uint64_t i)
{
    struct repx_field f = {0};
    uint64_t n = own->field_stride < sizeof(f) ? own->field_stride : sizeof(f);

    memcpy(&f, (const char *)own->fields + i * own->field_stride, (size_t)n);
    return f;
}

static int check_head(const struct repx_plugin *p, struct repx_err *err)
{
    if (p->abi_major != REPX_ABI_MAJOR || p->abi_minor != REPX_ABI_MINOR) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "built for ABI %" PRIu32 ".%" PRIu32
                         ", this repx has %d.%d; rebuild the plugin with its SDK",
                         p->abi_major, p->abi_minor, REPX_ABI_MAJOR, REPX_ABI_MINOR);
    }
    if (!descriptor_kind_word(p->kind)) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "kind is %" PRIu32
                         ", need 1 (transport), 2 (scheduler) or 3 (sync)",
                         p->kind);
    }
    if (p->kind == REPX_KIND_SYNC ? !descriptor_phase_word(p->phase) : p->phase != 0) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED, "phase is %" PRIu32 ", need %s", p->phase,
            p->kind == REPX_KIND_SYNC ? "1 (bootstrap), 2 (lab) or 3 (image)"
                                      : "0: only sync plugins have one");
    }
    return 0;
}

/* Copy from memory that a plugin points to: what is not there is an answer, no crash.
 * Few enough bytes to fit in a pipe. */
static int copy_there(void *to, const void *from, size_t n)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        memcpy(to, from, n);
        return 0;
    }
    ssize_t put = write(ends[1], from, n);
    ssize_t got = put == (ssize_t)n ? read(ends[0], to, n) : -1;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return got == (ssize_t)n ? 0 : -1;
}

/* The part of a library or program that an address lies in: how far it goes from there. */
struct part {
    uintptr_t at;
    uint64_t left; /* 0: in none */
};

static int find_part(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct part *part = ctx;

    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && part->at >= begin &&
            part->at - begin < p->p_memsz) {
            part->left = p->p_memsz - (part->at - begin);
            return 1;
        }
    }
    return 0;
}

/* Can something of that size be there? What lies in a library ends with its part of it. */
static int fits_there(const void *at, uint64_t size)
{
    struct part part = {(uintptr_t)at, 0};

    return !dl_iterate_phdr(find_part, &part) || size <= part.left;
}

static int lies(const char *what, uint64_t size, struct repx_err *err)
{
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "%s says it is %" PRIu64 " bytes, but memory ends before that",
                     what, size);
}

int descriptor_adopt(const struct repx_plugin *theirs, struct repx_plugin *own,
                     struct repx_err *err)
{
    if (!theirs) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         REPX_PLUGIN_SYMBOL " returned NULL, need a descriptor");
    }
    struct {
        uint64_t size, magic;
    } head;
    if (copy_there(&head, theirs, sizeof(head)) < 0) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         REPX_PLUGIN_SYMBOL " returned no address of a descriptor");
    }
    /* The magic comes before the size: in something else than a descriptor the size
     * means nothing. */
    if (head.magic != REPX_PLUGIN_MAGIC) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "magic is %016" PRIx64 ", need %016" PRIx64, head.magic,
                         REPX_PLUGIN_MAGIC);
    }
    if (check_size("descriptor", head.size, DESCRIPTOR_SIZE_MIN, err) < 0)
        return -1;
    memset(own, 0, sizeof(*own));
    if (!fits_there(theirs, head.size) ||
        copy_there(own, theirs,
                   head.size < sizeof(*own) ? (size_t)head.size : sizeof(*own)) < 0)
        return lies("descriptor", head.size, err);
    if (check_head(own, err) < 0 || check_texts(own, err) < 0)
        return -1;
    return check_fields(own, err);
}

static const struct shape *shape_of(const struct repx_plugin *p)
{
    if (p->kind == REPX_KIND_SYNC && p->phase == REPX_PHASE_BOOTSTRAP)
        return &bootstrap_shape;
    return &shapes[p->kind];
}

int descriptor_adopt_ops(const struct repx_plugin *own, union plugin_ops *ops,
                         struct repx_err *err)
{
    const struct shape *shape = shape_of(own);
    const struct slot *last = &shape->slots[shape->count - 1];
    uint64_t size = 0;

    memset(ops, 0, sizeof(*ops));
    if (!own->vtable) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "vtable is NULL, need the %s functions", shape->kind);
    }
    if (check_size("vtable", own->vtable_size, last->offset + sizeof(void (*)(void)),
                   err) < 0)
        return -1;
    if (copy_there(&size, own->vtable, sizeof(size)) < 0)
        return lies("vtable", own->vtable_size, err);
    if (size != own->vtable_size) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "vtable says it is %" PRIu64
                         " bytes, the descriptor says %" PRIu64,
                         size, own->vtable_size);
    }
    if (!fits_there(own->vtable, size))
        return lies("vtable", size, err);
    if (size > shape->size)
        size = shape->size;
    if (copy_there(ops, own->vtable, (size_t)size) < 0)
        return lies("vtable", own->vtable_size, err);
    memcpy(ops, &size, sizeof(size));
    for (size_t i = 0; i < shape->count; i++) {
        void (*function)(void) = NULL;
        memcpy(&function, (const char *)ops + shape->slots[i].offset, sizeof(function));
        if (!function) {
            return repx_fail(err, REPX_E_UNSUPPORTED,
                             "%s is NULL, but every %s plugin must have it",
                             shape->slots[i].name, shape->kind);
        }
    }
    return 0;
}
