/* SPDX-License-Identifier: MIT */
/* fault.h: a transport with a link that fails as told (--fault), for tests and for people
 * who want to see what their site does. No promise: it may change with every version.
 *
 *     cut-after=SIZE      the link is gone once that many bytes have passed, both ways
 *     drop-after=SIZE     from there on everything is lost, and nobody is told
 *     drop=N              every N-th piece (one read or write of the transport) is lost
 *     garble-after=SIZE   one bit of the byte at that place is another
 *     garble=SIZE         one bit of every so many bytes is another
 *     delay=DURATION      what comes from the target arrives that much later
 *     silence=DURATION    after a loss or a wrong bit: so long without a byte, and the link
 *                         counts as gone, as a transport's own watch over it would find
 *                         (default 20s)
 *
 * Joined by commas: "delay=50ms,cut-after=1M". */
#ifndef REPX_TARGET_FAULT_H
#define REPX_TARGET_FAULT_H

#include <repx/transport.h>

#include <kit/err.h>

/* Sizes, counts and milliseconds as above; 0: not that fault. */
struct fault_plan {
    int64_t cut_after, drop_after, drop, garble_after, garble, delay, silence;
};

/* REPX_E_USAGE names the word that is none and those that are. */
int fault_parse(const char *text, struct fault_plan *plan, struct repx_err *err);

/* A link over one that is open: goes to the functions of fault_ops. Borrows inner and
 * host, and owns *self, which close of fault_ops closes. */
void *fault_link(const struct fault_plan *plan, const struct repx_transport_ops *inner,
                 void *self, const struct repx_host *host);
/* open, login, logout and suits are NULL. */
extern const struct repx_transport_ops fault_ops;

#endif
