/* SPDX-License-Identifier: MIT */
/* runtime_find.c: the program of a runtime. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/runtime.h"

static char *in_dir(const char *dir, size_t n, const char *name)
{
    char *path = n && *dir == '/' ? repx_format("%.*s/%s", (int)n, dir, name) : NULL;
    struct stat st;

    if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *runtime_program(const struct runtime_request *q, const char *name,
                      const char *package, struct repx_err *err)
{
    static const char fixed[] = "/usr/local/bin:/usr/bin:/bin";
    const char *own = getenv("PATH");
    const char *const lists[] = {q->tools, own, fixed};

    for (size_t i = 0; i < 3; i++) {
        for (const char *at = lists[i]; at && *at;) {
            size_t n = i ? strcspn(at, ":") : strlen(at);
            char *path = in_dir(at, n, name);
            if (path)
                return path;
            at += n + (at[n] == ':');
        }
    }
    (void)repx_fail(err, REPX_E_NOENT,
                    "no %s among the Lab's host tools, in PATH, nor in /usr/local/bin, "
                    "/usr/bin, /bin; install %s on this machine, or choose another "
                    "runtime in execution_types",
                    name, package);
    return NULL;
}

int runtime_inside(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

char *runtime_outside(const struct runtime_request *q, size_t i)
{
    const char *const paths[] = {q->package, q->tools};

    for (size_t k = 0; k < 2; k++) {
        const char *path = paths[k];
        const char *slash = path ? strrchr(path, '/') : NULL;
        if (!path || runtime_inside(path, q->site->base) ||
            runtime_inside(path, q->site->state) || i-- > 0)
            continue;
        return k ? repx_strndup(path, (size_t)(slash - path)) : repx_strdup(path);
    }
    return NULL;
}
