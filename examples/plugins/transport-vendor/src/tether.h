/* SPDX-License-Identifier: MIT */
/* tether.h: the toy protocol of a vendor, as libvendor-tether.so speaks it.
 *
 * A connection begins with a hello that carries a token, and is then a session in which
 * nothing happens, or one command. Both sides send frames: one byte that says what, four
 * that say how long (little endian), and so many bytes.
 *
 *     H token   ->  W (welcome) or R reason (and the end)
 *     X command ->
 *     I input, E (its end)  ->
 *               <-  O output, S standard error, Z status (one byte: 0..255; the last) */
#ifndef TETHER_H
#define TETHER_H

#include <stddef.h>
#include <stdint.h>

#define TETHER_EXPORT __attribute__((visibility("default")))
#define TETHER_HEAD 5u
#define TETHER_FRAME_MAX 65536u

/* Bytes that wait. */
struct tether_bytes {
    char *data;
    size_t len, cap;
};
TETHER_EXPORT void tether_add(struct tether_bytes *b, const void *bytes, size_t n);
TETHER_EXPORT void tether_drop(struct tether_bytes *b, size_t n);
TETHER_EXPORT void tether_frame(struct tether_bytes *to, char what, const void *bytes,
                                size_t n);
/* The frame at the front, or 0 when it is not whole yet, or -1 when it is none. Returns
 * its whole length. */
TETHER_EXPORT int64_t tether_take(const struct tether_bytes *from, char *what,
                                  const char **bytes, size_t *n);

/* Connect to "/a/socket" or "host:port"; a descriptor that is closed on exec and does not
 * block, or -1 with *why. */
TETHER_EXPORT int tether_connect(const char *address, const char **why);
/* Send what can be sent, read what is there. 1 something moved, 0 not, -1 the far end is
 * gone (nothing is left to read). */
TETHER_EXPORT int tether_send(int fd, struct tether_bytes *out);
TETHER_EXPORT int tether_receive(int fd, struct tether_bytes *in);

#endif
