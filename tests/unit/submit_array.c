/* SPDX-License-Identifier: MIT */
/* Jobs of equal shape are one array, each of them known by its index. */
#define _DEFAULT_SOURCE
#include <dirent.h>

#include "tap.h"

#include "unit/submit_scratch.h"

#define RUN1 "20260101T000000Z-aaaaaaaa"
#define EVENTS RUN1 "/events/"

static struct repx_err err;

static int submit(struct scratch *s)
{
    struct repx_buf fields REPX_AUTO_BUF = {0};

    err = (struct repx_err){0};
    int rc = submit_run(&s->site, RUN1, 0, -1, &fields, &err);
    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

static size_t events(const struct scratch *s, const char *text)
{
    REPX_AUTO_FREE char *path =
        repx_format(".repx/runs/" RUN1 "/events/%s", s->site.host);

    return scratch_count(s, path, text);
}

static void prepare(struct scratch *s, const char *limits, size_t count,
                    const char *const *deps)
{
    scratch_open(s);
    scratch_put(s, "limits", limits, 0644);
    scratch_run(s, RUN1, "fake", count, deps);
}

static const struct {
    const char *what, *limits, *deps[8];
    size_t units, arrays, chained;
} shapes[] = {
    {"no limit is known", "", {"[]", "[]", "[]"}, 3, 0, 0},
    {"no arrays", "{\"v\":1,\"array_max\":0}\n", {"[]", "[]", "[]"}, 3, 0, 0},
    {"indices without ids", "{\"v\":1,\"array_max\":9}\n", {"[]", "[]", "[]"}, 3, 0, 0},
    {"independent",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[]", "[]"},
     1,
     1,
     0},
    {"a single job", "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n", {"[]"}, 1, 0, 0},
    {"a chain",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[0]", "[1]"},
     3,
     0,
     0},
    {"cut by index",
     "{\"v\":1,\"array_max\":2,\"index_ids\":1}\n",
     {"[]", "[]", "[]", "[]", "[]"},
     3,
     2,
     0},
    {"one to one",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[]", "[1]", "[0]"},
     2,
     2,
     1},
    {"one to one, with a reducer",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[]", "[0]", "[1]", "[2,3]"},
     3,
     2,
     1},
    {"fan out",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[0]", "[0]"},
     2,
     1,
     0},
    {"not all follow",
     "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n",
     {"[]", "[]", "[]", "[0]", "[1]"},
     3,
     1,
     0},
};

static void jobs_become_arrays(void)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct scratch s;
        size_t count = 0;
        while (count < 8 && shapes[i].deps[count])
            count++;
        prepare(&s, shapes[i].limits, count, shapes[i].deps);
        ok(submit(&s) == 0 && events(&s, "\"e\":\"submitted\"") == count,
           "%s: all jobs are submitted", shapes[i].what);
        ok(scratch_count(&s, "queue", "\n") == shapes[i].units, "%s: in %zu units",
           shapes[i].what, shapes[i].units);
        ok(scratch_count(&s, "requests", "\"array\":") == shapes[i].arrays &&
               scratch_count(&s, "requests", "\"corr\"") == shapes[i].chained,
           "%s: %zu arrays", shapes[i].what, shapes[i].arrays);
        scratch_close(&s);
    }
}

/* Jobs 2 and 3 follow 1 and 0: the second array is in the order of the first. */
static void tables(void)
{
    static const char *const deps[] = {"[]", "[]", "[1]", "[0]"};
    struct scratch s;
    char first[27], second[27], *run = NULL;
    size_t index;
    int64_t job = -1;

    prepare(&s, "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n", 4, deps);
    (void)submit(&s);
    submission_key(RUN1, "job-0", "main", 0, first);
    submission_key(RUN1, "job-3", "main", 0, second);
    ok(array_job(&s.site, first, 1, &job, &err) == 1 && job == 1, "index 1 is job 1");
    ok(array_job(&s.site, second, 0, &job, &err) == 1 && job == 3,
       "who follows index 0 is at index 0");
    ok(array_index(&s.site, second, 2) == 1, "and the other way round");
    ok(array_index(&s.site, second, 0) == -1, "a job that is not in it has no index");
    ok(array_job(&s.site, first, 2, &job, &err) < 0, "an index beyond the table");
    ok(live_get(&s.site, "job-2", &run, &index, first, NULL) == 1 && index == 2 &&
           strcmp(first, second) == 0,
       "each job's link names the array");
    free(run);
    submission_key(RUN1, "job-1", "main", 0, first);
    ok(array_job(&s.site, first, 0, &job, &err) == 0 &&
           array_index(&s.site, first, 1) == -1,
       "what is no array has no table");
    scratch_close(&s);
}

static void doubts(void)
{
    static const struct {
        const char *mode, *what;
        size_t submitted, refused, queued;
    } modes[] = {
        {"perhaps", "no answer, but it is there", 3, 0, 1},
        {"die", "the helper is killed after it asked", 3, 0, 1},
        {"lost", "no answer, and nothing there", 0, 3, 0},
        {"refused", "refused", 0, 3, 0},
    };
    static const char *const deps[] = {"[]", "[]", "[]"};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct scratch s;
        prepare(&s, "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n", 3, deps);
        scratch_put(&s, "mode", modes[i].mode, 0644);
        ok(submit(&s) == 0, "an array: %s", modes[i].what);
        ok(events(&s, "\"e\":\"submitted\"") == modes[i].submitted &&
               events(&s, "\"e\":\"refused\"") == modes[i].refused,
           "each job is told of");
        ok(submit(&s) == 0 && scratch_count(&s, "queue", "\n") == modes[i].queued,
           "and again: asked for once");
        scratch_close(&s);
    }
}

/* The submitter died before it wrote the answer down. */
static void adopted(void)
{
    static const char *const deps[] = {"[]", "[]", "[]"};
    struct scratch s;
    char key[27];

    prepare(&s, "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n", 3, deps);
    (void)submit(&s);
    submission_key(RUN1, "job-0", "main", 0, key);
    REPX_AUTO_FREE char *claim = repx_format("sub/%s/id", key);
    REPX_AUTO_FREE char *told = repx_format("runs/" EVENTS "%s", s.site.host);
    ok(unlinkat(s.site.state_fd, claim, 0) == 0 &&
           unlinkat(s.site.state_fd, told, 0) == 0,
       "no claim and no events are left");
    ok(submit(&s) == 0 && scratch_count(&s, "queue", "\n") == 1,
       "the array is found, not submitted again");
    REPX_AUTO_FREE char *last = repx_format("\"id\":\"f-%s_2\"", key);
    ok(events(&s, "\"e\":\"submitted\"") == 3 && events(&s, last) == 1,
       "and each job has its index again");
    scratch_close(&s);
}

/* Entries of S/sub. */
static size_t keys_there(const struct scratch *s)
{
    REPX_AUTO_FREE char *path = repx_format("%s/.repx/sub", s->base);
    DIR *d = opendir(path);
    size_t n = 0;

    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        n += e->d_name[0] != '.';
    if (d)
        (void)closedir(d);
    return n;
}

/* An array that is too large for the room there is. */
static void halved(void)
{
    static const char *const deps[] = {"[]", "[]", "[]", "[]", "[]", "[]", "[]"};
    struct scratch s;
    char key[27];
    int64_t job = -1;

    prepare(&s, "{\"v\":1,\"array_max\":9,\"index_ids\":1}\n", 7, deps);
    scratch_put(&s, "mode", "room2", 0644);
    ok(submit(&s) == 0 && events(&s, "\"e\":\"submitted\"") == 7 &&
           events(&s, "\"e\":\"refused\"") == 0,
       "an array without room is halved until there is");
    ok(scratch_count(&s, "queue", "\n") == 4, "1 + 2, 2 + 2");
    ok(keys_there(&s) == 4, "what found no room leaves nothing behind (%zu keys)",
       keys_there(&s));
    submission_key(RUN1, "job-0", "main", 0, key);
    ok(scratch_count(&s, "queue", key) == 1, "and its key is used by the next try");
    submission_key(RUN1, "job-5", "main", 0, key);
    ok(array_job(&s.site, key, 1, &job, &err) == 1 && job == 6,
       "the last half has a table of its own");
    REPX_AUTO_FREE char *learned = scratch_text(&s, ".repx/limits.fake");
    ok(strstr(learned, "\"refused\":{\"n\":3,"),
       "what was refused with nothing else queued is remembered: %s", learned);
    scratch_close(&s);
}

int main(void)
{
    jobs_become_arrays();
    tables();
    doubts();
    adopted();
    halved();
    return tap_end();
}
