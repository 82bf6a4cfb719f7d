/* SPDX-License-Identifier: MIT */
/* store_own.h: what the store's files share. */
#ifndef REPX_AGENT_STORE_OWN_H
#define REPX_AGENT_STORE_OWN_H

#include "core/agent/index.h"
#include "core/agent/store.h"
#include "core/agent/store_fs.h"

#define NO_BUILD SIZE_MAX

/* A tree on its way, or standing. */
struct build {
    struct store_tree tree;
    uint32_t name_hash;
    char *staged;   /* its name in the staging directory */
    size_t missing; /* objects not there yet */
    int standing;   /* renamed to its name */
    int parked;     /* a package that waits in S/pkg: its name has work in progress */
};

struct wanted_at {
    uint32_t build, item;
};

#define OBJECT_MISSING 0
#define OBJECT_COMING 1
#define OBJECT_HERE 2

/* Content that some tree of this session needs. */
struct object { /* there may be a million of them */
    struct digest digest;
    uint64_t length;
    struct wanted_at first;   /* where it lies once it is here */
    struct wanted_at *others; /* and where else it is wanted */
    uint32_t wanted_count;    /* first included */
    uint8_t executable;
    uint8_t state;
};

/* A line for the record of a set (store_known.c), without its witness. */
struct noted {
    char *text;
    ino_t ino; /* what stood at the path when it was noted; 0: not looked at */
};

struct store {
    struct site *site;
    struct object_index *index; /* NULL until needed */
    char *session; /* name of staging directory and, with a time, of the writer */
    char *writer;
    /* staging */
    int stages_fd, stage_fd; /* -1 until needed */
    uint64_t staged_count;
    int adopted; /* dead sessions' directories were taken over: */
    size_t dead_count;
    int remembered; /* a transfer came to its end */
    int arrived;    /* something was put */
    int read_all;   /* no witness counts */
    int parts;      /* there may be parts in the staging directory */
    /* this session's trees and objects */
    struct build *builds;
    size_t build_count, build_cap;
    struct object *objects;
    size_t object_count, object_cap;
    uint32_t *object_slots;
    size_t object_slot_count;
    /* what to remember: trees that came and that were there */
    struct noted *lines;
    size_t line_count, line_cap;
    struct known *known;  /* what earlier sets say of trees; NULL until asked */
    int not_to_remember;  /* something stands elsewhere than at its name, for a while */
    struct digest *found; /* the sets that were known */
    size_t found_count;
    /* the directory of the last file that was created */
    size_t last_build, last_dir;
    int last_fd;
    /* the last parent that was walked to, for names */
    char *parent;
    int parent_fd;
    int waiting_fd; /* where packages wait */
};

/* ---- store.c ---- */
struct object_index *store_index(struct store *s);
/* Does the file of an entry still hold what the index says? By its witness; where that
 * says nothing, by its digest. */
int store_still(struct store *s, struct index_entry *e);
/* A descriptor (borrowed, until the next call) of the directory that holds `name`, made
 * when missing. *leaf is its last component. */
int store_parent(struct store *s, const char *name, const char **leaf,
                 struct repx_err *err);
/* The tree stands, or will before the set is remembered. */
void store_note_tree(struct store *s, const struct store_tree *tree, ino_t ino);
void store_note_line(struct store *s, const char *line, ino_t ino);
uint32_t store_name_hash(const char *name);

/* ---- store_stage.c ---- */
/* Does S lie on another file system than B? Renames do not cross. */
int store_state_elsewhere(const struct store *s);
int store_stage(struct store *s, struct repx_err *err); /* make the staging directory */
void store_stage_close(struct store *s, int keep);
/* Calls each regular file that dead sessions left, with a descriptor of its directory (each
 * may be NULL). What they left belongs to this session then and goes with it, but not
 * earlier: a later phase may want other files of it. */
void store_stage_adopt(struct store *s,
                       void (*each)(struct store *s, int dir, const char *name,
                                    const struct stat *st));

/* ---- store_look.c ---- */
/* Objects that are missing: do they lie here under a name that is not in the index? */
void store_look(struct store *s);

/* ---- store_kept.c ---- */
/* The file at a name is about to be replaced: keep it for those who may want it again. */
void store_keep(struct store *s, const char *name);
/* A manifest is about to get its name, which others may take at once. */
void store_keep_coming(struct store *s, const struct build *b);

/* ---- store_stand.c ---- */
void store_stand_close(struct store *s);

/* ---- store_same.c ---- */
/* Does `name` below dir hold exactly this tree? 1 or 0. With `index` what was hashed
 * is noted there. */
int store_same(struct store *s, const struct store_tree *tree, int dir,
               const char *name, int index);
/* A tree that is not the same: note what its files hold that the index does not know. */
void store_same_learn(struct store *s, const struct store_tree *tree);
/* Hash a file and note what it holds; `path` is its name below B. */
void store_learn(struct store *s, int dir, const char *leaf, const char *path,
                 const struct stat *st);

/* ---- store_build.c ---- */
int store_build(struct store *s, struct store_tree *tree, uint64_t *lacks,
                struct repx_err *err);
/* Put content that lies in a file (perhaps with the other mode) where it is wanted. 1, 0
 * when the file is not that, -1. */
int store_deliver(struct store *s, struct object *o, int dir, const char *path,
                  struct repx_err *err);
/* Ask the index once more for an object. 1: it is here now, 0, -1. */
int store_refill(struct store *s, struct object *o, struct repx_err *err);
/* The object's first place was filled: fill the others, finish trees. */
int store_spread(struct store *s, struct object *o, struct repx_err *err);
/* Descriptor (cached) and leaf for creating an item of a tree that is being built. */
int store_item_dir(struct store *s, const struct wanted_at *w, const char **leaf,
                   struct repx_err *err);
mode_t store_mode(uint8_t executable);

/* ---- store_object.c ---- */
struct object *store_object_find(struct store *s, const struct digest *d,
                                 uint8_t executable);
struct object *store_object_add(struct store *s, const struct store_item *item);
void store_object_want(struct object *o, size_t build, size_t item);
/* The i-th place where it is wanted. */
const struct wanted_at *store_object_at(const struct object *o, size_t i);

/* ---- store_commit.c ---- */
int store_commit(struct store *s, struct build *b, struct repx_err *err);
/* Move something into the staging directory, with which it goes. Its name there (caller
 * frees), or NULL. */
char *store_aside(struct store *s, int dir, const char *name, struct repx_err *err);

/* ---- store_package.c ---- */
/* A package that stands at its name gets its link in S/pkg: 0, -1; or 1 when it lies there
 * itself: perhaps another has taken the name by now. Of other trees nothing is done. */
int package_link(struct store *s, const struct store_tree *tree, struct repx_err *err);
/* Before a name that is free is taken: links in S/pkg to it must not lead to what comes. */
void package_forget_gone(struct store *s, const char *name);
/* Put the package `from` at its name, where another one is. 0 it stands there, 1 it has to
 * wait (package_park), -1. */
int package_replace(struct store *s, int from_dir, const char *from,
                    const struct store_tree *tree, struct repx_err *err);
/* The package stays in S/pkg under its digest. */
int package_park(struct store *s, const struct build *b, struct repx_err *err);
/* Is the package in S/pkg? Then 1, moved to its name when nobody works there now; *parked
 * tells which. */
int package_waits(struct store *s, const struct store_tree *tree, int *parked,
                  struct repx_err *err);

#endif
