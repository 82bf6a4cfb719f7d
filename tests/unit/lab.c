/* SPDX-License-Identifier: MIT */
/* What a Lab says is what struct lab says, whichever form it comes in. */
#include "tap.h"

#include "lab_scratch.h"

#define A "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-hello-1.1"
#define B "1a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-count-1.1"
#define S "2a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-many-1.1"

static struct lab *open_lab(const char *path)
{
    struct repx_err err = {0};
    struct lab *lab = lab_open(path, 0, &err);

    ok(lab != NULL, "%s is read: %s", path, err.text);
    return lab;
}

static void fields_are_as_in_the_files(const char *path)
{
    struct lab *lab = open_lab(path);

    if (!lab)
        return;
    const struct lab_job *a = lab_job_find(lab, A), *b = lab_job_find(lab, B);
    const struct lab_job *s = lab_job_find(lab, S);
    is(lab->id, "k3v9q0c1m2n4p5r6s7w8x9y0z1a2b3c4", "id");
    is(lab->version, "1", "version");
    is(lab->repx_version, "0.5.0", "repx_version");
    is(lab->git_hash, "none", "git hash");
    is(lab->manifest, "lab/lab-metadata.json", "manifest");
    is(lab->host_tools, "tools", "host tools");
    ok(!lab->warning, "nothing to warn of");
    ok(lab->job_count == 3 && a == lab->jobs && b == a + 1 && s == b + 1, "jobs by id");
    ok(!lab_job_find(lab, "none") && !lab_run_find(lab, "none"), "and no other");
    is(a->name, "hello-1.1", "name");
    ok(!b->name, "no name");
    is(a->params, "{\"n\":3}", "params");
    ok(a->type == LAB_SIMPLE && s->type == LAB_SCATTER_GATHER, "types");
    ok(!a->hints && b->hints && b->hints->cpus == 1, "hints");
    is(b->hints->mem, "1G", "memory");
    ok(!b->hints->time && b->hints->sbatch_opt_count == 0, "unset is NULL");
    ok(a->dep_count == 0 && b->dep_count == 1 && b->deps[0] == 0, "deps");
    is(s->sink, "two", "sink");
    const struct lab_exe *main_exe = lab_exe_find(b, "main");
    is(main_exe->path, "jobs/" B "/bin/count", "path");
    ok(main_exe->input_count == 1, "one input");
    is(main_exe->inputs[0].job_id, A, "producer");
    is(main_exe->inputs[0].source_output, "txt", "its output");
    is(main_exe->inputs[0].type, "intra-pipeline", "type");
    ok(!main_exe->inputs[0].source_run, "no run");
    ok(lab_exe_find(a, "main")->output_count == 2, "two outputs");
    is(lab_exe_find(a, "main")->outputs[0].value, "$out/h.txt", "template");
    ok(!lab_exe_find(a, "main")->outputs[1].value, "no template");
    is(lab_exe_find(s, "step-two")->deps[0], "one", "step deps");
    const struct lab_run *run = lab_run_find(lab, "r1");
    ok(run && run->job_count == 3 && run->jobs[2] == 2, "run");
    is(run->image, "images/base", "image");
    is(run->file, "revision/metadata-r1.json", "file");
    ok(lab->group_count == 1 && lab->groups[0].run_count == 1, "group");
    is(lab->groups[0].runs[0], "r1", "its run");
    lab_close(lab);
}

static void entries_are_sorted_and_readable(const char *path)
{
    struct lab *lab = open_lab(path);
    const struct repx_entry *entries = NULL;
    size_t count = 0;
    struct repx_err err = {0};
    int sorted = 1, found = 0;

    if (!lab)
        return;
    ok(lab_entries(lab, &entries, &count, &err) == 0, "entries: %s", err.text);
    for (size_t i = 0; i < count; i++) {
        char text[64] = "";
        sorted &= i == 0 || strcmp(entries[i - 1].path, entries[i].path) < 0;
        if (strcmp(entries[i].path, "jobs/" A "/bin/hello") != 0)
            continue;
        found = 1;
        ok(entries[i].kind == REPX_ENTRY_FILE && entries[i].executable, "a script");
        ok(lab_read(lab, i, 0, text, sizeof(text) - 1, &err) ==
               (int64_t)entries[i].length,
           "read whole");
        is(text, "#!/bin/sh\nset -e\necho hello\n", "content");
        ok(lab_read(lab, i, 10, text, 3, &err) == 3 && memcmp(text, "set", 3) == 0,
           "from the middle");
        ok(lab_read(lab, i, entries[i].length, text, 3, &err) == 0, "end");
        ok(lab_read(lab, i, entries[i].length + 9, text, 3, &err) == 0, "beyond");
    }
    ok(sorted && found, "sorted by path");
    ok(lab_read(lab, count, 0, NULL, 0, &err) < 0, "no such entry");
    lab_close(lab);
}

static void digest_of_lab(const char *path, char hex[DIGEST_HEX],
                          char package[DIGEST_HEX])
{
    struct lab *lab = open_lab(path);
    struct repx_err err = {0};
    struct digest d;

    hex[0] = package[0] = 0;
    if (lab && lab_digest(lab, &d, &err) == 0)
        digest_hex(&d, hex);
    if (lab && lab_package_digest(lab, A, &d, &err) == 0)
        digest_hex(&d, package);
    ok(hex[0] && package[0], "%s has a digest: %s", path, err.text);
    ok(!lab || lab_package_digest(lab, "none", &d, &err) < 0, "no such package");
    lab_close(lab);
}

static const struct {
    const char *what, *command;
} archives[] = {
    {"gnu, one directory", "cd broken/whole && tar --format=gnu -cf ../../t.tar lab"},
    {"pax", "cd broken/whole && tar --format=pax -cf ../../t.tar lab"},
    {"ustar", "cd broken/whole && tar --format=ustar -cf ../../t.tar lab"},
    {"v7", "cd broken/whole && tar --format=v7 -cf ../../t.tar lab"},
    {"without a prefix", "cd broken/whole/lab && tar -cf ../../../t.tar *"},
    {"./", "cd broken/whole/lab && tar -cf ../../../t.tar ."},
    {"nested prefix", "tar -cf t.tar broken/whole/lab"},
    {"lab in the directory's name",
     "rm -rf hpc-lab && cp -a broken/whole/lab hpc-lab && tar -cf t.tar hpc-lab"},
    {"a directory called lab in one called lab",
     "rm -rf x && mkdir -p x/lab && cp -a broken/whole/lab x/lab/lab && cd x && tar -cf "
     "../t.tar lab"},
    {"only files",
     "cd broken/whole && find lab -type f | sort -r >../../list && tar "
     "--no-recursion -T ../../list -cf ../../t.tar && tar -rf ../../t.tar "
     "lab/host-tools/tools/bin"},
    {"files twice, the first ones wrong",
     "rm -rf x && mkdir x && cp -a broken/whole/lab x/lab && cd x && find lab -type f "
     "| while read -r f; do echo bad >$f; done && tar -cf ../t.tar lab && cd "
     "../broken/whole && tar -rf ../../t.tar lab"},
    {"a long prefix",
     "rm -rf y && p=y/$(printf '%0150d/%0150d' 1 2) && mkdir -p $p && cp -a "
     "broken/whole/lab $p/lab && tar --format=gnu -cf t.tar y"},
    {"a long prefix in pax",
     "rm -rf y && p=y/$(printf '%0150d/%0150d' 1 2) && mkdir -p $p && cp -a "
     "broken/whole/lab $p/lab && tar --format=pax -cf t.tar y"},
};

static void all_forms_are_equal(void)
{
    char dir[DIGEST_HEX], package[DIGEST_HEX], tar[DIGEST_HEX], tar_package[DIGEST_HEX];

    digest_of_lab("broken/whole/lab", dir, package);
    for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++) {
        ok(sh("%s", archives[i].command) == 0, "%s", archives[i].what);
        digest_of_lab("t.tar", tar, tar_package);
        is(tar, dir, "equal as a tree");
        is(tar_package, package, "and in its packages");
    }
    ok(symlink("broken/whole/lab", "result") == 0, "link to a Lab");
    digest_of_lab("result", tar, tar_package);
    is(tar, dir, "the Lab's own path may be a link");
}

static void a_job_may_hold_a_lab(void)
{
    ok(sh("rm -rf x && cp -a broken/whole/lab x && mkdir -p x/jobs/0/lab && echo nonsense "
          ">x/jobs/0/lab/lab-metadata.json && tar --sort=name -cf t.tar x") == 0,
       "a Lab inside comes first in the archive");
    struct lab *lab = open_lab("t.tar");
    is(lab ? lab->manifest : NULL, "lab/lab-metadata.json", "the outer one is read");
    lab_close(lab);
}

static void wide_labs_are_made(void)
{
    ok(sh("%s/wide.sh 100 wide", TEST_LABS) == 0, "wide.sh makes a Lab");
    struct lab *lab = open_lab("wide");
    ok(lab && lab->job_count == 100 && lab->runs[0].job_count == 100, "of 100 jobs");
    ok(lab && strlen(lab->jobs[0].id) == 32 + strlen("-echo-1.1"), "with real ids");
    ok(!lab || lab->jobs[0].dep_count == 0, "that need nothing");
    lab_close(lab);
}

static void oldest_labs_are_read(void)
{
    put("old/lab/abc-lab-metadata.json",
        "{\"labId\":\"old\",\"metadata\":\"revision/abc-metadata.json\"}");
    put("old/revision/abc-metadata.json",
        "{\"schema_version\":1,\"runs\":[\"./revision//r.json\"]}");
    put("old/revision/r.json",
        "{\"name\":\"r\",\"image\":\"image/r.tar.gz\",\"jobs\":{\"j\":{\"executables\":{"
        "\"main\":{\"path\":\"jobs/j/bin/j\"}},\"params\":{\"a\": [1.50, 1e3] }}}}");
    put("old/image/r.tar.gz", "x");
    put("old/jobs/j/bin/j", "x");
    struct lab *lab = open_lab("old");
    if (!lab)
        return;
    is(lab->version, "", "no version");
    is(lab->repx_version, "1", "schema_version in its place");
    is(lab->git_hash, "", "no git hash");
    is(lab->manifest, "lab/abc-lab-metadata.json", "manifest with a hash in front");
    is(lab->runs[0].image, "image/r.tar.gz", "an archive as image");
    is(lab->runs[0].file, "revision/r.json", "paths are cleaned");
    is(lab->jobs[0].params, "{\"a\":[1.50,1e3]}", "numbers stay as they are");
    ok(!lab->host_tools, "no host tools");
    ok(lab->warning && strstr(lab->warning, "no digests"), "warned of");
    lab_close(lab);
}

static void later_definitions_win(void)
{
    put("twice/lab/lab-metadata.json",
        "{\"labId\":\"l\",\"lab_version\":\"\",\"metadata\":\"m.json\",\"files\":[]}");
    put("twice/m.json",
        "{\"repx_version\":\"9.1\",\"gitHash\":\"x\",\"runs\":[\"z.json\","
        "\"y.json\",\"x.json\"],\"groups\":{\"g\":[\"b\",\"a\"],\"g\":[\"c\","
        "\"b\"]}}");
    put("twice/z.json",
        "{\"name\":\"b\",\"jobs\":{\"k\":{\"params\":1,\"executables\":{"
        "\"main\":{\"path\":\"jobs/k/x\"}}},\"j\":{\"params\":1,"
        "\"executables\":{\"main\":{\"path\":\"jobs/j/x\"}}}}}");
    put("twice/y.json",
        "{\"name\":\"a\",\"jobs\":{\"j\":{\"params\":2,\"executables\":{"
        "\"main\":{\"path\":\"jobs/j/x\"}}}}}");
    put("twice/x.json",
        "{\"name\":\"a\",\"jobs\":{\"k\":{\"params\":3,\"executables\":{"
        "\"main\":{\"path\":\"jobs/k/x\"}}}}}");
    put("twice/jobs/j/x", "");
    put("twice/jobs/k/x", "");
    struct lab *lab = open_lab("twice");
    if (!lab)
        return;
    is(lab->jobs[0].params, "2", "a job's last definition");
    is(lab->jobs[1].params, "3", "in whatever run");
    ok(lab->run_count == 2, "two runs");
    is(lab->runs[0].file, "x.json", "of two files with one name the later");
    ok(lab->runs[0].job_count == 1 && lab->runs[0].jobs[0] == 1, "with its jobs");
    ok(lab->runs[1].job_count == 2, "each run keeps its list");
    ok(lab->group_count == 1 && lab->groups[0].run_count == 2,
       "the last of equal groups");
    is(lab->groups[0].runs[0], "b", "runs sorted");
    ok(lab->warning && strstr(lab->warning, "9.1"), "an unknown version is told");
    lab_close(lab);
}

static void links_inside_are_followed(void)
{
    ok(sh("cp -a broken/whole/lab linked && cd linked && mkdir store real && mv "
          "jobs/" A " real/pkg && ln -s ../real/pkg jobs/" A
          " && echo tool >store/t && "
          "ln -s ../../../store/t host-tools/tools/bin/t && ln -s ../store/none "
          "store/dangling && mv revision/metadata-top.json store/top && ln -s "
          "../store/top revision/metadata-top.json") == 0,
       "links are made");
    struct lab *lab = open_lab("linked");
    const struct repx_entry *entries;
    struct repx_err err = {0};
    struct digest d;
    size_t count;
    if (!lab)
        return;
    ok(lab_entries(lab, &entries, &count, &err) == 0, "entries: %s", err.text);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].path, "host-tools/tools/bin/t") == 0)
            is(entries[i].link, "../../../store/t", "a link stays a link");
    }
    ok(lab_package_digest(lab, A, &d, &err) == 0, "a package behind a link");
    lab_close(lab);
    ok(symlink("/etc", "linked/store/out") == 0, "a link leads out");
    lab = open_lab("linked");
    ok(lab && lab_entries(lab, &entries, &count, &err) < 0 &&
           strstr(err.text, "store/out: symbolic link: leads out of the Lab to /etc"),
       "it opens, but has no entries: %s", err.text);
    lab_close(lab);
    /* Up by its text, inside only by what d is. */
    ok(sh("cd linked && rm store/out && ln -s .. store/up && ln -s up/.. store/out") ==
           0,
       "a link leads out through another");
    lab = open_lab("linked");
    ok(lab && lab_entries(lab, &entries, &count, &err) < 0 &&
           strstr(err.text, "store/out: symbolic link: leads out"),
       "which is noticed: %s", err.text);
    lab_close(lab);
}

int main(void)
{
    scratch_begin();
    ok(sh("%s/broken/make.sh broken", TEST_LABS) == 0, "Labs are made");
    fields_are_as_in_the_files("broken/whole/lab");
    fields_are_as_in_the_files("broken/whole-tar/lab.tar");
    entries_are_sorted_and_readable("broken/whole/lab");
    entries_are_sorted_and_readable("broken/whole-tar/lab.tar");
    all_forms_are_equal();
    a_job_may_hold_a_lab();
    wide_labs_are_made();
    oldest_labs_are_read();
    later_definitions_win();
    links_inside_are_followed();
    lab_close(NULL);
    scratch_end();
    return tap_end();
}
