/* SPDX-License-Identifier: MIT */
/* frame.h: the unit of the wire.
 *
 *     offset  size
 *     0       4     length of the payload, little endian, at most FRAME_MAX
 *     4       1     type (FRAME_*); an unknown type is skipped
 *     5       1     flags; FRAME_CONTROL orders it before bulk
 *     6       2     zero
 *     8       4     stream, little endian; 0 for the connection itself
 *     12      ...   payload
 *     ...     4     only with FRAME_SUM: CRC32C of all before it, little endian
 *
 * Before its first frame the agent prints the line FRAME_MAGIC; whatever came before that
 * (a login shell's noise) is skipped. */
#ifndef REPX_WIRE_FRAME_H
#define REPX_WIRE_FRAME_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#define FRAME_MAGIC "\x01repx-agent-wire\x02\n"
#define FRAME_HEAD 12
#define FRAME_MAX 262144
#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1

#define FRAME_HELLO \
    1 /* msg: F_WIRE_MIN, F_WIRE_MAX, and who it is; both sides, first */
#define FRAME_REQUEST 2 /* msg: VERB and its fields; opens a stream (client only) */
#define FRAME_DATA 3    /* bytes of a stream, within its credit */
#define FRAME_END 4     /* no more DATA from this side */
#define FRAME_CREDIT 5  /* u32: this many more bytes may be sent on the stream */
#define FRAME_RESULT 6  /* msg: CODE, TEXT and fields; closes the stream (agent only) */
#define FRAME_CANCEL 7  /* the client is no longer interested */
#define FRAME_LOG 8     /* msg: LEVEL, TEXT */
#define FRAME_PING 9    /* payload comes back as PONG */
#define FRAME_PONG 10

#define FRAME_CONTROL 1u
#define FRAME_SUM 2u /* for a peer whose HELLO has F_SUMS */
#define FRAME_SUM_LEN 4

struct frame {
    uint8_t type, flags;
    uint32_t stream;
    uint32_t length;
    const uint8_t *payload;
};

/* Take one frame off the front of bytes. Returns its whole length, 0 when more bytes are
 * needed, -1 when it is no frame (too large, reserved bytes set, another checksum). */
int64_t frame_take(const void *bytes, size_t n, struct frame *frame,
                   struct repx_err *err);
void frame_put(struct repx_buf *to, uint8_t type, uint8_t flags, uint32_t stream,
               const void *payload, uint32_t length);

#endif
