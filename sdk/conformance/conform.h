/* SPDX-License-Identifier: MIT */
/* conform.h: repx-plugin-test. Each promise of the contract is a check with a sentence; a
 * group of checks runs in a child, so that a plugin that crashes or hangs fails and the
 * others still run. */
#ifndef REPX_CONFORM_H
#define REPX_CONFORM_H

#include <stdint.h>

#include "core/config/config.h"
#include "core/plugin/host.h"
#include "core/plugin/loader.h"

struct conform {
    struct plugin *plugin;
    const struct config_target *target; /* of --config, or NULL */
    const struct config_table *table;   /* the plugin's own in it, or NULL */
    struct ui ui;
    struct host *host;
    const struct repx_host *services;
    const char *fault; /* --fault-cmd, or NULL */
    const char *fake;  /* --fake: the product that a scheduler meets, or NULL */
    const char *part;  /* --part: of a scheduler only units, many or faults; or NULL */
    const char *peer;  /* path of the peer program here */
    char *dir;         /* scratch */
    int patience;      /* seconds for what should take one */
    size_t batch;      /* units of the large batch */
    int canceled;
    int cancel[2]; /* pipe behind the host's cancel descriptor */
};

/* ---- telling (report.c) ---- */

/* One line of TAP. Returns ok. */
int check(int ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of the plugin's log, as a comment. */
void remark(const char *who, uint32_t level, const char *text);
/* What this run could not look at, and why; listed at the end. */
void untested(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Run a group in a child for at most `seconds`. */
void group(const char *name, void (*run)(struct conform *c), struct conform *c,
           unsigned seconds);
void report_begin(void);
/* The plan and the list; returns the exit status. */
int report_end(void);

/* Is this part of a scheduler's checks to be run? */
int part_wanted(const struct conform *c, const char *part);

/* The host's canceled() from now on, and its descriptor. */
void cancel_set(struct conform *c, int canceled);

/* ---- what is checked ---- */

void any_checks(struct conform *c);       /* any.c: every kind */
void transport_checks(struct conform *c); /* transport.c */
void transport_faults(struct conform *c);
void scheduler_checks(struct conform *c); /* scheduler.c */
void resource_checks(struct conform *c);  /* resources.c */
void scheduler_faults(struct conform *c); /* scheduler_fault.c, with --fake */
void sync_checks(struct conform *c);      /* sync.c */
void delta_checks(struct conform *c);     /* sync_delta.c */
void bootstrap_checks(struct conform *c); /* bootstrap.c */

#endif
