/* SPDX-License-Identifier: MIT */
/* The first command in the shells that people have, against the tests' own agent. */
#define _GNU_SOURCE /* mkdtemp, memmem */
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "agent/link.h"
#include "agent/verbs.h"
#include "core/wire/digest.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "plugins/sync-bootstrap/connect.h"
#include "plugins/sync-bootstrap/script.h"

static char *top;
static struct repx_buf agent;
static struct digest agent_digest;
static char agent_hex[DIGEST_HEX];
static struct utsname machine;

/* One attempt to reach an agent. */
struct attempt {
    const char *login; /* the line that runs a command, with %s for it in quotes */
    const char *shell; /* in place of /bin/sh, or NULL */
    const char *base;
    const char *arch;
    struct link link;
    uint64_t sent; /* bytes of the agent */
    uint64_t stop; /* reading it fails there; 0: nowhere */
};

/* ---- the host's services ---- */

static uint64_t source_count(void *ctx)
{
    (void)ctx;
    return 2;
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct attempt *a = ctx;
    static char path[128];

    (void)err;
    (void)snprintf(path, sizeof(path), "%s/repx-agent", i ? a->arch : "pdp11");
    *entry = (struct repx_entry){.size = sizeof(*entry),
                                 .path = path,
                                 .kind = REPX_ENTRY_FILE,
                                 .executable = 1,
                                 .length = i ? agent.len : 1};
    if (i)
        memcpy(entry->digest, agent_digest.bytes, sizeof(entry->digest));
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    struct attempt *a = ctx;

    (void)i;
    if (a->stop && offset >= a->stop)
        return repx_fail(err, REPX_E_FAILED, "the disk here is broken");
    if (len > agent.len - offset)
        len = agent.len - offset;
    memcpy(to, agent.data + offset, len);
    a->sent += len;
    return (int64_t)len;
}

/* The command as the login shell of the attempt would get it. */
static char *login_line(const struct attempt *a, const char *command)
{
    static const char sh[] = "/bin/sh";
    REPX_AUTO_BUF struct repx_buf line = {0}, quoted = {0};
    const char *found = strstr(command, sh);

    repx_buf_add(&line, command, (size_t)(found - command));
    repx_buf_str(&line, a->shell ? a->shell : sh);
    repx_buf_str(&line, found + sizeof(sh) - 1);
    repx_buf_shell(&quoted, line.data);
    const char *gap = strstr(a->login, "%s");
    return repx_format("%.*s%s%s", (int)(gap - a->login), a->login, quoted.data,
                       gap + 2);
}

static int32_t raw_exec(void *ctx, const char *command, struct repx_err *err)
{
    struct attempt *a = ctx;
    REPX_AUTO_FREE char *line = login_line(a, command);

    (void)err;
    link_start(&a->link, line);
    return 0;
}

static int wait_for(struct attempt *a, uint32_t want, int64_t deadline)
{
    struct repx_wait item = {.stream = a->link.stream, .want = want};

    return a->link.ops->wait(a->link.transport, &item, 1, sizeof(item), deadline,
                             NULL) == 1;
}

static int64_t raw_read(void *ctx, void *to, uint64_t len, int64_t deadline_ms,
                        struct repx_err *err)
{
    struct attempt *a = ctx;
    int64_t n;

    while ((n = a->link.ops->read(a->link.stream, REPX_STREAM_OUT, to, len, err)) ==
           REPX_AGAIN) {
        if (!wait_for(a, REPX_READY_READ, deadline_ms))
            return repx_fail(err, REPX_E_TIMEOUT, "no answer");
    }
    return n;
}

static int32_t raw_write(void *ctx, const void *from, uint64_t len, int64_t deadline_ms,
                         struct repx_err *err)
{
    struct attempt *a = ctx;
    const char *p = from;

    while (len) {
        int64_t n = a->link.ops->write(a->link.stream, p, len, err);
        if (n == -1)
            return -1;
        if (n == REPX_AGAIN && !wait_for(a, REPX_READY_WRITE, deadline_ms))
            return repx_fail(err, REPX_E_TIMEOUT, "no room");
        p += n > 0 ? n : 0;
        len -= n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

static const char *base_path(void *ctx)
{
    const struct attempt *a = ctx;

    return a->base;
}

static const char *state_path(void *ctx)
{
    (void)ctx;
    return "";
}

/* ---- attempts ---- */

/* Reach the agent and let it answer; the base path it works in, or NULL and *err. */
static char *reach(struct attempt *a, struct repx_err *err)
{
    const struct repx_sync_host sync = {.size = sizeof(sync),
                                        .host = &link_host,
                                        .ctx = a,
                                        .source_count = source_count,
                                        .source_entry = source_entry,
                                        .source_read = source_read,
                                        .raw_exec = raw_exec,
                                        .raw_read = raw_read,
                                        .raw_write = raw_write,
                                        .base_path = base_path,
                                        .state_path = state_path};
    char *base = NULL;
    size_t n;

    a->sent = 0;
    a->link = (struct link){0};
    if (!a->arch)
        a->arch = machine.machine;
    if (bootstrap_connect(&sync, err) == 0) {
        struct session *s =
            session_create(a->link.ops, a->link.transport, a->link.stream, &link_host,
                           link_host.now_ms(NULL) + 10000, err);
        if (s && session_ask(s, TEST_ECHO, NULL, 0, NULL, NULL, err) == 0) {
            const void *hello = session_hello(s, &n);
            base = msg_text(hello, n, F_BASE);
        }
        session_destroy(s);
    }
    if (a->link.ops)
        link_end(&a->link);
    return base;
}

static char *agent_path(const char *base)
{
    return repx_format("%s/bin/%s/repx-agent", base, agent_hex);
}

static void shells_of_all_kinds(void)
{
    static const struct {
        const char *name, *program, *login, *shell;
    } shells[] = {
        {"sh", "/bin/sh", "exec sh -c %s", NULL},
        {"bash", "/bin/bash", "exec bash -c %s", NULL},
        {"dash", "/bin/dash", "exec dash -c %s", NULL},
        {"csh", "/bin/csh", "exec csh -c %s", NULL},
        {"tcsh", "/bin/tcsh", "exec tcsh -c %s", NULL},
        {"fish", "/usr/bin/fish", "exec fish -c %s", NULL},
        {"zsh", "/bin/zsh", "exec zsh -c %s", NULL},
        {"bash as /bin/sh", "/bin/bash", "exec sh -c %s", "bash --posix"},
        {"busybox as /bin/sh", "/bin/busybox", "exec sh -c %s", "busybox sh"},
        {"noise", "/bin/sh",
         "echo Welcome; echo quota >&2; printf 'no newline '; exec sh -c %s", NULL},
    };

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        REPX_AUTO_FREE char *base =
            repx_format("%s/shell %zu/it's \"$x\" $(id) *", top, i);
        struct attempt a = {
            .login = shells[i].login, .shell = shells[i].shell, .base = base};
        struct repx_err err = {0};
        if (access(shells[i].program, X_OK) < 0) {
            ok(1, "%s # SKIP %s is not installed", shells[i].name, shells[i].program);
            continue;
        }
        REPX_AUTO_FREE char *first = reach(&a, &err);
        is(first, base, shells[i].name);
        ok(a.sent == agent.len, "received the agent %s", err.text);
        REPX_AUTO_FREE char *second = reach(&a, &err);
        is(second, base, "and again");
        ok(a.sent == 0, "with the one it has %s", err.text);
    }
}

static void base_paths_are_looked_up_there(void)
{
    static const char *const texts[] = {"~/b", "$HOME/b", "${HOME}/b", "/$PART/home/b",
                                        "${NOT_ABSOLUTE}home/b"};
    REPX_AUTO_FREE char *home = repx_format("%s/home", top);
    REPX_AUTO_FREE char *want = repx_format("%s/b", home);
    REPX_AUTO_FREE char *slashed = repx_format("%s/", top);

    ok(mkdir(home, 0755) == 0 && setenv("HOME", home, 1) == 0 &&
           setenv("PART", top + 1, 1) == 0 && setenv("NOT_ABSOLUTE", slashed, 1) == 0,
       "variables");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct attempt a = {.login = "exec sh -c %s", .base = texts[i]};
        struct repx_err err = {0};
        REPX_AUTO_FREE char *got = reach(&a, &err);
        is(got, want, texts[i]);
        ok(a.sent == (i ? 0 : agent.len), "one agent for all spellings %s", err.text);
    }
}

static void a_damaged_agent_is_healed(void)
{
    REPX_AUTO_FREE char *base = repx_format("%s/heal", top);
    REPX_AUTO_FREE char *path = agent_path(base);
    struct attempt a = {.login = "exec sh -c %s", .base = base};
    struct repx_err err = {0};

    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"a new one", "half of one", "a changed one",
                                            "one that cannot be executed"};
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (i == 1)
            ok(ftruncate(fd, (off_t)agent.len / 2) == 0, "# cut");
        if (i == 2)
            ok(pwrite(fd, "!", 1, (off_t)agent.len / 2) == 1, "# changed");
        if (i == 3)
            ok(fchmod(fd, 0644) == 0, "# mode");
        if (fd >= 0)
            (void)close(fd);
        REPX_AUTO_FREE char *got = reach(&a, &err);
        ok(got && a.sent == agent.len, "%s is received %s", names[i], err.text);
    }
}

static const struct {
    const char *name, *login, *base, *arch;
    int32_t code;
    const char *text;
} refusals[] = {
    {"a relative base path", "exec sh -c %s", "scratch/x", NULL, REPX_E_USAGE,
     "not absolute on the target: scratch/x"},
    {"an unset variable", "exec sh -c %s", "$NEVER_SET/x", NULL, REPX_E_USAGE,
     "NEVER_SET"},
    {"a base path of two lines", "exec sh -c %s", "/a\n/b", NULL, REPX_E_USAGE,
     "one line"},
    {"a place that cannot be written", "exec sh -c %s", "/proc/x", NULL, REPX_E_FAILED,
     "/proc/x"},
    {"a foreign architecture", "exec sh -c %s", "/tmp/x", "vax", REPX_E_UNSUPPORTED,
     "installed here: pdp11 vax"},
    {"a closed account", "echo 'This account is closed.' # %s", "/tmp/x", NULL,
     REPX_E_LINK, "This account is closed."},
    {"an account that reads nothing",
     "echo 'Use the other host.'; exec <&-; sleep 0.2 # %s", "/tmp/x", NULL,
     REPX_E_LINK, "Use the other host."},
    {"a full disk", "ulimit -f 100; trap '' XFSZ; exec sh -c %s", "full", NULL,
     REPX_E_FAILED, "is there room"},
};

static void refusals_name_the_cause(void)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        REPX_AUTO_FREE char *full = repx_format("%s/full", top);
        struct attempt a = {
            .login = refusals[i].login,
            .base = strcmp(refusals[i].base, "full") == 0 ? full : refusals[i].base,
            .arch = refusals[i].arch};
        struct repx_err err = {0};
        REPX_AUTO_FREE char *got = reach(&a, &err);
        ok(!got && err.code == refusals[i].code && strstr(err.text, refusals[i].text),
           "%s: %s", refusals[i].name, err.text);
    }
}

static void nothing_is_left_of_what_failed(void)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/full/bin/%s", top, agent_hex);

    ok(access(dir, F_OK) == 0 && rmdir(dir) == 0, "no half agent remains");
}

static void a_client_that_goes_leaves_nothing(void)
{
    REPX_AUTO_FREE char *base = repx_format("%s/gone", top);
    REPX_AUTO_FREE char *dir = repx_format("%s/bin/%s", base, agent_hex);
    struct attempt a = {.login = "exec sh -c %s", .base = base, .stop = 65536};
    struct repx_err err = {0};
    REPX_AUTO_FREE char *got = reach(&a, &err);

    ok(!got && strstr(err.text, "the disk here is broken"), "%s", err.text);
    ok(a.sent > 0 && access(dir, F_OK) == 0 && rmdir(dir) == 0,
       "no half agent remains");
}

/* Between single quotes every shell reads the same, except for these. */
static void the_text_is_safe_in_every_shell(void)
{
    const char *open_quote = strchr(first_command, '\'');
    const char *close_quote = strrchr(first_command, '\'');

    ok(open_quote && close_quote == first_command + strlen(first_command) - 1,
       "one quoted word at the end");
    ok(open_quote && strchr(open_quote + 1, '\'') == close_quote,
       "without a quote inside");
    ok(!strpbrk(first_command, "\\\n!"), "backslash, newline or exclamation mark");
}

int main(void)
{
    char dir[] = "/tmp/repx-first-XXXXXX";
    struct repx_err err = {0};

    if (!mkdtemp(dir) || uname(&machine) < 0 ||
        repx_read_file(AT_FDCWD, TEST_AGENT, 256u << 20, &agent, &err) < 0) {
        printf("# %s\n", err.text);
        return 99;
    }
    top = dir;
    digest_of(agent.data, agent.len, &agent_digest);
    digest_hex(&agent_digest, agent_hex);
    the_text_is_safe_in_every_shell();
    shells_of_all_kinds();
    base_paths_are_looked_up_there();
    a_damaged_agent_is_healed();
    refusals_name_the_cause();
    nothing_is_left_of_what_failed();
    a_client_that_goes_leaves_nothing();
    ok(repx_remove_tree(AT_FDCWD, dir, &err) == 0, "cleans up");
    repx_buf_free(&agent);
    return tap_end();
}
