/* SPDX-License-Identifier: MIT */
/* What has not changed is not read again; what has changed always is. */
#include "tap.h"

#include "core/lab/source.h"

#include "lab_scratch.h"

#define HELLO "lab/jobs/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1/bin/hello"

/* Open, digest everything, remember; 1 when something had to be read. */
static int reads(const char *path, unsigned flags, int old, char hex[DIGEST_HEX])
{
    struct source s;
    struct repx_err err = {0};
    struct digest d;
    int rc = source_open(&s, path, flags, &err);

    if (old)
        s.since_ns = INT64_MAX; /* as if all had happened long ago */
    if (rc == 0)
        rc = source_digest(&s, NULL, 0, &err);
    ok(rc == 0, "%s is read: %s", path, err.text);
    int changed = s.changed;
    digest_tree(s.index.entries, s.index.count, &d);
    digest_hex(&d, hex);
    source_remember(&s, path);
    source_close(&s);
    return changed;
}

static const struct {
    const char *what, *command;
} changes[] = {
    {"same size, same mtime",
     "touch -r " HELLO " t && sed -i s/hello/hallo/ " HELLO " && touch -r t " HELLO},
    {"same size, in place", "printf X | dd of=" HELLO " conv=notrunc 2>/dev/null"},
    {"a file replaced by another", "cp " HELLO " n && echo >>n && mv n " HELLO},
    {"a new file", "echo >lab/jobs/new"},
    {"a new directory", "mkdir lab/store"},
    {"a file less", "rm lab/jobs/new"},
    {"a new link", "ln -s a lab/jobs/link"},
    {"another target", "ln -sfn b lab/jobs/link"},
    {"a link becomes a file", "rm lab/jobs/link && echo >lab/jobs/link"},
    {"executable", "chmod 755 lab/jobs/link"},
};

static void changes_are_noticed(void)
{
    char before[DIGEST_HEX], after[DIGEST_HEX], again[DIGEST_HEX];

    ok(reads("lab", 0, 1, before), "the first time all is read");
    ok(!reads("lab", 0, 1, after), "the second time nothing is");
    is(after, before, "and the digest is the same");
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        ok(sh("%s", changes[i].command) == 0, "%s", changes[i].what);
        ok(reads("lab", 0, 1, after), "is noticed");
        ok(strcmp(before, after) != 0, "and changes the digest");
        ok(!reads("lab", 0, 1, again), "and then is known");
        is(again, after, "as it is");
        memcpy(before, after, sizeof(before));
    }
}

static void archives_are_remembered(void)
{
    char before[DIGEST_HEX], after[DIGEST_HEX];

    ok(sh("tar -cf lab.tar lab") == 0, "an archive");
    ok(reads("lab.tar", 0, 1, before), "is read");
    ok(!reads("lab.tar", 0, 1, after), "once");
    is(after, before, "digest");
    ok(sh("touch -r lab.tar t && sed -i s/hallo/hullo/ lab.tar && touch -r t lab.tar") ==
           0,
       "it changes, with the same size and time");
    ok(reads("lab.tar", 0, 1, after), "and is read");
    ok(reads("lab.tar", LAB_NO_CACHE, 1, after), "and whenever that is asked for");
}

static void the_young_are_not_remembered(void)
{
    char hex[DIGEST_HEX];

    ok(sh("cp -a lab young && tar -cf young.tar lab") == 0, "made this moment");
    ok(reads("young", 0, 0, hex) && reads("young", 0, 0, hex),
       "a directory is read twice");
    ok(reads("young.tar", 0, 0, hex) && reads("young.tar", 0, 0, hex),
       "an archive too");
}

static const struct {
    const char *what, *command;
} damages[] = {
    {"cut off", "for f in repx/digests/*; do head -c 200 $f >n; mv n $f; done"},
    {"empty", "for f in repx/digests/*; do : >$f; done"},
    {"a flipped byte",
     "for f in repx/digests/*; do printf X | dd of=$f bs=1 seek=300 conv=notrunc "
     "2>/dev/null; done"},
    {"other digests",
     "for f in repx/digests/*; do for k in 0 1 2 3 4 5 6 7 8 9; do printf XYZ | dd of=$f "
     "bs=1 seek=$((165 + 104 * k)) conv=notrunc 2>/dev/null; done; done"},
    {"longer", "for f in repx/digests/*; do echo x >>$f; done"},
    {"noise", "for f in repx/digests/*; do head -c 9000 /dev/urandom >$f; done"},
    {"a directory", "for f in repx/digests/*; do rm $f; mkdir $f; done"},
};

static void a_damaged_cache_is_none(void)
{
    char before[DIGEST_HEX], after[DIGEST_HEX];

    (void)reads("lab", 0, 1, before);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        ok(sh("%s", damages[i].command) == 0, "%s", damages[i].what);
        ok(reads("lab", 0, 1, after), "all is read again");
        is(after, before, "with the same result");
    }
}

static void without_a_cache_it_works(void)
{
    char hex[DIGEST_HEX];

    put("blocked", "a file where a directory must be");
    REPX_AUTO_FREE char *path = repx_format("%s/blocked/x", scratch);
    ok(setenv("XDG_CACHE_HOME", path, 1) == 0, "no cache can be written");
    ok(reads("lab", 0, 1, hex) && reads("lab", 0, 1, hex),
       "then all is read each time");
    ok(unsetenv("XDG_CACHE_HOME") == 0 && setenv("HOME", scratch, 1) == 0,
       "by default");
    ok(reads("lab", 0, 1, hex) && !reads("lab", 0, 1, hex), "it is below HOME");
    ok(access(".cache/repx/digests", F_OK) == 0, "in .cache");
}

/* The Lab at path is read anew and remembered, and so what is of no use any more goes. */
static int files_after(const char *path, int *old)
{
    char hex[DIGEST_HEX];

    (void)reads(path, 0, 1, hex);
    *old = sh("ls \"$XDG_CACHE_HOME\"/repx/digests | grep -q '^0000'") == 0;
    return sh("test $(ls \"$XDG_CACHE_HOME\"/repx/digests | wc -l) -eq 1") == 0;
}

static void what_is_of_no_use_goes(void)
{
    int old;
    char hex[DIGEST_HEX];

    ok(sh("cp -r lab gone && rm -rf \"$XDG_CACHE_HOME\"/repx/digests") == 0, "a Lab");
    (void)reads("gone", 0, 1, hex);
    ok(sh("rm -r gone && echo >lab/jobs/newer && f=$(ls -d "
          "\"$XDG_CACHE_HOME\"/repx/digests/*) && cp $f "
          "${f%%/*}/00000000000000000000000000000000 && touch -d '61 days ago' "
          "${f%%/*}/0* && echo >${f%%/*}/.part.x && touch -d '2 days ago' "
          "${f%%/*}/.part.x") == 0,
       "is gone; another is old; something was cut off");
    ok(files_after("lab", &old) && !old, "only what is of use is left");
}

int main(void)
{
    scratch_begin();
    ok(sh("%s/broken/make.sh broken && cp -a broken/whole/lab lab", TEST_LABS) == 0,
       "Labs are made");
    changes_are_noticed();
    archives_are_remembered();
    the_young_are_not_remembered();
    what_is_of_no_use_goes();
    a_damaged_cache_is_none();
    without_a_cache_it_works();
    scratch_end();
    return tap_end();
}
