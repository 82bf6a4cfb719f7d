/* SPDX-License-Identifier: MIT */
/* bwrap: its three mount policies, its failures, and the layers of images. */
#include "core/agent/runtime.h"

#include <signal.h>
#include <time.h>

#include "job_scratch.h"
#include "tap.h"

#include "core/agent/runtime_image.h"
#include "core/agent/runtime_tar.h"
#include "core/agent/submit.h"
#include "core/wire/verbs.h"

int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    (void)site, (void)run, (void)index, (void)key, (void)branches, (void)err;
    return 0;
}

#define BWRAP_JOB(id, script, image, mounts)                                      \
    "{\"v\":1,\"id\":\"" id "\",\"key\":\"" HEX1 "\",\"pkg\":\"" HEX0             \
    "\",\"runtime\":\"bwrap\",\"image\":" image ",\"mounts\":" mounts             \
    ",\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"jobs/" id "/bin/" script \
    "\"}}}"
#define ISOLATED "{\"policy\":\"isolated\"}"

static char *secret_file; /* outside of B */

static int shell(const char *command)
{
    char *const argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"},
                          (char *)(uintptr_t)command, NULL};
    struct repx_err err = {0};
    REPX_AUTO_BUF struct repx_buf said = {0};
    int rc = process_tool(argv, NULL, &said, &err);

    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

/* An image with this machine's /bin/sh, in two layers; the second replaces a file, takes
 * one away and tries to write through a link that leads outside. */
static int image_make(struct scratch *s)
{
    REPX_AUTO_FREE char *text = repx_format(
        "set -e; I=%s/artifacts/images/img; mkdir -p $I/l1 $I/l2 $I/r1 $I/r2; cd $I\n"
        "mkdir -p r1/bin r1/etc r1/home r1/data\n"
        "for f in /bin/sh $(ldd /bin/sh | grep -o '/[^ ]*'); do\n"
        "  mkdir -p r1$(dirname $f); cp -L $f r1$f; done\n"
        "echo one >r1/etc/one; echo one >r1/etc/two; echo old >r1/data/old\n"
        "ln -s %s r1/escape; echo gone >r1/etc/gone; ln r1/etc/one r1/etc/hard\n"
        "mkdir -p r2/etc r2/escape r2/data; echo two >r2/etc/two; : >r2/etc/.wh.gone\n"
        ": >r2/data/.wh..wh..opq; echo bad >r2/escape/bad\n"
        "tar -C r1 -cf l1/layer.tar .\n"
        "tar -C r2 -cf l2/layer.tar etc data escape/bad\n"
        "printf '[{\"Config\":\"c.json\",\"Layers\":[\"l1/layer.tar\",\"l2/layer.tar\"]}]'"
        " >manifest.json\n",
        s->site.base, s->site.base);

    return shell(text);
}

static char *reason_of(struct scratch *s, const char *job)
{
    char *reason = NULL;
    int stale;

    (void)result_status(&s->site, job, HEX1, &stale, &reason);
    return reason;
}

/* A new run with one job; its exit status. */
static int one_job(struct scratch *s, const char *line)
{
    const char *const plan[] = {line, NULL};

    scratch_run(s, "", plan);
    REPX_AUTO_FREE char *sub = repx_format("%s/sub", s->site.state);
    (void)repx_remove_tree(AT_FDCWD, sub, NULL);
    return scratch_unit(s, 0, "main", -1);
}

static void isolated_sees_only_its_own(struct scratch *s)
{
    REPX_AUTO_FREE char *body = repx_format(
        "echo two >\"$1/two\"; read x </etc/two; echo $x >\"$1/x\"\n"
        "[ -e /etc/gone ] && echo yes >\"$1/gone\"\n"
        "[ -e /data/old ] && echo yes >\"$1/opaque\"\n"
        "[ -e %s ] && echo yes >\"$1/host\"\n"
        "(echo changed >%s/outputs/other/out/f) 2>/dev/null\n"
        "(echo changed >%s/artifacts/f) 2>/dev/null\n"
        "read l <%s/outputs/other/out/f; echo $l >\"$1/readable\"\n"
        "echo \"$HOME $TERM $PWD\" >\"$1/env\"; echo t >/tmp/t && echo ok >\"$1/tmp\"\n"
        "exit 0",
        secret_file, s->site.base, s->site.base, s->site.base);

    scratch_script(s, "iso", body);
    scratch_file(s, "outputs/other/out/f", "mine\n");
    scratch_file(s, "artifacts/f", "mine\n");
    ok(one_job(s, BWRAP_JOB("iso-1", "iso", "\"img\"", ISOLATED)) == 0,
       "isolated runs");
    REPX_AUTO_FREE char *why = reason_of(s, "iso-1");
    if (why)
        printf("# %s\n", why);
    REPX_AUTO_FREE char *x = scratch_text(s, "outputs/iso-1/out/x");
    is(x, "two\n", "a later layer replaces a file");
    ok(!scratch_has(s, "outputs/iso-1/out/gone"), "a whiteout takes one away");
    ok(!scratch_has(s, "outputs/iso-1/out/opaque"),
       "an opaque directory hides the old");
    ok(!scratch_has(s, "outputs/iso-1/out/host"), "the host's files are not seen");
    REPX_AUTO_FREE char *other = scratch_text(s, "outputs/other/out/f");
    REPX_AUTO_FREE char *artifact = scratch_text(s, "artifacts/f");
    is(other, "mine\n", "another job's output cannot be written");
    is(artifact, "mine\n", "nor an artifact");
    REPX_AUTO_FREE char *seen = scratch_text(s, "outputs/iso-1/out/readable");
    is(seen, "mine\n", "but outputs can be read");
    REPX_AUTO_FREE char *env = scratch_text(s, "outputs/iso-1/out/env");
    REPX_AUTO_FREE char *want =
        repx_format("/ xterm %s/outputs/iso-1/attempts/1/out\n", s->site.base);
    is(env, want, "HOME, TERM and the working directory");
    ok(scratch_has(s, "outputs/iso-1/out/tmp"), "/tmp can be written");
    ok(!scratch_has(s, "bad") && scratch_has(s, "cache/images/img/SUCCESS"),
       "no layer wrote through a link to the outside");
    ok(scratch_has(s, "cache/capabilities/overlay_support.json"),
       "whether overlays work is remembered");
}

static void failures_are_bwrap_s_own(struct scratch *s)
{
    scratch_script(s, "three", "exit 3");
    ok(one_job(s, BWRAP_JOB("three-1", "three", "\"img\"", ISOLATED)) == 1, "exit 3");
    REPX_AUTO_FREE char *three = reason_of(s, "three-1");
    is(three, "exit 3", "is the script's");
    ok(one_job(s, BWRAP_JOB("none-1", "none", "\"img\"", ISOLATED)) == 1, "no script");
    REPX_AUTO_FREE char *none = reason_of(s, "none-1");
    ok(none && strncmp(none, "not started: bwrap: ", 20) == 0, "%s", none ? none : "-");
    ok(one_job(s, BWRAP_JOB("noimg-1", "three", "\"nope\"", ISOLATED)) == 1,
       "no image");
    REPX_AUTO_FREE char *image = reason_of(s, "noimg-1");
    ok(image && strstr(image, "not started: bwrap: image nope"), "%s",
       image ? image : "-");
    ok(!scratch_has(s, "outputs/noimg-1/out/x"), "and it never runs natively");
}

static void specific_paths_are_bound(struct scratch *s)
{
    REPX_AUTO_FREE char *body = repx_format(
        "read x <%s; echo $x >\"$1/x\"; echo more >>%s", secret_file, secret_file);
    REPX_AUTO_FREE char *line =
        repx_format(BWRAP_JOB("spec-1", "spec", "\"img\"",
                              "{\"policy\":\"specific\",\"paths\":[\"%s\"]}"),
                    secret_file);

    scratch_script(s, "spec", body);
    ok(one_job(s, line) == 0, "mount_paths");
    REPX_AUTO_FREE char *x = scratch_text(s, "outputs/spec-1/out/x");
    is(x, "secret\n", "the file is seen");
    ok(one_job(s, BWRAP_JOB("spec-2", "spec", "\"img\"",
                            "{\"policy\":\"specific\",\"paths\":[\"/no/such\"]}")) == 1,
       "a path that is not there");
    REPX_AUTO_FREE char *why = reason_of(s, "spec-2");
    ok(why && strstr(why, "/no/such"), "is named: %s", why ? why : "-");
}

static void host_paths_are_seen(struct scratch *s)
{
    REPX_AUTO_FREE char *body =
        repx_format("read x <%s; echo $x >\"$1/x\"", secret_file);

    scratch_script(s, "host", body);
    ok(one_job(s, BWRAP_JOB("host-1", "host", "\"img\"", "{\"policy\":\"host\"}")) == 0,
       "mount_host_paths");
    REPX_AUTO_FREE char *why = reason_of(s, "host-1");
    if (why)
        printf("# %s\n", why);
    REPX_AUTO_FREE char *x = scratch_text(s, "outputs/host-1/out/x");
    is(x, "secret\n", "the host's file is seen");
}

static void overlay_may_be_forbidden(struct scratch *s)
{
    scratch_file(s, "cache/capabilities/overlay_support.json",
                 "{\"tmp_overlay_supported\":false,\"checked_at\":\"x\"}");
    ok(one_job(s, BWRAP_JOB("iso-3", "iso", "\"img\"", ISOLATED)) == 0,
       "read-only binds");
    REPX_AUTO_FREE char *text =
        scratch_text(s, "cache/capabilities/overlay_support.json");
    ok(text && strstr(text, "false"), "the file still says so");
}

#define LOCAL_JOB(id)                                                              \
    "{\"v\":1,\"id\":\"" id "\",\"key\":\"" HEX1 "\",\"pkg\":\"" HEX0              \
    "\",\"runtime\":\"bwrap\",\"image\":\"img\",\"node_local\":\"$NODE_DISK/me\"," \
    "\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"jobs/" id "/bin/three\"}}}"

static void copies_of_a_node_are_its_own(struct scratch *s)
{
    char disk[] = "/var/tmp/repx-node.XXXXXX";

    ok(mkdtemp(disk) != NULL, "a node's disk");
    (void)unsetenv("NODE_DISK");
    ok(one_job(s, LOCAL_JOB("loc-1")) == 1, "a variable that is not set there");
    REPX_AUTO_FREE char *unset = reason_of(s, "loc-1");
    is(unset, "not started: node_local_path: $NODE_DISK is not set here", "reason");
    (void)setenv("NODE_DISK", disk, 1);
    ok(one_job(s, LOCAL_JOB("loc-2")) == 1, "node_local_path");
    REPX_AUTO_FREE char *why = reason_of(s, "loc-2");
    is(why, "exit 3", "the script ran");
    REPX_AUTO_FREE char *done =
        repx_format("%s/me/repx/cache/images/img/SUCCESS", disk);
    ok(access(done, F_OK) == 0, "from a copy on the node");
    (void)chmod(disk, 0777);
    ok(one_job(s, LOCAL_JOB("loc-3")) == 1, "a disk that others may change");
    REPX_AUTO_FREE char *open = reason_of(s, "loc-3");
    ok(open && strstr(open, "not started: bwrap: node_local_path"), "%s",
       open ? open : "-");
    (void)repx_remove_tree(AT_FDCWD, disk, NULL);
}

static void term_reaches_a_script_under_bwrap(struct scratch *s)
{
    const struct timespec pause = {0, 20000000};
    const char *const plan[] = {BWRAP_JOB("term-1", "term", "\"img\"", ISOLATED), NULL};

    scratch_script(s, "term",
                   "trap 'echo got >\"$1/got\"; exit 0' TERM; echo up >\"$1/up\"\n"
                   "while :; do :; done");
    scratch_run(s, "", plan);
    REPX_AUTO_FREE char *sub = repx_format("%s/sub", s->site.state);
    (void)repx_remove_tree(AT_FDCWD, sub, NULL);
    pid_t pid = scratch_start(s, 0, "main", -1, "7");
    for (int i = 0; i < 250 && !scratch_has(s, "outputs/term-1/out/up"); i++)
        (void)nanosleep(&pause, NULL);
    (void)kill(pid, SIGTERM);
    ok(scratch_wait(pid) == 1, "TERM ends it");
    REPX_AUTO_FREE char *why = reason_of(s, "term-1");
    is(why, "cancelled", "reason");
    ok(scratch_has(s, "outputs/term-1/out/got"), "the script had its chance");
}

/* Whatever lacks here: it is told with the runtime's name, and nothing else runs. */
static void others_fail_with_their_names(struct scratch *s)
{
    static const char *const runtimes[] = {"podman", "docker", "charliecloud"};

    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0]; i++) {
        REPX_AUTO_FREE char *line =
            repx_format("{\"v\":1,\"id\":\"p-%zu\",\"key\":\"" HEX1 "\",\"pkg\":\"" HEX0
                        "\",\"runtime\":\"%s\",\"image\":"
                        "\"nosuch\",\"type\":\"simple\",\"exes\":{\"main\":{"
                        "\"path\":\"jobs/p-%zu/bin/three\"}}}",
                        i, runtimes[i], i);
        REPX_AUTO_FREE char *job = repx_format("p-%zu", i);
        REPX_AUTO_FREE char *start = repx_format("not started: %s: ", runtimes[i]);
        ok(one_job(s, line) == 1, "%s", runtimes[i]);
        REPX_AUTO_FREE char *why = reason_of(s, job);
        ok(why && strstr(why, start) == why, "%s", why ? why : "-");
    }
}

static void manifests_stay_inside(void)
{
    static const struct {
        const char *text;
        int good;
    } rows[] = {
        {"[{\"Layers\":[\"a/layer.tar\"]}]", 1},
        {"[{\"Layers\":[]}]", 1},
        {"[{\"Layers\":[\"../x\"]}]", 0},
        {"[{\"Layers\":[\"/x\"]}]", 0},
        {"[{\"Layers\":[1]}]", 0},
        {"[]", 0},
        {"{}", 0},
        {"[", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct repx_err err = {0};
        json_t *j = image_manifest_parse(rows[i].text, strlen(rows[i].text), &err);
        ok(!!j == rows[i].good && (j || err.code), "%s", rows[i].text);
        json_decref(j);
    }
}

static int bwrap_works(void)
{
    return shell("bwrap --unshare-all --ro-bind / / /bin/true") == 0;
}

int main(int argc, char **argv)
{
    struct scratch s;

    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return 0; /* the probe for overlays runs its own program */
    manifests_stay_inside();
    scratch_open(&s);
    scratch_script(&s, "three", "exit 3");
    others_fail_with_their_names(&s);
    if (!bwrap_works()) {
        printf("# bwrap cannot make namespaces here: its tests are skipped\n");
    } else {
        char name[] = "/var/tmp/repx-test.XXXXXX";
        int fd = mkstemp(name);
        ok(fd >= 0 && write(fd, "secret\n", 7) == 7, "a file of the host");
        (void)close(fd);
        secret_file = name;
        ok(image_make(&s) == 0, "an image");
        isolated_sees_only_its_own(&s);
        failures_are_bwrap_s_own(&s);
        specific_paths_are_bound(&s);
        host_paths_are_seen(&s);
        overlay_may_be_forbidden(&s);
        copies_of_a_node_are_its_own(&s);
        term_reaches_a_script_under_bwrap(&s);
        (void)unlink(name);
    }
    scratch_close(&s);
    return tap_end();
}
