/* SPDX-License-Identifier: MIT */
#include "parse.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define COMMENT "repx1:"

int slurm_id_ok(const char *id)
{
    size_t n = strlen(id);

    return n > 0 && n < SLURM_ID_MAX && strspn(id, DIGITS) == n;
}

int slurm_unit_ok(const char *id)
{
    size_t n = strspn(id, DIGITS);

    if (n == 0 || n >= SLURM_ID_MAX)
        return 0;
    return !id[n] || (id[n] == '_' && slurm_id_ok(id + n + 1));
}

/* Copy n characters as an id; 1 or 0. */
static int take_id(const char *from, size_t n, char id[SLURM_ID_MAX])
{
    if (n == 0 || n >= SLURM_ID_MAX)
        return 0;
    memcpy(id, from, n);
    id[n] = 0;
    return slurm_id_ok(id);
}

int slurm_parse_id(const char *out, char id[SLURM_ID_MAX])
{
    int found = 0;

    while (*out) {
        size_t line = strcspn(out, "\n");
        size_t n = strspn(out, DIGITS);
        if (n > 0 && (n == line || out[n] == ';') && take_id(out, n, id))
            found = 1; /* the last one is sbatch's own */
        out += line + (out[line] == '\n');
    }
    return found;
}

/* ---- messages ---- */

int slurm_unreachable(const char *errors)
{
    static const char *const phrases[] = {
        "Socket timed out",
        "Unable to contact slurm controller",
        "Unable to contact controller",
        "Zero Bytes were transmitted",
        "Unexpected message received",
        "Connection refused",
        "Connection reset",
        "Transport endpoint",
        "Protocol authentication error",
        "Communication connection failure",
        "Insane message length",
        "Could not establish a configuration source",
        "backup controller",
        NULL,
    };

    return repx_says(errors, phrases);
}

int slurm_no_accounting(const char *errors)
{
    static const char *const phrases[] = {
        "accounting storage is disabled",
        "job completion is disabled",
        NULL,
    };

    return repx_says(errors, phrases);
}

uint32_t slurm_classify(int status, const char *errors)
{
    static const char *const room[] = {
        "MaxSubmitJob",
        "MaxSubmitPU",
        "MaxSubmitPA",
        "GrpSubmitJob",
        "temporarily unable to accept job",
        "job queue full",
        "Resource temporarily unavailable",
        NULL,
    };

    if (repx_says(errors, room))
        return REPX_SUBMIT_ROOM;
    if (status == 0 || status > 128 || slurm_unreachable(errors))
        return REPX_SUBMIT_PERHAPS;
    return REPX_SUBMIT_REFUSED;
}

/* ---- states ---- */

static const struct {
    const char *name, *brief;
    uint32_t state;
} states[] = {
    {"BOOT_FAIL", "BF", REPX_STATE_NODE},
    {"CANCELLED", "CA", REPX_STATE_CANCELED},
    {"COMPLETED", "CD", REPX_STATE_DONE},
    {"COMPLETING", "CG", REPX_STATE_RUNNING},
    {"CONFIGURING", "CF", REPX_STATE_RUNNING},
    {"DEADLINE", "DL", REPX_STATE_TIMEOUT},
    {"FAILED", "F", REPX_STATE_FAILED},
    {"LAUNCH_FAILED", "", REPX_STATE_FAILED},
    {"NODE_FAIL", "NF", REPX_STATE_NODE},
    {"OUT_OF_MEMORY", "OOM", REPX_STATE_MEMORY},
    {"PENDING", "PD", REPX_STATE_PENDING},
    {"PREEMPTED", "PR", REPX_STATE_CANCELED},
    {"REQUEUED", "RQ", REPX_STATE_PENDING},
    {"REQUEUE_FED", "RF", REPX_STATE_PENDING},
    {"REQUEUE_HOLD", "RH", REPX_STATE_PENDING},
    {"RESIZING", "RS", REPX_STATE_RUNNING},
    {"RESV_DEL_HOLD", "RD", REPX_STATE_PENDING},
    {"REVOKED", "RV", REPX_STATE_CANCELED},
    {"RUNNING", "R", REPX_STATE_RUNNING},
    {"SIGNALING", "SI", REPX_STATE_RUNNING},
    {"SPECIAL_EXIT", "SE", REPX_STATE_PENDING},
    {"STAGE_OUT", "SO", REPX_STATE_RUNNING},
    {"STOPPED", "ST", REPX_STATE_RUNNING},
    {"SUSPENDED", "S", REPX_STATE_RUNNING},
    {"TIMEOUT", "TO", REPX_STATE_TIMEOUT},
};

/* A state as squeue and sacct print it, long or short, with whatever follows it. */
static uint32_t slurm_state(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

    for (size_t i = 0; n && i < sizeof(states) / sizeof(states[0]); i++) {
        if ((strlen(states[i].name) == n && strncmp(text, states[i].name, n) == 0) ||
            (strlen(states[i].brief) == n && strncmp(text, states[i].brief, n) == 0))
            return states[i].state;
    }
    return REPX_STATE_RUNNING; /* a state of a newer Slurm: it is still there */
}

/* ---- rows ---- */

/* The last component of a path, when it is a key. 1 or 0. */
static int slurm_key_of_path(const char *path, char key[REPX_KEY_SIZE])
{
    const char *slash = strrchr(path, '/');
    static const char parent[] = "/sub";

    if (!slash || (size_t)(slash - path) < sizeof(parent) - 1 ||
        strncmp(slash - (sizeof(parent) - 1), parent, sizeof(parent) - 1) != 0)
        return 0;
    return repx_key_take(slash + 1, strlen(slash + 1), key);
}

/* Cut off the next field at '|'; NULL when there is none. */
static char *next_field(char **rest)
{
    char *field = *rest;
    char *bar = field ? strchr(field, '|') : NULL;

    if (!bar)
        return NULL;
    *bar = 0;
    *rest = bar + 1;
    return field;
}

/* "7" is an index; "N/A" and lists such as "1-5,7%2" are none. */
static int64_t index_of(const char *text)
{
    size_t n = strspn(text, DIGITS);

    return n > 0 && n < 10 && text[n] == 0 ? strtoll(text, NULL, 10) : -1;
}

/* "1-5,7%2" without what limits them; NULL when it is no list of indices. Changes it. */
static const char *slurm_indices(char *text)
{
    size_t n = strspn(text, DIGITS "-,");

    if (n == 0 || (text[n] != 0 && text[n] != '%' && text[n] != ']'))
        return NULL; /* "N/A", or a list that was cut off */
    text[n] = 0;
    return text;
}

/* What the state alone tells of the cause, else the scheduler's own word. */
static const char *reason_of(const char *state, const char *reason)
{
    if (strncmp(state, "PREEMPTED", 9) == 0)
        return "preempted";
    if (strncmp(state, "CANCELLED", 9) == 0 && strncmp(reason, "Depend", 6) == 0)
        return "dependency";
    return strcmp(reason, "None") == 0 ? "" : reason;
}

int slurm_parse_queue(char *line, struct slurm_row *row)
{
    char *rest = line, *field[5];

    *row = (struct slurm_row){.index = -1, .by = -1};
    for (size_t i = 0; i < 5; i++) {
        field[i] = next_field(&rest);
        if (!field[i])
            return 0;
    }
    if (!take_id(field[0], strlen(field[0]), row->id))
        return 0;
    row->index = index_of(field[1]);
    row->state = slurm_state(field[2]);
    row->reason = reason_of(field[2], field[3]);
    if (row->index < 0)
        row->indices = slurm_indices(field[1]);
    row->node = field[4];
    /* comments are free text, with '|' or whatever in them */
    if (strncmp(rest, COMMENT, sizeof(COMMENT) - 1) == 0) {
        const char *key = rest + sizeof(COMMENT) - 1;
        (void)repx_key_take(key, strcspn(key, "|"), row->key);
    }
    if (!row->key[0])
        (void)slurm_key_of_path(rest, row->key);
    return 1;
}

/* "123", "123_4", "123_[5-9]"; steps ("123.batch") are none. */
static int account_id(char *text, struct slurm_row *row)
{
    size_t n = strspn(text, DIGITS);

    if (!take_id(text, n, row->id) || (text[n] != 0 && text[n] != '_'))
        return 0;
    if (strchr(text, '.'))
        return 0;
    row->index = text[n] == '_' ? index_of(text + n + 1) : -1;
    if (text[n] == '_' && text[n + 1] == '[')
        row->indices = slurm_indices(text + n + 2);
    return 1;
}

/* "CANCELLED by 1001" */
static int64_t uid_of(const char *state)
{
    static const char mark[] = "CANCELLED by ";

    if (strncmp(state, mark, sizeof(mark) - 1) != 0)
        return -1;
    return index_of(state + sizeof(mark) - 1);
}

int slurm_parse_account(char *line, struct slurm_row *row)
{
    char *rest = line;
    char *id = next_field(&rest), *state = next_field(&rest), *exit = next_field(&rest);

    *row = (struct slurm_row){.index = -1, .reason = "", .node = "", .by = -1};
    if (!exit || !account_id(id, row))
        return 0;
    row->state = slurm_state(state);
    row->reason = reason_of(state, "");
    row->by = uid_of(state);
    (void)slurm_key_of_path(rest, row->key);
    return 1;
}

int64_t slurm_config_number(const char *config, const char *name, int64_t absent)
{
    size_t length = strlen(name);

    while (*config) {
        size_t line = strcspn(config, "\n");
        const char *p = config + (line < length ? line : length);
        p += strspn(p, " \t");
        if (strncmp(config, name, length) == 0 && *p == '=') {
            p += 1 + strspn(p + 1, " \t");
            size_t n = strspn(p, DIGITS);
            return n > 0 && n < 18 ? strtoll(p, NULL, 10) : absent;
        }
        config += line + (config[line] == '\n');
    }
    return absent;
}
