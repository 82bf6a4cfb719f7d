/* SPDX-License-Identifier: MIT */
/* agent.h: the program on the target, repx-agent, and what its parts share.
 *
 *     repx-agent session BASE [STATE]      serve frames on standard input and output
 *     repx-agent job BASE RUN INDEX PHASE KEY [BRANCH]   supervise one unit of work
 *     repx-agent verify SHA256 FILE        exit 0 when FILE has that digest
 *     repx-agent internal-gc --base-path B [--dry-run]
 *     repx-agent internal-execute ...      RepX's flags
 *     repx-agent internal-confine ...      for a runtime (runtime_confine.c)
 *     repx-agent --version
 *
 * A session is one thread and one poll loop. Verbs that take long run in a forked child
 * whose output is relayed, so control is never behind them. Nothing in memory matters. */
#ifndef REPX_AGENT_H
#define REPX_AGENT_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

/* Where everything is; filled once at start. */
struct site {
    char *base;            /* absolute, B of docs/state-format.md */
    char *state;           /* S */
    int base_fd, state_fd; /* O_PATH directories */
    int readonly;          /* state of a newer major, or another owner's */
    char *host;            /* node name */
    char *boot;            /* boot id */
    char *warning;         /* for the user, or NULL */
    uint64_t gc_stamp;     /* site_gc_stamp when it was opened */
};

/* ---- verbs of a session ---- */

struct call; /* one open stream */

struct verb {
    uint16_t number; /* V_* */
    /* A request came. Reply at once (call_reply), later from end, or hand the work to a
     * child (call_fork). -1 answers with the error. */
    int (*begin)(struct call *c, const void *msg, size_t n, struct repx_err *err);
    /* Uploaded bytes, then the end of them; NULL when the verb takes none. */
    int (*data)(struct call *c, const void *bytes, size_t n, struct repx_err *err);
    int (*end)(struct call *c, struct repx_err *err);
    void (*drop)(struct call *c); /* free call_own; also after success */
};

/* Tables, each defined in its own file, ending with number 0. */
extern const struct verb store_verbs[];  /* store_verbs.c */
extern const struct verb ask_verbs[];    /* ask_verbs.c */
extern const struct verb delta_verbs[];  /* delta_verbs.c */
extern const struct verb run_verbs[];    /* run_verbs.c */
extern const struct verb file_verbs[];   /* file_verbs.c */
extern const struct verb follow_verbs[]; /* follow_verbs.c */
extern const struct verb pull_verbs[];   /* pull.c */
extern const struct verb gc_verbs[];     /* gc_verbs.c */

struct site *call_site(struct call *c);
void *call_own(struct call *c); /* what the verb keeps; NULL at first */
void call_set_own(struct call *c, void *own);
/* State of one kind shared by all calls of the session (the store's): slot 0..3. */
void **call_shared(struct call *c, unsigned slot, void (*release)(void *));
/* More of what is uploaded may be on its way at a time (mux.h). */
void call_widen(struct call *c, uint32_t window);
void call_send(struct call *c, const void *bytes, size_t n);   /* response data */
void call_reply(struct call *c, const void *fields, size_t n); /* success; closes */
void call_error(struct call *c, const struct repx_err *err); /* from wherever; closes */
/* Run `worker` in a forked child. What it writes to fd `out` becomes response data (with
 * back-pressure); its return value 0, or -1 with *err, becomes the result, with the fields
 * it put into *fields. The child is killed with TERM when the call is canceled. */
void call_fork(struct call *c,
               int (*worker)(struct site *site, void *arg, int out,
                             struct repx_buf *fields, struct repx_err *err),
               void *arg);

/* The worker goes on when the session ends or is lost; only a cancel ends it. It must see to
 * its signals itself. */
void call_outlives(struct call *c);

/* ---- main programs ---- */
int session_main(int argc, char **argv);
int job_main(int argc, char **argv);
int internal_execute_main(int argc, char **argv);
int internal_gc_main(int argc, char **argv);
int internal_confine_main(int argc, char **argv);

/* Fill *site from BASE and STATE as given ("~", "$VAR" of [A-Z_][A-Z0-9_]* are looked up;
 * STATE may be NULL or ""), create B and S with their stamps unless they exist. */
int site_open(struct site *site, const char *base, const char *state,
              struct repx_err *err);
void site_close(struct site *site);
/* Another value whenever a collection began (S/gc). Who created something that relies on
 * what was there when the site was opened looks again afterwards. */
uint64_t site_gc_stamp(const struct site *site);

#endif
