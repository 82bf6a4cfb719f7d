/* SPDX-License-Identifier: MIT */
/* runtime_env.c: the environment of scripts: what is listed here and nothing else. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/runtime.h"

extern char **environ;

/* Taken over as they are, when set. */
static const char *const kept[] = {"USER", "LOGNAME", "TMPDIR", NULL};

/* Given by a batch scheduler on the node; a trailing * stands for the rest. */
static const char *const given[] = {
    "SLURM_*",
    "SLURMD_*",
    "PBS_*",
    "LSB_*",
    "LS_*",
    "SGE_*",
    "PE_HOSTFILE",
    "NSLOTS",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
    NULL,
};

/* Keys to the scheduler are not for scripts. */
static const char *const secret[] = {"SLURM_JWT", NULL};

void strings_add(struct strings *s, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *text = repx_alloc((size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    if (s->count + 2 > s->room) {
        s->room = s->room ? s->room * 2 : 32;
        s->items = repx_grow(s->items, s->room, sizeof s->items[0]);
    }
    s->items[s->count++] = text;
    s->items[s->count] = NULL;
}

void strings_free(char **strings)
{
    for (char **s = strings; s && *s; s++)
        free(*s);
    free(strings);
}

static int in_list(const char *name, size_t n, const char *const *list)
{
    for (; *list; list++) {
        size_t len = strlen(*list);
        if ((*list)[len - 1] == '*' ? n >= len - 1 && !strncmp(name, *list, len - 1)
                                    : n == len && !strncmp(name, *list, len))
            return 1;
    }
    return 0;
}

char **runtime_environment(const struct runtime_request *q, const char *path,
                           const char *home)
{
    struct strings s = {0};
    const char *own = getenv("HOME");
    int outside = !home; /* the script sees this machine's users and directories */

    strings_add(&s, "PATH=%s", path);
    if (outside)
        home = own && *own == '/' ? own : "/";
    strings_add(&s, "HOME=%s", home);
    strings_add(&s, "SHELL=/bin/sh");
    strings_add(&s, "LANG=C.UTF-8");
    strings_add(&s, "TERM=xterm");
    for (char **e = environ; *e; e++) {
        size_t n = strcspn(*e, "=");
        if ((outside && in_list(*e, n, kept)) ||
            (q->batch && in_list(*e, n, given) && !in_list(*e, n, secret)))
            strings_add(&s, "%s", *e);
    }
    return s.items;
}
