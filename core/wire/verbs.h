/* SPDX-License-Identifier: MIT */
/* verbs.h: what a client can ask the agent, and the fields of the messages (msg.h).
 *
 * Request fields -> data in either direction -> result fields. Every result also carries
 * F_CODE and F_TEXT (mux.h). A tag has one meaning everywhere. */
#ifndef REPX_WIRE_VERBS_H
#define REPX_WIRE_VERBS_H

/* Fields. N: number, T: text, B: bytes, M: nested message. */
#define F_VERB 1       /* N */
#define F_CODE 2       /* N, REPX_E_* */
#define F_TEXT 3       /* T */
#define F_WIRE_MIN 4   /* N */
#define F_WIRE_MAX 5   /* N */
#define F_VERSION 6    /* T, of the program */
#define F_DIGEST 7     /* B, 32 bytes */
#define F_ARCH 8       /* T, uname -m */
#define F_BASE 9       /* T, base path as the agent resolved it, absolute */
#define F_STATE 10     /* T, state directory, absolute */
#define F_CPUS 11      /* N */
#define F_MEMORY 12    /* N, bytes */
#define F_BYTES 13     /* N */
#define F_INODES 14    /* N */
#define F_NAME 15      /* T, relative name as in sync.h, or a job id */
#define F_LENGTH 16    /* N, bytes */
#define F_ENTRY 17     /* M: F_NAME F_KIND F_EXEC F_LENGTH F_DIGEST F_LINK */
#define F_KIND 18      /* N, REPX_ENTRY_* */
#define F_EXEC 19      /* N, 0 or 1 */
#define F_LINK 20      /* T */
#define F_COUNT 21     /* N */
#define F_RUN 22       /* T, run id */
#define F_KEY 23       /* T, work key (hex) or submission key */
#define F_JOB 24       /* M: F_NAME F_KEY F_STATUS F_REASON ... */
#define F_STATUS 25    /* N, JOB_* below */
#define F_REASON 26    /* T */
#define F_STALE 27     /* N, 1: the result was made under another work key */
#define F_ID 28        /* T, the scheduler's id */
#define F_OFFSET 29    /* N */
#define F_LEVEL 30     /* N */
#define F_SCHEDULER 31 /* T, name */
#define F_HELPER 32    /* T, path of the scheduler's helper, relative to B */
#define F_OPTIONS 33   /* N, bits, per verb */
#define F_USER 34      /* T */
#define F_HOST 35      /* T */
#define F_TIME 36      /* N, milliseconds since 1970 */
#define F_EXIT 37      /* N */
#define F_LIMIT 38     /* N */
#define F_INDEX 39     /* N */
#define F_WARNING 40   /* T, for the user */
#define F_FEATURES 41  /* N, of a hello: FEATURE_* */
#define F_LEFT 42      /* N, jobs that wait for room */
#define F_SUMS 46      /* N, of a hello: 1: frames may carry checksums */
#define F_PURGED 45    /* N: its outputs are not what its manifest says */

/* What a side understands beyond its wire version. */
#define FEATURE_BLOCKS 1 /* V_PUT with PUT_BLOCKS */

/* State of a job, as V_STATUS and events tell it. */
#define JOB_UNKNOWN 0 /* never ran, nothing queued */
#define JOB_SUCCEEDED 1
#define JOB_FAILED 2 /* F_REASON: "exit 3", "cancelled", "timed out", "LOST", ... */
#define JOB_QUEUED 3
#define JOB_RUNNING 4
#define JOB_BLOCKED 5 /* F_REASON: the job that failed upstream */

/* ---- the store -------------------------------------------------------------------- */

/* F_DIGEST -> result F_COUNT 1 or 0. The set with that digest was verified and is still
 * there as far as a cheap look tells. F_LIMIT: of so many sets something is known (V_STANDS is
 * of use). */
#define V_KNOWN 1
/* F_DIGEST: remember what was placed in this session under it. */
#define V_REMEMBER 2
/* data: 32-byte digests -> data: one byte each, '1' or '0'. */
#define V_HAVE 3
/* F_NAME F_OPTIONS; data: F_ENTRY fields of a tree. No result data. See sync.h: place. With
 * PLACE_READ_ALL no witness counts: what is there is read. */
#define V_PLACE 4
#define PLACE_READ_ALL 1
/* F_OPTIONS -> data: for each missing object once the head of a pack's object (pack.h). With
 * LACKING_PARTS a head with PACK_PARTS is followed by the number of bytes that lie there
 * already (8, le) and the digests of their pieces of PACK_CHUNK bytes; LACKING_NEAR in the
 * mode says that something is there which a delta could lead from. Result: F_BYTES F_INODES
 * as of V_ROOM. */
#define V_LACKING 5
#define LACKING_PARTS 1
#define LACKING_NEAR 4
/* F_OPTIONS F_LIMIT; data: a pack (pack.h), with PUT_BLOCKS in blocks (block.h). The result comes after
 * END; the first wrong digest fails it or, with PUT_AGAIN, F_COUNT says how many were wrong
 * and are lacking still. F_LIMIT: so many bytes should be on their way at a time (mux_widen). */
#define V_PUT 6
#define PUT_AGAIN 1
#define PUT_BLOCKS 2
/* Complete all placed trees; fails naming what is missing. */
#define V_VERIFY 7
/* -> F_BYTES F_INODES */
#define V_ROOM 8
/* data: for each tree its digest (32), the length of its name (2, le) and the name -> data: for
 * each '1' when it stands there as far as a cheap look tells (it needs no V_PLACE then), else
 * '0'. */
#define V_STANDS 14
/* data: digest (32) and exec (1) of missing objects -> data: for each in that order the
 * signature of what is near (librsync's format), as chunks: length (4, le) and bytes; length 0
 * ends it. Nothing near: the end alone. */
#define V_SIGNATURE 12
/* F_DIGEST F_EXEC; data: a delta (librsync's format) from what V_SIGNATURE told. What it makes
 * must have that digest, or the object stays missing, and the result says why. */
#define V_PATCH 13

/* ---- runs ------------------------------------------------------------------------- */

/* F_RUN F_SCHEDULER F_HELPER F_OPTIONS ...; data: the run record (one JSON line) and then
 * the plan (docs/state-format.md): one line per job. Whole or not at all. */
#define V_RUN_CREATE 20
/* F_RUN -> data: events as lines of JSON (docs/state-format.md); result when everything
 * is submitted, or
 * waits for room: F_COUNT submitted, F_LEFT waiting, F_REASON why. */
#define V_RUN_SUBMIT 21
/* F_RUN F_OFFSET -> data: events from then on, until every job of the run has ended; the
 * result's F_STATUS is JOB_SUCCEEDED or JOB_FAILED. */
#define V_RUN_WATCH 22
/* F_RUN: end what this run submitted. -> F_COUNT */
#define V_RUN_CANCEL 23
/* data: lines "<job id> <work key or ->[ <w or -> <producers>]\n" -> data: F_JOB fields in
 * the same order. F_SCHEDULER and F_HELPER may be given: then the queue is asked, too.
 * Results are compared with their manifests (F_PURGED): of lines of a plan, which tell
 * whether the job is wanted and at which lines its producers stand ("0,4"), only those that
 * something asked for needs. F_OPTIONS: */
#define V_STATUS 24
#define STATUS_TIMES 1 /* F_TIME: when it succeeded */

/* ---- following runs (answers are lines of JSON: docs/following.md) ------------------- */

/* F_LIMIT: the newest so many -> data: a line for each run. */
#define V_RUN_LIST 60
/* F_RUN: an id, its unique beginning, or "last"; F_OPTIONS RUN_SHOW_* -> data: a line with
 * all that one screen holds; when followed, one more with each change until all has ended.
 * Result: F_RUN, the whole id. */
#define V_RUN_SHOW 61
#define RUN_SHOW_FOLLOW 1 /* until every job has ended */
/* F_RUN as above -> data: the run record, then a line for each job. Result: F_RUN. */
#define V_RUN_JOBS 62
/* F_RUN as above, or data: job ids, one a line. End them and what waits for them, and wait
 * for that for a while -> data: a line for each run; result: F_COUNT left over. */
#define V_JOBS_CANCEL 63
/* F_NAME: job id -> data: one line with what records and queue tell of it. */
#define V_JOB_EXPLAIN 64
/* -> data: a line for each scheduler that was asked: calls, latencies, the budget. */
#define V_STATS 65

/* ---- files of jobs ---------------------------------------------------------------- */

/* F_NAME: path below outputs/ -> F_ENTRY fields as data, recursive, sorted. */
#define V_LIST 40
/* F_NAME F_OFFSET F_LENGTH -> data; NOENT when it is not there. */
#define V_READ 41
/* F_NAME F_LIMIT (last lines, -1 all) F_OPTIONS (1: follow until canceled) -> data */
#define V_TAIL 42
/* F_NAME: a link in gcroots/auto/..., F_LINK: manifest name below artifacts/lab. Keeps
 * the newest 5 of its directory. With F_DIGEST (several): only if each of these sets was found
 * known in this session (V_KNOWN) -> F_COUNT 1, or 0: no root was made. F_ENTRY (F_NAME
 * F_DIGEST): what the Lab's manifest, and the files in revision/, hold; another Lab may have
 * taken their names by now. */
#define V_GCROOT 43

/* ---- the way back ------------------------------------------------------------------ */

/* data: lines "<job id>\n" -> data: for each, in that order, F_JOB (F_NAME F_STATUS) and
 * then F_ENTRY fields of what it left, F_NAME relative to the job: out/... and
 * repx/stdout.log, repx/stderr.log. Of a success's `out` its manifest speaks, unseen. A
 * file without F_DIGEST cannot be read. */
#define V_PULL_LIST 44
/* data: F_ENTRY fields: F_NAME (below outputs/) F_OFFSET F_LENGTH -> data: for each file in
 * that order chunks: length (4, le) and bytes; length 0 ends the file. A length of
 * PULL_BROKEN is followed by a length and a text, and ends the file, too. At most F_LENGTH
 * bytes from F_OFFSET on come. */
#define V_PULL_READ 45
#define PULL_BROKEN 0xffffffffu
#define PULL_CHUNK 262144

/* ---- collection -------------------------------------------------------------------- */

/* F_OPTIONS (GC_*) -> data: lines for the user; F_COUNT artifacts, F_INDEX job outputs,
 * F_BYTES. */
#define V_GC 50
#define GC_DRY_RUN 1
#define GC_PINNED_ONLY 2 /* automatic roots do not count, and go */
/* F_OPTIONS (1: sizes) -> data: F_ENTRY fields, one a root: F_KIND (0 auto, 1 pinned),
 * F_NAME, F_KEY lab id, F_LINK project or absent, F_BYTES. */
#define V_GC_ROOTS 51
/* F_NAME F_KEY (lab id): a root in gcroots/pinned. */
#define V_GC_PIN 52
/* F_NAME: the beginning of a pin's name -> F_NAME. */
#define V_GC_UNPIN 53

#endif
