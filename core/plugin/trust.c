/* SPDX-License-Identifier: MIT */
#include "trust.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/trust.h>

/* The group that many systems make for each user. */
static int is_own_group(gid_t gid)
{
    const struct passwd *pw = getpwuid(geteuid());
    REPX_AUTO_FREE char *user = pw ? repx_strdup(pw->pw_name) : NULL;

    if (!user || pw->pw_gid != gid)
        return 0;
    const struct group *gr = getgrgid(gid);
    if (!gr || strcmp(gr->gr_name, user) != 0)
        return 0;
    for (char **member = gr->gr_mem; *member; member++) {
        if (strcmp(*member, user) != 0)
            return 0;
    }
    return 1;
}

int trust_file(const char *path, char **canonical, struct repx_err *err)
{
    int rc = repx_path_trust(path, is_own_group, canonical, err);

    if (rc == 0 && err)
        err->code = REPX_E_UNSUPPORTED;
    return rc == 1 ? 0 : -1;
}
