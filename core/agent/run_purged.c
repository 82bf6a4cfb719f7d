/* SPDX-License-Identifier: MIT */
/* run_purged.c: results of a run that are no longer what their manifests say. */
#include "core/agent/follow.h"
#include "core/agent/manifest.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define NAMED 5
#define JOBS_MAX 50000 /* each costs some calls: a look at a larger run leaves it out */

json_t *summary_purged(const struct summary *s)
{
    json_t *named = json_array();
    json_int_t count = 0;

    for (size_t i = 0; s->run->count <= JOBS_MAX && i < s->run->count; i++) {
        json_t *plan =
            s->state.status[i] == JOB_SUCCEEDED ? run_plan(s->run, i, NULL) : NULL;
        const char *id = state_text(plan, "id", NULL);
        if (id && result_purged(s->site, id)) {
            if (count++ < NAMED)
                (void)json_array_append_new(named, json_string(id));
        }
        json_decref(plan);
    }
    return json_pack("{s:I,s:o}", "count", count, "first", named);
}
