/* SPDX-License-Identifier: MIT */
/* What a definition may say, and what is told about one that is wrong. */
#include <stdlib.h>
#include <string.h>

#include "core/labpack/def.h"
#include "tap.h"

#define RUN "[run r]\nstages = s\n"
#define STAGE "[stage s]\nscript = s.sh\n"
#define OUT "output.o = $out/o\n"
#define SG                                                              \
    "[stage s]\ntype = scatter-gather\nscatter = a.sh\ngather = b.sh\n" \
    "step.x = x.sh\nstep.x.output.o = $out/o\n"

static const struct {
    const char *text;
    const char *says; /* part of the message; NULL: it is right */
} cases[] = {
    {RUN STAGE, NULL},
    {RUN STAGE "param.a = 1, 2.5, -3e-2, true, word, \"two words\"\n", NULL},
    {RUN STAGE "param.a = 1,\n  2,\n  3\n", NULL},
    {RUN STAGE
     "mem = 2G ; comment\ncpus = 4\ntime = 01:00:00\nsbatch_opts = --a, \"--b=1 2\"\n",
     NULL},
    {RUN SG, NULL},
    {RUN SG "step.y = y.sh\nstep.y.input.o = x.o\nstep.y.output.p = $out/p\n", NULL},
    {RUN STAGE "input.b = base\ninput.m = run:r\n", NULL},
    {RUN STAGE "[group g]\nruns = r\n[host-tools]\nsh = /bin/busybox\n", NULL},
    {"", "lab.ini: needs a [run NAME]"},
    {STAGE, "needs a [run NAME]"},
    {"[run r]\nimage = x.tar\n", "lab.ini:2: run r names no stages"},
    {"[run pending]\nstages = s\n" STAGE, "cannot be called pending"},
    {RUN, "lab.ini:2: run r: there is no [stage s]"},
    {RUN "[stage s]\nmem = 1G\n", "needs script = PATH"},
    {RUN "[stage s]\nscript = ../s.sh\n", "a path below the definition"},
    {RUN "[stage s]\nscript = /s.sh\n", "a path below the definition"},
    {RUN STAGE "files = a/../../b\n", "does not lie below"},
    {RUN STAGE "speed = 3\n", "lab.ini:5: a [stage] knows no speed"},
    {RUN STAGE "param.a = 1\nparam.a = 2\n",
     "lab.ini:6: param.a is set twice, first in line 5"},
    {RUN STAGE "param.a = 1\n param.b = 2\n", "a key must start in the first column"},
    {RUN STAGE "param.a = 1\n  2\n",
     "a comma is missing, or the text needs double quotes: \"1 2\""},
    {RUN STAGE "param.a = 1,,2\n", "an empty item in a list"},
    {RUN STAGE "param.a = 1,\n", "nothing comes after the last comma"},
    {RUN STAGE "param.a = \"x\n", "is not closed"},
    {RUN STAGE "param.a = \"x\" y\n", "a comma is missing before \"y\""},
    {RUN STAGE "param.a = \"\\x\"\n", "after \\ comes one of"},
    {RUN STAGE "param.a = 007\n", "007 is no number as JSON writes them"},
    {RUN STAGE "param.a = .5\n", "is no number"},
    {RUN STAGE "param.a = null\n", "is no number"},
    {RUN STAGE "param.a = 5..1\n", "must go up"},
    {RUN STAGE "param.a = 1..9999999999\n", "less than 1000000 values"},
    {RUN STAGE "param.a b = 1\n", "is no name for a parameter"},
    {RUN STAGE "param.a = \xff\n", "is not UTF-8"},
    {RUN STAGE "zip = a\n", "there is no param.a"},
    {RUN STAGE "param.a = 1\nzip.1 = a\nzip.2 = a\n", "a parameter is in two zips"},
    {RUN STAGE "cpus = 0\n", "cpus is a number from 1"},
    {RUN STAGE "mem = 1 G\n", "mem holds a blank"},
    {RUN STAGE "sbatch_opts = \"--a\\n--b\"\n", "cannot stand in a batch script"},
    {RUN STAGE "output.o = o\n", "an output is $out or a path below it"},
    {RUN STAGE "output.o = $out/../o\n", "an output is $out or a path below it"},
    {RUN STAGE "output.o = $out/a/..\n", "an output is $out or a path below it"},
    {RUN STAGE "input.i = x.o\n", "lab.ini:5: input.i: there is no [stage x]"},
    {RUN STAGE "input.i = s.o\n", "a stage cannot read its own output"},
    {RUN STAGE "input.i__0 = base\n", "are names that inputs get by themselves"},
    {RUN STAGE "input.worker__outs = base\n",
     "are names that inputs get by themselves"},
    {RUN STAGE "input.store__base = base\ninput.x2 = base\n", NULL},
    {RUN STAGE "input.i = x\n", "does not name an output"},
    {RUN STAGE "input.i = x.o over\n", "is not understood"},
    {RUN STAGE "input.i = run:other\n", "there is no [run other]"},
    {RUN STAGE "input.i = t.o\n[stage t]\nscript = t\n", "stage t has no output.o"},
    {RUN STAGE OUT "input.i = t.o\n[stage t]\nscript = t\n" OUT "input.i = s.o\n",
     "needs its own result"},
    {RUN STAGE "type = worker\n", "type is simple or scatter-gather"},
    {RUN STAGE "version = a/b\n", "is no version"},
    {RUN STAGE "step.x = x.sh\n", "need type = scatter-gather"},
    {RUN "[stage s]\ntype = scatter-gather\nscatter = a\ngather = b\n",
     "needs step.NAME"},
    {RUN "[stage s]\ntype = scatter-gather\nscatter = a\nstep.x = x\n",
     "needs scatter and gather"},
    {RUN SG "script = s.sh\n", "has no script"},
    {RUN SG "step.y = y.sh\n", "several steps are last"},
    {RUN SG "step.x.output.p = $out/p\n", "must have exactly one output"},
    {RUN SG "step.y = y.sh\nstep.y.after = z\n", "there is no step.z"},
    {RUN SG "step.y = y.sh\nstep.y.input.i = x.q\n", "step x has no output.q"},
    {RUN SG "step.x.after = y\nstep.y = y.sh\nstep.y.after = x\n",
     "the steps form a cycle"},
    {RUN SG "step.x.input.i = job\n", "the stage has no input.i"},
    {RUN SG "step.x.speed = 1\n", "knows no step.x.speed"},
    {RUN STAGE "[group g]\nruns = q\n", "lab.ini:6: group g: there is no [run q]"},
    {RUN STAGE "[group g]\nstages = q\n", "a [group] knows runs"},
    {RUN "param.s.a = 1\n" STAGE, "stage s has no param.a"},
    {RUN "param.q.a = 1\n" STAGE, "there is no [stage q]"},
    {RUN STAGE "[lab]\ncolour = red\n", "[lab] knows name and version"},
    {RUN STAGE "[host-tools]\na/b = c\n", "is no name for a program"},
    {RUN STAGE "[jobs]\na = b\n", "lab.ini:6: [jobs] is unknown"},
    {RUN STAGE "[stage]\na = b\n", "[stage] is unknown"},
    {RUN STAGE "[stage a.b]\nscript = b\n", "is no name for stage"},
    {RUN STAGE "nonsense\n", "lab.ini:5: neither a [section] nor name = value"},
};

static void definitions_are_taken_or_refused(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct def d;
        struct repx_err err = {0};
        int rc = def_read(&d, "lab.ini", cases[i].text, strlen(cases[i].text), &err);
        int good = cases[i].says ? rc < 0 && err.code == REPX_E_USAGE &&
                                       strstr(err.text, cases[i].says) != NULL
                                 : rc == 0;
        ok(good, "%s", cases[i].says ? cases[i].says : "is right");
        if (!good)
            printf("# case %zu says: %s\n", i, rc < 0 ? err.text : "(nothing)");
        if (rc == 0)
            def_free(&d);
    }
}

static const struct {
    const char *text, *json;
} values[] = {
    {"1, 2.50, -3e-2", "1|2.50|-3e-2"},
    {"true, false, yes", "true|false|\"yes\""},
    {"\"1\", \"a, b\", \"q\\\"\\\\\\n\"", "\"1\"|\"a, b\"|\"q\\\"\\\\\\n\""},
    {"1..4", "1|2|3|4"},
    {"-4..8..6", "-4|2|8"},
    {"0..1, 7", "0|1|7"},
    {"a-b, c.d/e", "\"a-b\"|\"c.d/e\""},
    {"1.2.3", NULL},
    {"\xc3\xa9t\xc3\xa9", "\"\xc3\xa9t\xc3\xa9\""},
};

static void values_keep_their_type(void)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct def d;
        struct repx_err err = {0};
        char text[300], got[300] = "";
        (void)snprintf(text, sizeof(text), RUN STAGE "param.p = %s\n", values[i].text);
        if (def_read(&d, "lab.ini", text, strlen(text), &err) < 0) {
            ok(!values[i].json, "%s is refused", values[i].text);
            continue;
        }
        const struct def_param *p = &d.stages[0].params[0];
        for (size_t k = 0; k < p->count; k++) {
            size_t n = strlen(got);
            (void)snprintf(got + n, sizeof(got) - n, "%s%s", k ? "|" : "",
                           p->values[k]);
        }
        is(got, values[i].json, values[i].text);
        def_free(&d);
    }
}

int main(void)
{
    definitions_are_taken_or_refused();
    values_keep_their_type();
    return tap_end();
}
