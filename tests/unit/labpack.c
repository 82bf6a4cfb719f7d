/* SPDX-License-Identifier: MIT */
/* Packed Labs: names of jobs, sweeps, reductions, what replaces what. */
#include "labpack_scratch.h"
#include "tap.h"

#include "core/json/json.h"
#include "core/labpack/labpack.h"
#include "core/wire/digest.h"

static const char sweep[] =
    "[run r]\nstages = table\n"
    "[stage sim]\nscript = sim.sh\nparam.a = 1, 2\nparam.b = x\n"
    "output.o = $out/o\n"
    "[stage table]\nscript = table.sh\ninput.rows = sim.o over *\n"
    "output.t = $out/t\n";

static struct lab_pack_report report;
static struct repx_err err;

/* Pack this text to `out`; 0 or -1 with `err`. */
static int pack(const char *text, const char *out)
{
    put("def/lab.ini", text);
    err = (struct repx_err){0};
    return lab_pack("def", out, &report, &err);
}

static struct json *run_metadata(const char *out, const char *run)
{
    REPX_AUTO_FREE char *path = repx_format("%s/revision/metadata-%s.json", out, run);
    REPX_AUTO_FREE char *text = get(path);

    return json_parse(text, strlen(text), NULL);
}

/* The ids of the run's jobs of a stage whose parameters are exactly `params`, joined by
 * blanks. Caller frees. */
static char *ids(const char *out, const char *run, const char *stage,
                 const char *params)
{
    struct json *root = run_metadata(out, run);
    struct repx_buf found = {0};
    REPX_AUTO_FREE char *part = repx_format("-%s-", stage);

    for (const struct json *j = json_first(json_get(root, "jobs")); j;
         j = json_next(j)) {
        struct repx_buf text = {0};
        json_put_value(&text, json_get(j, "params"), 0);
        if (strstr(json_key(j), part) &&
            (!params || strcmp(params, repx_buf_text(&text)) == 0))
            repx_buf_fmt(&found, "%s%s", found.len ? " " : "", json_key(j));
        repx_buf_free(&text);
    }
    json_free(root);
    return repx_buf_detach(&found);
}

static size_t words(const char *s)
{
    size_t n = *s != 0;

    for (; *s; s++)
        n += *s == ' ';
    return n;
}

/* These are for ever: a result is found again by its job's id. */
static void ids_are_golden(void)
{
    ok(pack(sweep, "golden") == 0, "packs: %s", err.text);
    REPX_AUTO_FREE char *one = ids("golden", "r", "sim", "{\"a\":1,\"b\":\"x\"}");
    REPX_AUTO_FREE char *two = ids("golden", "r", "sim", "{\"a\":2,\"b\":\"x\"}");
    REPX_AUTO_FREE char *table = ids("golden", "r", "table", NULL);
    is(one, "vxrj1mb0543ls06p1yww95xym9mh5yzz-sim-1.0", "a job with a = 1");
    is(two, "3r0sz2b0gc2z6chsp8zq70a54jr77vsm-sim-1.0", "a job with a = 2");
    is(table, "3afxxmbwva2jnjmrai9r83al3rzc67f3-table-1.0",
       "the job that reduces them");
}

static void ids_of_every_kind_of_line_are_golden(void)
{
    static const char text[] =
        "[run r]\nstages = s\n[stage p]\nscript = s\nparam.z = \"q \\\"1\\\" "
        "\xc3\xa9\"\noutput.o = $out/o\n"
        "[stage s]\nversion = 2.1\ntype = scatter-gather\nscatter = s\ngather = s\n"
        "files = s\ninherit = z\ninput.i = p.o\ninput.store__base = base\n"
        "input.m = run:r\nstep.x = s\nstep.x.input.i = job\nstep.x.output.v = $out/v\n"
        "step.y = s\nstep.y.input.v = x.v\nstep.y.output.w = $out/w\n";

    ok(pack(text, "golden2") == 0, "packs: %s", err.text);
    REPX_AUTO_FREE char *p = ids("golden2", "r", "p", NULL);
    REPX_AUTO_FREE char *s = ids("golden2", "r", "s", NULL);
    is(p, "vdjrji3azndckcvzlk3ib8fjw6zsklpg-p-1.0", "a text with quotes and an accent");
    is(s, "ci557gaxr77vbiq92rawvzm3avz79srq-s-2.1",
       "scatter-gather, files, base, run, inherited");
}

static void a_new_value_changes_no_other_id(void)
{
    const char *at = strstr(sweep, "1, 2"); /* 2 stays, 31 is new */
    REPX_AUTO_FREE char *more =
        repx_format("%.*s2,31%s", (int)(at - sweep), sweep, at + strlen("1, 2"));

    ok(pack(sweep, "before") == 0 && pack(more, "after") == 0, "packs both");
    REPX_AUTO_FREE char *old = ids("before", "r", "sim", "{\"a\":2,\"b\":\"x\"}");
    REPX_AUTO_FREE char *new = ids("after", "r", "sim", "{\"a\":2,\"b\":\"x\"}");
    REPX_AUTO_FREE char *table = ids("before", "r", "table", NULL);
    REPX_AUTO_FREE char *other = ids("after", "r", "table", NULL);
    is(new, old, "a = 2 keeps its id");
    ok(*table && strcmp(table, other) != 0, "the reduction over them is another job");
}

static void what_does_not_enter_an_id(void)
{
    static const char same[] =
        "# a comment\n[stage table]\ninput.rows = sim.o over *\nscript = table.sh\n"
        "output.t = $out/t\noutput.more = $out/more\nmem = 4G\n"
        "[stage sim]\ncpus = 3\noutput.o = $out/o\nparam.b = x\nparam.a = 2, 1\n"
        "script = sim.sh\nsbatch_opts = --exclusive\n[run other]\nstages = sim, table\n"
        "[run r]\nstages = table\n[lab]\nversion = 7\nname = else\n";

    ok(pack(sweep, "plain") == 0 && pack(same, "order") == 0, "packs both: %s",
       err.text);
    REPX_AUTO_FREE char *a = ids("plain", "r", "sim", "{\"a\":1,\"b\":\"x\"}");
    REPX_AUTO_FREE char *b = ids("order", "r", "sim", "{\"a\":1,\"b\":\"x\"}");
    REPX_AUTO_FREE char *c = ids("plain", "r", "table", NULL);
    REPX_AUTO_FREE char *d = ids("order", "r", "table", NULL);
    REPX_AUTO_FREE char *e = ids("order", "other", "table", NULL);
    is(b, a, "order, comments, resources, outputs and the Lab's version do not enter");
    is(d, c, "nor for a reduction");
    is(e, c, "nor the run");
    ok(report.jobs == 3, "a job in two runs is one job");
}

static void what_enters_an_id(void)
{
    static const struct {
        const char *from, *to, *what;
    } changes[] = {
        {"b = x", "b = y", "a value"},
        {"b = x", "c = x", "a parameter's name"},
        {"b = x", "b = 1", "a value's type"},
        {"script = sim.sh", "script = sin.sh", "a script"},
        {"[stage sim]\n", "[stage sim]\nversion = 2\n", "the version"},
        {"[stage sim]\n", "[stage sim]\nfiles = data\n", "an extra file"},
    };

    put("def/sin.sh", "#!/bin/sh\n# other\n");
    put("def/data", "1 2 3\n");
    ok(pack(sweep, "from") == 0, "packs");
    REPX_AUTO_FREE char *old = ids("from", "r", "table", NULL);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *at = strstr(sweep, changes[i].from);
        REPX_AUTO_FREE char *text =
            repx_format("%.*s%s%s", (int)(at - sweep), sweep, changes[i].to,
                        at + strlen(changes[i].from));
        ok(pack(text, "to") == 0, "packs: %s", err.text);
        REPX_AUTO_FREE char *new = ids("to", "r", "table", NULL);
        ok(strcmp(old, new) != 0, "%s changes the id of what depends on it",
           changes[i].what);
    }
}

static const struct {
    const char *text; /* stages; the run is all of stage last */
    const char *stage;
    size_t count;
    const char *says; /* message when it is refused */
} shapes[] = {
    {"[stage last]\nscript = s\nparam.a = 1..3\nparam.b = x, y\n", "last", 6, NULL},
    {"[stage last]\nscript = s\nparam.a = 1..3\nparam.b = x, y, z\nzip = a, b\n",
     "last", 3, NULL},
    {"[stage last]\nscript = s\nparam.a = 1, 1\n", "last", 0, "stands twice"},
    {"[stage last]\nscript = s\nparam.a = 1, 1\nparam.b = 2, 3\nzip = a b\n", "last", 2,
     NULL},
    {"[stage last]\nscript = s\nparam.a = 1..3\nparam.b = x, y\nzip = a, b\n", "last",
     0, "must have as many"},
    /* a producer's coordinates are inherited */
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\nparam.b = x, y\n",
     "last", 6, NULL},
    /* two producers that share a parameter are joined on it */
    {"[stage p]\nscript = s\nparam.a = 1..3\nparam.c = 7, 8\noutput.o = $out/o\n"
     "[stage q]\nscript = s\nparam.a = 2..4\nparam.d = 5, 6\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\ninput.j = q.o\n",
     "last", 8, NULL},
    /* an own parameter of the same name chooses */
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\nparam.a = 2, 3\n",
     "last", 2, NULL},
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\nparam.a = 2, 4\n",
     "last", 0, "no jobs that fit together for a = 4"},
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage q]\nscript = s\nparam.a = 4..5\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\ninput.j = q.o\n",
     "last", 0, "no jobs that fit together"},
    /* the same producer twice is the same job */
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\noutput.q = $out/q\n"
     "[stage last]\nscript = s\ninput.i = p.o\ninput.j = p.q\n",
     "last", 3, NULL},
    /* reductions */
    {"[stage p]\nscript = s\nparam.a = 1..3\nparam.seed = 1..4\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o over seed\n",
     "last", 3, NULL},
    {"[stage p]\nscript = s\nparam.a = 1..3\nparam.seed = 1..4\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o over *\nparam.x = 1, 2\n",
     "last", 2, NULL},
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o over seed\n",
     "last", 0, "does not vary with seed"},
    {"[stage p]\nscript = s\nparam.a = 1..3\noutput.o = $out/o\n"
     "[stage last]\nscript = s\ninput.i = p.o\ninherit = a\n",
     "last", 3, NULL},
    {"[stage last]\nscript = s\ninherit = a\n", "last", 0, "no producer varies with a"},
    {"[stage last]\nscript = s\nparam.a = 1..1000\nparam.b = 1..1000\nparam.c = 1..2\n",
     "last", 0, "more than 1000000 combinations"},
};

static void shapes_have_their_number_of_jobs(void)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        REPX_AUTO_FREE char *text =
            repx_format("[run r]\nstages = last\n%s", shapes[i].text);
        int rc = pack(text, "shape");
        if (shapes[i].says) {
            ok(rc < 0 && strstr(err.text, shapes[i].says), "refused: %s", err.text);
            continue;
        }
        REPX_AUTO_FREE char *found = ids("shape", "r", shapes[i].stage, NULL);
        ok(rc == 0 && words(found) == shapes[i].count, "shape %zu has %zu jobs: %zu %s",
           i, shapes[i].count, words(found), err.text);
    }
}

static void reductions_are_numbered_in_order_of_values(void)
{
    static const char text[] =
        "[run r]\nstages = t\n[stage s]\nscript = s\nparam.a = 10, 9, 11, 1, 2, 3, 4, 5, "
        "6, 7, 8\noutput.o = $out/o\n[stage t]\nscript = s\ninput.i = s.o over *\n";
    struct repx_buf got = {0};

    ok(pack(text, "reduced") == 0, "packs: %s", err.text);
    struct json *root = run_metadata("reduced", "r");
    const struct json *jobs = json_get(root, "jobs");
    for (const struct json *j = json_first(jobs); j; j = json_next(j)) {
        const struct json *inputs =
            json_get(json_get(json_get(j, "executables"), "main"), "inputs");
        for (const struct json *in = json_first(inputs); in; in = json_next(in)) {
            const struct json *from =
                json_get(jobs, json_string(json_get(in, "job_id")));
            repx_buf_fmt(&got, "%s=%lld ", json_string(json_get(in, "target_input")),
                         (long long)json_get_int(json_get(from, "params"), "a", -1));
        }
    }
    is(repx_buf_text(&got),
       "i__00=1 i__01=2 i__02=3 i__03=4 i__04=5 i__05=6 i__06=7 i__07=8 i__08=9 "
       "i__09=10 i__10=11 ",
       "numbers are compared as numbers, and names sort like them");
    repx_buf_free(&got);
    json_free(root);
}

static void runs_may_choose_other_values(void)
{
    static const char text[] =
        "[run small]\nstages = s\nparam.s.a = 2\n"
        "[run big]\nstages = s\n[stage s]\nscript = s\n"
        "param.a = 1..5\n";

    ok(pack(text, "choice") == 0, "packs: %s", err.text);
    REPX_AUTO_FREE char *small = ids("choice", "small", "s", NULL);
    REPX_AUTO_FREE char *big = ids("choice", "big", "s", NULL);
    ok(words(small) == 1 && words(big) == 5 && strstr(big, small),
       "one job of five, with the same id");
}

static void the_manifest_tells_every_file(void)
{
    size_t wrong = 0, count = 0;

    ok(pack(sweep, "whole") == 0, "packs");
    REPX_AUTO_FREE char *text = get("whole/lab/lab-metadata.json");
    struct json *root = json_parse(text, strlen(text), NULL);
    for (const struct json *f = json_first(json_get(root, "files")); f;
         f = json_next(f)) {
        struct digest d;
        char hex[DIGEST_HEX];
        REPX_AUTO_FREE char *path =
            repx_format("whole/%s", json_string(json_get(f, "path")));
        REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        wrong += fd < 0 || digest_fd(fd, &d, NULL, &err) < 0;
        digest_hex(&d, hex);
        wrong += strcmp(hex, json_string(json_get(f, "sha256"))) != 0;
        count++;
    }
    ok(wrong == 0 && count + 1 == report.files, "all %zu files have their digests",
       count);
    is(json_string(json_get(root, "labId")), report.lab_id, "and the Lab its id");
    json_free(root);
    ok(system("cd whole && test \"$(find . -type f | wc -l)\" = "
              "\"$(($(grep -c '\"path\"' lab/lab-metadata.json) + 1))\"") == 0,
       "and no other file is there");
    ok(system(
           "test -x whole/jobs/*-table-1.0/bin/table && test -d whole/host-tools/*/bin") ==
           0,
       "scripts can be run, and host-tools/ is there");
    REPX_AUTO_FREE char *again = repx_strdup(report.lab_id);
    ok(pack(sweep, "whole2") == 0 && strcmp(again, report.lab_id) == 0,
       "packing again gives the same Lab");
}

static void only_our_own_labs_are_replaced(void)
{
    ok(pack(sweep, "place") == 0 && !report.replaced, "packs into nothing");
    put("place/mark", "");
    ok(pack(sweep, "place/") == 0 && report.replaced && !is_there("place/mark"),
       "and replaces its own, a slash at the end or not");
    ok(pack("[run r]\nstages = none\n", "place") < 0 && is_there("place/lab"),
       "a definition that is wrong leaves the old one");
    (void)unlink("def/sim.sh");
    ok(pack(sweep, "place") < 0 && strstr(err.text, "sim.sh") && is_there("place/lab"),
       "so does a script that is not there: %s", err.text);
    put("def/sim.sh", "#!/bin/sh\n");
    put("mine/diary", "dear");
    ok(pack(sweep, "mine") < 0 && err.code == REPX_E_USAGE && is_there("mine/diary"),
       "a directory of somebody's is left alone: %s", err.text);
    put("other/lab/lab-metadata.json", "{\"labId\":\"x\",\"files\":[]}");
    ok(pack(sweep, "other") < 0, "and so is a Lab of another maker");
    ok(symlink("place", "link") == 0 && pack(sweep, "link") < 0, "and a link");
    ok(system("ls -d ./*.tmp ./*.old >/dev/null 2>&1") != 0, "nothing is left beside");
}

static void links_do_not_lead_out(void)
{
    put("secret", "key");
    (void)unlink("def/sim.sh");
    ok(symlink("../secret", "def/sim.sh") == 0 && pack(sweep, "out") < 0 &&
           strstr(err.text, "outside the definition"),
       "a script that is a link out of the definition is refused: %s", err.text);
    (void)unlink("def/sim.sh");
    ok(symlink("s", "def/sim.sh") == 0 && pack(sweep, "in") == 0,
       "one inside is followed");
}

int main(void)
{
    if (scratch_begin() < 0)
        return 1;
    put("def/s", "#!/bin/sh\n");
    put("def/sim.sh", "#!/bin/sh\necho 1 >\"$1/o\"\n");
    put("def/table.sh", "#!/bin/sh\necho 2 >\"$1/t\"\n");
    ids_are_golden();
    ids_of_every_kind_of_line_are_golden();
    a_new_value_changes_no_other_id();
    what_does_not_enter_an_id();
    what_enters_an_id();
    shapes_have_their_number_of_jobs();
    reductions_are_numbered_in_order_of_values();
    runs_may_choose_other_values();
    the_manifest_tells_every_file();
    only_our_own_labs_are_replaced();
    links_do_not_lead_out();
    scratch_end();
    return tap_end();
}
