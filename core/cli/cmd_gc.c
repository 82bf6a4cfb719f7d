/* SPDX-License-Identifier: MIT */
/* gc: collect what no root and no run needs; roots and pins. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/value.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

struct gc_args {
    const char *kind, *project, *name;
    int dry_run, yes, pinned_only, sizes, json;
};

static const struct option gc_options[] = {
    {"dry-run", 0, OPTION_FLAG, NULL, offsetof(struct gc_args, dry_run),
     "tell what would go, and let it be", 0},
    {"yes", 'y', OPTION_FLAG, NULL, offsetof(struct gc_args, yes), "do not ask", 0},
    {"pinned-only", 0, OPTION_FLAG, NULL, offsetof(struct gc_args, pinned_only),
     "let go of all Labs that are not pinned", 0},
    {0},
};

#define COMMON_OPTIONS                                                                \
    {"dry-run",                                                                       \
     0,                                                                               \
     OPTION_FLAG,                                                                     \
     NULL,                                                                            \
     offsetof(struct gc_args, dry_run),                                               \
     "tell what would be done",                                                       \
     1},                                                                              \
    {                                                                                 \
        "yes", 'y', OPTION_FLAG, NULL, offsetof(struct gc_args, yes), "do not ask", 1 \
    }

#define JSON_OPTION                                                                \
    {                                                                              \
        "json", 0, OPTION_FLAG, NULL, offsetof(struct gc_args, json), "as JSON", 0 \
    }

static const struct option status_options[] = {COMMON_OPTIONS, JSON_OPTION, {0}};

static const struct option unpin_options[] = {COMMON_OPTIONS, {0}};

static const struct option list_options[] = {
    COMMON_OPTIONS,
    {"sizes", 0, OPTION_FLAG, NULL, offsetof(struct gc_args, sizes),
     "how much each root keeps", 0},
    {"kind", 0, OPTION_WORD, "auto|pinned", offsetof(struct gc_args, kind),
     "only roots of that kind", 0},
    {"project", 0, OPTION_TEXT, "TEXT", offsetof(struct gc_args, project),
     "only roots whose project holds TEXT", 0},
    JSON_OPTION,
    {0},
};

static const struct option pin_options[] = {
    COMMON_OPTIONS,
    {"name", 0, OPTION_TEXT, "NAME", offsetof(struct gc_args, name),
     "name of the pin (default: the Lab's id)", 0},
    {0},
};

static int open_target(struct cli *cli, struct repx_err *err)
{
    if (cli_config(cli, err) < 0)
        return -1;
    const char *target = cli->config->submission_target;
    return cli_target(cli, target ? target : "local", err);
}

static void say_lines(struct repx_buf *data)
{
    while (data->len && data->data[data->len - 1] == '\n')
        data->data[--data->len] = 0;
    if (data->len)
        ui_say("%s", data->data);
}

/* ---- collection ---- */

static int is_agreed(const struct cli *cli, const struct gc_args *a)
{
    char answer[16] = "";

    if (a->yes || a->dry_run)
        return 1;
    fprintf(stderr, "Collect garbage on '%s'%s? [y/N] ",
            target_config(cli->target)->name,
            a->pinned_only ? ", letting go of every Lab that is not pinned" : "");
    (void)fflush(stderr);
    return fgets(answer, sizeof(answer), stdin) &&
           (answer[0] == 'y' || answer[0] == 'Y');
}

static int gc_main(struct cli *cli, const void *args, char **words, int count,
                   struct repx_err *err)
{
    const struct gc_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};

    (void)words;
    (void)count;
    if (open_target(cli, err) < 0)
        return -1;
    if (!is_agreed(cli, a)) {
        ui_say("Aborted.");
        return 0;
    }
    msg_put_number(&msg, F_OPTIONS,
                   (a->dry_run ? GC_DRY_RUN : 0) |
                       (a->pinned_only ? GC_PINNED_ONLY : 0));
    msg_put_text(&msg, F_LINK, target_config(cli->target)->node_local_path);
    if (session_ask(target_session(cli->target), V_GC, msg.data, msg.len, &data, NULL,
                    err) < 0)
        return -1;
    say_lines(&data);
    return 0;
}

/* ---- roots ---- */

static int ask_roots(struct cli *cli, int sizes, struct repx_buf *data,
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put_number(&msg, F_OPTIONS, sizes);
    return session_ask(target_session(cli->target), V_GC_ROOTS, msg.data, msg.len, data,
                       NULL, err);
}

/* text in a column: cut with "..", control characters blotted out. */
static void put_column(struct repx_buf *to, const char *text, size_t width, int last)
{
    size_t n = strlen(text);
    size_t shown = n > width ? width - 2 : n;

    for (size_t i = 0; i < shown; i++) {
        int odd = text[i] == 127 || (unsigned char)text[i] < ' ';
        repx_buf_add(to, odd ? "?" : text + i, 1);
    }
    if (n > width)
        repx_buf_str(to, "..");
    for (size_t i = n > width ? width : n; !last && i < width + 1; i++)
        repx_buf_char(to, ' ');
}

static void say_root(const struct msg_field *f, int sizes)
{
    REPX_AUTO_FREE char *name = msg_text(f->bytes, f->length, F_NAME);
    REPX_AUTO_FREE char *lab = msg_text(f->bytes, f->length, F_KEY);
    REPX_AUTO_FREE char *project = msg_text(f->bytes, f->length, F_LINK);
    REPX_AUTO_BUF struct repx_buf line = {0};
    int64_t bytes = msg_number(f->bytes, f->length, F_BYTES, -1);
    char size[32] = "?";

    put_column(&line, msg_number(f->bytes, f->length, F_KIND, 0) ? "pinned" : "auto", 8,
               0);
    put_column(&line, name ? name : "?", 20, 0);
    put_column(&line, lab ? lab : "?", 16, 0);
    if (bytes >= 0)
        repx_value_size_text((uint64_t)bytes, size);
    if (sizes)
        put_column(&line, size, 10, 0);
    put_column(&line, project ? project : "-", 40, 1);
    ui_say("%s", repx_buf_text(&line));
}

static int is_shown(const struct gc_args *a, const struct msg_field *f)
{
    REPX_AUTO_FREE char *project = msg_text(f->bytes, f->length, F_LINK);
    int pinned = msg_number(f->bytes, f->length, F_KIND, 0) != 0;

    if (a->kind && (strcmp(a->kind, "pinned") == 0) != pinned)
        return 0;
    return !a->project || (project && strstr(project, a->project));
}

static int is_root_of(const struct lab *lab, const struct msg_field *f)
{
    REPX_AUTO_FREE char *id = msg_text(f->bytes, f->length, F_KEY);

    return f->tag == F_ENTRY && id && strcmp(id, lab->id) == 0;
}

static void root_json(const struct msg_field *f, struct repx_buf *to)
{
    const struct {
        const char *key;
        uint16_t tag;
    } texts[] = {{"name", F_NAME}, {"lab", F_KEY}, {"project", F_LINK}};
    int64_t bytes = msg_number(f->bytes, f->length, F_BYTES, -1);

    repx_buf_fmt(to, "%s{\"kind\":\"%s\"", to->len ? ",\n " : "[",
                 msg_number(f->bytes, f->length, F_KIND, 0) ? "pinned" : "auto");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        REPX_AUTO_FREE char *text = msg_text(f->bytes, f->length, texts[i].tag);
        if (!text)
            continue;
        repx_buf_fmt(to, ",\"%s\":", texts[i].key);
        json_put_string(to, text);
    }
    if (bytes >= 0)
        repx_buf_fmt(to, ",\"bytes\":%lld", (long long)bytes);
    repx_buf_char(to, '}');
}

static void say_roots(const struct gc_args *a, const struct repx_buf *data,
                      const char *target)
{
    struct msg_field f;
    size_t at = 0, shown = 0;

    while (msg_next(repx_buf_text(data), data->len, &at, &f) > 0) {
        if (f.tag != F_ENTRY || !is_shown(a, &f))
            continue;
        if (!shown++) {
            ui_say("%-8s %-20s %-16s %s%s", "KIND", "NAME", "HASH",
                   a->sizes ? "SIZE       " : "", "PROJECT");
        }
        say_root(&f, a->sizes);
    }
    if (!shown) {
        ui_say("No GC roots found on '%s'.", target);
    } else {
        ui_say("\n%zu root(s) on '%s'", shown, target);
    }
}

static void say_roots_json(const struct gc_args *a, const struct repx_buf *data)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct msg_field f;
    size_t at = 0;

    while (msg_next(repx_buf_text(data), data->len, &at, &f) > 0) {
        if (f.tag == F_ENTRY && is_shown(a, &f))
            root_json(&f, &b);
    }
    repx_buf_str(&b, b.len ? "]" : "[]");
    ui_say("%s", b.data);
}

static int list_main(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    const struct gc_args *a = args;
    REPX_AUTO_BUF struct repx_buf data = {0};

    (void)words;
    (void)count;
    if (open_target(cli, err) < 0 || ask_roots(cli, a->sizes, &data, err) < 0)
        return -1;
    if (a->json) {
        say_roots_json(a, &data);
    } else {
        say_roots(a, &data, target_config(cli->target)->name);
    }
    return 0;
}

static void say_status(const struct cli *cli, const struct repx_buf *data)
{
    REPX_AUTO_BUF struct repx_buf pins = {0};
    struct msg_field f;
    size_t at = 0, roots = 0;

    while (msg_next(repx_buf_text(data), data->len, &at, &f) > 0) {
        REPX_AUTO_FREE char *name = msg_text(f.bytes, f.length, F_NAME);
        if (!is_root_of(cli->lab, &f) || !name)
            continue;
        if (msg_number(f.bytes, f.length, F_KIND, 0)) {
            repx_buf_str(&pins, pins.len ? ", " : "");
            put_column(&pins, name, 128, 1);
        } else {
            roots++;
        }
    }
    if (pins.len) {
        ui_say("Lab %s is pinned: %s", cli->lab->id, pins.data);
    } else {
        ui_say("Lab %s is not pinned", cli->lab->id);
    }
    if (roots)
        ui_say("%zu auto root(s)", roots);
}

static void say_status_json(const struct cli *cli, const struct repx_buf *data)
{
    REPX_AUTO_BUF struct repx_buf roots = {0};
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct msg_field f;
    size_t at = 0, pins = 0;

    while (msg_next(repx_buf_text(data), data->len, &at, &f) > 0) {
        if (!is_root_of(cli->lab, &f))
            continue;
        pins += msg_number(f.bytes, f.length, F_KIND, 0) != 0;
        root_json(&f, &roots);
    }
    repx_buf_str(&b, "{\"lab\":");
    json_put_string(&b, cli->lab->id);
    repx_buf_fmt(&b, ",\"pinned\":%s,\"roots\":%s]}", pins ? "true" : "false",
                 roots.len ? roots.data : "[");
    ui_say("%s", b.data);
}

static int status_main(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    const struct gc_args *a = args;
    REPX_AUTO_BUF struct repx_buf data = {0};

    (void)words;
    (void)count;
    if (cli_lab(cli, err) < 0 || open_target(cli, err) < 0 ||
        ask_roots(cli, 0, &data, err) < 0)
        return -1;
    if (a->json) {
        say_status_json(cli, &data);
    } else {
        say_status(cli, &data);
    }
    return 0;
}

/* ---- pins ---- */

static int pin_main(struct cli *cli, const void *args, char **words, int count,
                    struct repx_err *err)
{
    const struct gc_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};

    if (!count && cli_lab(cli, err) < 0)
        return -1;
    const char *lab = count ? words[0] : cli->lab->id;
    const char *name = a->name ? a->name : lab;
    if (a->dry_run) {
        ui_say("Would pin Lab %s as '%s'", lab, name);
        return 0;
    }
    msg_put_text(&msg, F_NAME, name);
    msg_put_text(&msg, F_KEY, lab);
    if (open_target(cli, err) < 0 ||
        session_ask(target_session(cli->target), V_GC_PIN, msg.data, msg.len, NULL,
                    NULL, err) < 0)
        return -1;
    ui_say("Pinned '%s'", name);
    return 0;
}

static int unpin_main(struct cli *cli, const void *args, char **words, int count,
                      struct repx_err *err)
{
    const struct gc_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf fields = {0};
    REPX_AUTO_BUF struct repx_buf shown = {0};

    (void)count;
    if (a->dry_run) {
        ui_say("Would unpin '%s'", words[0]);
        return 0;
    }
    msg_put_text(&msg, F_NAME, words[0]);
    if (open_target(cli, err) < 0 ||
        session_ask(target_session(cli->target), V_GC_UNPIN, msg.data, msg.len, NULL,
                    &fields, err) < 0)
        return -1;
    REPX_AUTO_FREE char *name = msg_text(fields.data, fields.len, F_NAME);
    put_column(&shown, name ? name : words[0], 255, 1);
    ui_say("Unpinned '%s'", repx_buf_text(&shown));
    return 0;
}

static const struct cmd cmd_gc_list = {
    .name = "list",
    .usage = "[--sizes] [--kind auto|pinned] [--project TEXT] [--json]",
    .summary = "show the roots: what keeps Labs from being collected",
    .options = list_options,
    .args_size = sizeof(struct gc_args),
    .main = list_main,
};

static const struct cmd cmd_gc_status = {
    .name = "status",
    .usage = "[--json]",
    .options = status_options,
    .summary = "tell whether the Lab is pinned there",
    .args_size = sizeof(struct gc_args),
    .main = status_main,
};

static const struct cmd cmd_gc_pin = {
    .name = "pin",
    .usage = "[HASH] [--name NAME]",
    .summary = "keep a Lab and its results until it is unpinned",
    .options = pin_options,
    .args_size = sizeof(struct gc_args),
    .max_words = 1,
    .main = pin_main,
};

static const struct cmd cmd_gc_unpin = {
    .name = "unpin",
    .usage = "NAME",
    .options = unpin_options,
    .summary = "let a pin go; the beginning of its name is enough",
    .args_size = sizeof(struct gc_args),
    .min_words = 1,
    .max_words = 1,
    .main = unpin_main,
};

static const struct cmd *const gc_subs[] = {&cmd_gc_list, &cmd_gc_status, &cmd_gc_pin,
                                            &cmd_gc_unpin, NULL};

const struct cmd cmd_gc = {
    .name = "gc",
    .usage = "[list|status|pin|unpin] [--dry-run] [-y] [--pinned-only]",
    .summary = "delete from a target what no root and no run needs",
    .options = gc_options,
    .args_size = sizeof(struct gc_args),
    .subs = gc_subs,
    .main = gc_main,
};
