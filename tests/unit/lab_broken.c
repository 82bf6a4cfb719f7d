/* SPDX-License-Identifier: MIT */
/* Every broken Lab of tests/labs/broken is refused with the message beside it, quickly. */
#include <dirent.h>
#include <regex.h>
#include <time.h>

#include "tap.h"

#include "lab_scratch.h"

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void refuse(const char *kind, const char *path, const char *expect)
{
    struct repx_err err = {0};
    const struct repx_entry *entries;
    size_t count;
    regex_t regex;
    double start = now();
    struct lab *lab = lab_open(path, 0, &err);

    if (lab)
        (void)lab_entries(lab, &entries, &count, &err);
    double took = now() - start;
    ok(took < 1, "%s: takes less than a second (%.3f s)", kind, took);
    if (regcomp(&regex, expect, REG_EXTENDED | REG_NOSUB) != 0) {
        ok(0, "%s: bad expression %s", kind, expect);
    } else {
        ok(err.code == REPX_E_CORRUPT || err.code == REPX_E_NOENT, "%s: code %d", kind,
           (int)err.code);
        ok(regexec(&regex, err.text, 0, NULL, 0) == 0, "%s: %s", kind, err.text);
        ok(!strchr(err.text, '\n'), "%s: in one line", kind);
        regfree(&regex);
    }
    lab_close(lab);
}

static void accept(const char *kind, const char *path)
{
    struct repx_err err = {0};
    struct lab *lab = lab_open(path, 0, &err);

    ok(lab && lab->job_count == 3, "%s is read: %s", kind, err.text);
    lab_close(lab);
}

static int try_kind(const char *kind)
{
    REPX_AUTO_FREE char *dir = repx_format("broken/%s/lab", kind);
    REPX_AUTO_FREE char *tar = repx_format("broken/%s/lab.tar", kind);
    REPX_AUTO_FREE char *expect = repx_format("broken/%s/expect", kind);
    const char *path = access(tar, F_OK) == 0 ? tar : dir;
    struct repx_buf text = {0};

    if (repx_read_file(AT_FDCWD, expect, 4096, &text, NULL) < 0)
        return ok(0, "%s has an expectation", kind);
    if (text.len) {
        text.data[text.len - 1] = 0; /* the end of its line */
        refuse(kind, path, text.data);
    } else {
        accept(kind, path);
    }
    repx_buf_free(&text);
    return 1;
}

int main(void)
{
    int kinds = 0;

    scratch_begin();
    ok(sh("%s/broken/make.sh broken", TEST_LABS) == 0, "the Labs are made");
    DIR *d = opendir("broken");
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] != '.')
            kinds += try_kind(e->d_name);
    }
    if (d)
        (void)closedir(d);
    ok(kinds >= 60, "%d kinds", kinds);
    scratch_end();
    return tap_end();
}
