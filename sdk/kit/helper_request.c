/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "helper_request.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "err.h"

static int bad(struct repx_err *err, const char *what)
{
    return repx_fail(err, REPX_E_CORRUPT, "request: %s", what);
}

const char *repx_helper_result_name(uint32_t result)
{
    static const char *const names[] = {"?", "accepted", "refused", "room", "perhaps"};

    return result < sizeof(names) / sizeof(*names) ? names[result] : "?";
}

const char *repx_helper_state_name(uint32_t state)
{
    static const char *const names[] = {"?",      "pending",  "running", "done",
                                        "failed", "canceled", "timeout", "memory",
                                        "node",   "ended"};

    return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

/* A string of the object, or NULL when absent; -1 when it is of another type. */
static int text_of(const json_t *o, const char *key, const char **to)
{
    const json_t *v = json_object_get(o, key);

    *to = NULL;
    if (!v || json_is_null(v))
        return 0;
    *to = json_string_value(v);
    return *to ? 0 : -1;
}

static int number_of(const json_t *o, const char *key, int64_t absent, int64_t *to)
{
    const json_t *v = json_object_get(o, key);

    *to = absent;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_integer(v))
        return -1;
    *to = json_integer_value(v);
    return 0;
}

/* An array of strings as a vector that ends with NULL; NULL when absent. */
static int strings_of(const json_t *o, const char *key, const char ***to, size_t *count)
{
    const json_t *v = json_object_get(o, key);
    size_t n = json_array_size(v);

    *to = NULL;
    *count = 0;
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_array(v) || n > REPX_HELPER_LIST_MAX)
        return -1;
    *to = repx_array(n + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        (*to)[i] = json_string_value(json_array_get(v, i));
        if (!(*to)[i])
            return -1;
    }
    *count = n;
    return 0;
}

static int key_ok(const char *key)
{
    size_t n = key ? strlen(key) : 0;

    return n >= 13 && n <= 32 &&
           strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static int dep_of(const json_t *v, struct repx_dep *d)
{
    static const char *const types[] = {"ok", "any", "corr"};
    const char *type;

    if (!json_is_object(v) || text_of(v, "type", &type) < 0 || !type ||
        text_of(v, "id", &d->id) < 0 || text_of(v, "key", &d->key) < 0)
        return -1;
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(type, types[i]) == 0)
            d->type = i + 1;
    }
    return d->type && (d->id || key_ok(d->key)) ? 0 : -1;
}

static int deps_of(const json_t *o, struct repx_dep **to, size_t *count)
{
    const json_t *v = json_object_get(o, "deps");
    size_t n = json_array_size(v);

    if (!v)
        return 0;
    if (!json_is_array(v) || n > REPX_HELPER_LIST_MAX)
        return -1;
    *to = repx_array(n + 1, sizeof(**to));
    *count = n;
    for (size_t i = 0; i < n; i++) {
        if (dep_of(json_array_get(v, i), *to + i) < 0)
            return -1;
    }
    return 0;
}

static int resources_of(const json_t *o, struct repx_resources *r)
{
    const json_t *v = json_object_get(o, "res");
    const char **native = NULL;
    size_t count = 0;

    r->size = sizeof(*r);
    if (v && !json_is_object(v))
        return -1;
    if (number_of(v, "cpus", REPX_UNSET, &r->cpus) < 0 ||
        number_of(v, "mem", REPX_UNSET, &r->memory) < 0 ||
        number_of(v, "mem_per_cpu", REPX_UNSET, &r->memory_per_cpu) < 0 ||
        number_of(v, "time", REPX_UNSET, &r->time) < 0 ||
        number_of(v, "nodes", REPX_UNSET, &r->nodes) < 0 ||
        number_of(v, "tasks", REPX_UNSET, &r->tasks) < 0 ||
        number_of(v, "gpus", REPX_UNSET, &r->gpus) < 0 ||
        number_of(v, "exclusive", REPX_UNSET, &r->exclusive) < 0)
        return -1;
    if (text_of(v, "queue", &r->queue) < 0 || text_of(v, "account", &r->account) < 0 ||
        text_of(v, "qos", &r->qos) < 0 || text_of(v, "constraint", &r->constraint) < 0)
        return -1;
    int rc = strings_of(v, "native", &native, &count);
    r->native = native;
    r->native_count = count;
    return rc;
}

static int unit_of(const json_t *v, struct repx_unit *u)
{
    const char **argv = NULL;
    size_t argc = 0, deps = 0;
    struct repx_dep *list = NULL;
    int64_t array;

    u->size = sizeof(*u);
    int rc = strings_of(v, "argv", &argv, &argc);
    u->argv = argv;
    if (deps_of(v, &list, &deps) < 0)
        rc = -1;
    u->deps = list;
    u->dep_count = deps;
    u->dep_stride = sizeof(*list);
    if (resources_of(v, &u->resources) < 0)
        rc = -1;
    if (rc < 0 || text_of(v, "key", &u->key) < 0 || !key_ok(u->key) ||
        text_of(v, "name", &u->name) < 0 || !u->name ||
        text_of(v, "body", &u->body) < 0 || text_of(v, "workdir", &u->workdir) < 0 ||
        !u->workdir || u->workdir[0] != '/' || number_of(v, "array", 0, &array) < 0 ||
        array < 0 || array > 10000000)
        return -1;
    u->array = (uint64_t)array;
    return argc || u->body ? 0 : -1;
}

static int units_of(struct repx_helper_request *r, struct repx_err *err)
{
    const json_t *v = json_object_get(r->root, "units");
    size_t n = json_array_size(v);

    if (!json_is_array(v) || n == 0 || n > REPX_HELPER_LIST_MAX)
        return bad(err, "\"units\" must be a list");
    r->units = repx_array(n, sizeof(*r->units));
    r->unit_count = n;
    for (size_t i = 0; i < n; i++) {
        if (unit_of(json_array_get(v, i), r->units + i) < 0)
            return repx_fail(err, REPX_E_CORRUPT, "request: unit %zu is not valid", i);
    }
    return 0;
}

static int verb_of(struct repx_helper_request *r, const char *verb,
                   struct repx_err *err)
{
    int64_t scope;

    if (strcmp(verb, "submit") == 0)
        return units_of(r, err);
    if (strcmp(verb, "find") == 0 &&
        (strings_of(r->root, "keys", &r->list, &r->list_count) < 0 ||
         number_of(r->root, "since", 0, &r->since) < 0))
        return bad(err, "\"keys\" must be a list of keys");
    if (strcmp(verb, "ended") == 0 && number_of(r->root, "since", 0, &r->since) < 0)
        return bad(err, "\"since\" must be a number");
    for (size_t i = 0; strcmp(verb, "find") == 0 && i < r->list_count; i++) {
        if (!key_ok(r->list[i]))
            return bad(err, "not a key in \"keys\"");
    }
    if (strcmp(verb, "cancel") == 0 &&
        strings_of(r->root, "ids", &r->list, &r->list_count) < 0)
        return bad(err, "\"ids\" must be a list of ids");
    if (strcmp(verb, "amend") == 0 && (text_of(r->root, "id", &r->id) < 0 || !r->id ||
                                       deps_of(r->root, &r->deps, &r->dep_count) < 0))
        return bad(err, "\"id\" and \"deps\" are needed");
    if (number_of(r->root, "scope", REPX_SCOPE_MINE, &scope) < 0 || scope < 0 ||
        scope > UINT32_MAX)
        return bad(err, "\"scope\" must be a number");
    r->scope = (uint32_t)scope;
    return 0;
}

int repx_helper_parse(struct repx_helper_request *r, const char *verb, const char *text,
                      size_t n, struct repx_err *err)
{
    json_error_t at;
    int64_t version;

    *r = (struct repx_helper_request){0};
    r->root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
    int rc = 0;
    if (!json_is_object(r->root)) {
        rc = repx_fail(err, REPX_E_CORRUPT, "request: not a JSON object: %s", at.text);
    } else if (number_of(r->root, "v", 0, &version) < 0 || version != 1) {
        rc = repx_fail(
            err, REPX_E_UNSUPPORTED,
            "request: version \"v\" must be 1: the helper and the agent do not "
            "belong together");
    } else if (number_of(r->root, "timeout_ms", 0, &r->timeout_ms) < 0 ||
               r->timeout_ms < 0) {
        rc = bad(err, "\"timeout_ms\" must be a number");
    }
    if (rc == 0) {
        r->config = json_object_get(r->root, "config");
        if (r->config && !json_is_object(r->config))
            rc = bad(err, "\"config\" must be an object");
    }
    if (rc == 0)
        rc = verb_of(r, verb, err);
    if (rc < 0)
        repx_helper_request_free(r);
    return rc;
}

static void drop(const void *p)
{
    void *own;

    memcpy(&own, &p, sizeof(own));
    free(own);
}

void repx_helper_request_free(struct repx_helper_request *r)
{
    for (size_t i = 0; i < r->unit_count; i++) {
        drop(r->units[i].argv);
        drop(r->units[i].deps);
        drop(r->units[i].resources.native);
    }
    free(r->units);
    drop(r->list);
    free(r->deps);
    json_decref(r->root);
    *r = (struct repx_helper_request){0};
}
