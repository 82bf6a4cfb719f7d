/* SPDX-License-Identifier: MIT */
#include "elf.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#define PROGRAM_HEADERS_MAX 1024u

static const struct {
    unsigned number;
    const char *name;
} machines[] = {
    {EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"}, {EM_386, "i386"},  {EM_ARM, "arm"},
    {EM_PPC64, "ppc64"},   {EM_RISCV, "riscv"},     {EM_S390, "s390"},
};

static const char *machine_name(unsigned number, char text[32])
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (machines[i].number == number)
            return machines[i].name;
    }
    (void)snprintf(text, 32, "machine %u", number);
    return text;
}

/* The running program tells what this machine is. */
static int own_header(ElfW(Ehdr) * to)
{
    REPX_AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    return fd >= 0 && pread(fd, to, sizeof(*to), 0) == (ssize_t)sizeof(*to);
}

static int check_header(const ElfW(Ehdr) * h, struct repx_err *err)
{
    ElfW(Ehdr) own;
    char theirs[32], ours[32];

    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return repx_fail(err, REPX_E_UNSUPPORTED, "is no ELF file");
    if (!own_header(&own))
        return 0; /* then the dynamic linker has to tell */
    if (h->e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
        h->e_ident[EI_DATA] != own.e_ident[EI_DATA] || h->e_machine != own.e_machine) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "is for %s (%s-bit), this repx is for %s",
                         machine_name(h->e_machine, theirs),
                         h->e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64",
                         machine_name(own.e_machine, ours));
    }
    if (h->e_type != ET_DYN)
        return repx_fail(err, REPX_E_UNSUPPORTED, "is an ELF file, but no library");
    if (h->e_phentsize != sizeof(ElfW(Phdr)) || h->e_phnum > PROGRAM_HEADERS_MAX)
        return repx_fail(err, REPX_E_CORRUPT, "has program headers of another form");
    return 0;
}

static int cut_short(uint64_t size, uint64_t need, struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT,
                     "is cut short: %" PRIu64 " bytes, at least %" PRIu64
                     " are needed; copy it again",
                     size, need);
}

int elf_check(const char *path, struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ElfW(Ehdr) h;

    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return repx_fail(err, REPX_E_UNSUPPORTED, "is no regular file");
    uint64_t size = (uint64_t)st.st_size;
    ssize_t n = pread(fd, &h, sizeof(h), 0);
    if (n < SELFMAG)
        return repx_fail(err, REPX_E_UNSUPPORTED, "is no ELF file");
    if (n < (ssize_t)sizeof(h)) {
        return memcmp(h.e_ident, ELFMAG, SELFMAG) == 0
                   ? cut_short(size, sizeof(h), err)
                   : repx_fail(err, REPX_E_UNSUPPORTED, "is no ELF file");
    }
    if (check_header(&h, err) < 0)
        return -1;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        ElfW(Phdr) p;
        uint64_t at = h.e_phoff + (uint64_t)i * sizeof(p);
        if (at > size || pread(fd, &p, sizeof(p), (off_t)at) != (ssize_t)sizeof(p))
            return cut_short(size, at + sizeof(p), err);
        if (p.p_type == PT_LOAD &&
            (p.p_offset > size || p.p_filesz > size - p.p_offset)) {
            return cut_short(size, p.p_offset + p.p_filesz, err);
        }
    }
    return 0;
}
