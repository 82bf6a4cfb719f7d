/* SPDX-License-Identifier: MIT */
/* Image archives, honest and hostile, and host tools. */
#include "labpack_scratch.h"
#include "tap.h"

#include "core/labpack/labpack.h"

/* A shell function each case starts from: img/ with one layer, and what makes a tar. */
static const char prelude[] =
    "set -e; rm -rf img def/image.tar; mkdir -p img/aa\n"
    "layer() { mkdir -p \"img/$1\"; printf '%s' \"$2\" >file; tar --mtime=@0 -cf "
    "\"img/$1/layer.tar\" file; }\n"
    "sum() { sha256sum \"$1\" | cut -d' ' -f1; }\n"
    "config() { printf '{\"rootfs\":{\"diff_ids\":[\"sha256:%s\"]}}' \"$1\" "
    ">img/config.json; }\n"
    "manifest() { printf '[{\"Config\":\"config.json\",\"Layers\":[%s]}]' \"$1\" "
    ">img/manifest.json; }\n"
    "pack() { tar -C img -cf def/image.tar \"$@\"; }\n"
    "blob() { b=$(sum \"$1\"); mkdir -p img/blobs/sha256; mv \"$1\" \"img/blobs/sha256/$b\"; }\n"
    "desc() { printf '{\"digest\":\"sha256:%s\",\"size\":1}' \"$1\"; }\n"
    /* OCI layout of the same content; $c, $l, $m are its digests */
    "oci() { blob img/config.json; c=$b; blob img/aa/layer.tar; l=$b; rm -r img/aa img/manifest.json;\n"
    "  describe \"$(desc $c)\" \"$(desc $l)\"; }\n"
    "describe() { printf '{\"config\":%s,\"layers\":[%s]}' \"$1\" \"$2\" >img/m; blob img/m; m=$b; index \"$(desc $m)\"; }\n"
    "index() { printf '{\"manifests\":[%s]}' \"$1\" >img/index.json; }\n"
    "layer aa one; config \"$(sum img/aa/layer.tar)\"; manifest '\"aa/layer.tar\"'\n";

static const struct {
    const char *commands, *what;
    const char *says; /* NULL: it is taken, with the same content as the first */
} cases[] = {
    {"pack .", "a plain archive", NULL},
    {"pack manifest.json config.json aa", "without ./ and in another order", NULL},
    {"pack . && gzip def/image.tar && mv def/image.tar.gz def/image.tar",
     "a compressed archive", NULL},
    {"gzip -n img/aa/layer.tar && mv img/aa/layer.tar.gz img/aa/layer.tar && pack .",
     "a compressed layer", NULL},
    {"mkdir -p img/blobs && mv img/aa/layer.tar img/blobs/x && manifest '\"blobs/x\"' && "
     "pack .",
     "layers as blobs", NULL},
    {"mkdir img/bb && mv img/aa/layer.tar img/bb/layer.tar && ln -s ../bb/layer.tar "
     "img/aa/layer.tar && pack .",
     "a layer that is a link to another's", NULL},
    {"ln img/aa/layer.tar img/hard && pack .", "hard links", NULL},
    {"rm img/manifest.json && pack .", "no manifest", "holds no manifest.json"},
    {"rm -r img/aa && pack .", "a layer is missing", "aa/layer.tar is named in"},
    {"rm img/config.json && pack .", "no configuration", "config.json is named in"},
    {"layer aa two && pack .", "a layer that was changed", "configuration says"},
    {"manifest '' && pack .", "no layers", "has no Layers"},
    {"manifest '3' && pack .", "a layer that is a number", "must be texts"},
    {"echo '[]' >img/manifest.json && pack .", "no image", "exactly one image"},
    {"echo '{' >img/manifest.json && pack .", "broken JSON", "manifest.json"},
    {"rm img/aa/layer.tar && ln -s /etc/passwd img/aa/layer.tar && pack .",
     "a layer that is a link out", "is named in manifest.json, but not there"},
    {"rm img/aa/layer.tar && ln -s ../../../x img/aa/layer.tar && pack .",
     "a link that climbs", "not there"},
    {"rm img/aa/layer.tar && ln -s layer.tar img/aa/layer.tar && pack .",
     "a link to itself", "not there"},
    {"echo junk >def/image.tar", "no archive", "image.tar"},
    {"pack . && truncate -s 2000 def/image.tar", "an archive cut short", "image"},
    {"mkdir -p img/aa/x && printf '[{\"Config\":\"config.json\",\"Layers\":"
     "[\"../../x\"]}]' >img/manifest.json && pack .",
     "a name that climbs", "not there"},
    {"printf '[{\"Config\":\"/etc/passwd\",\"Layers\":[\"aa/layer.tar\"]}]' >img/manifest.json && pack .",
     "a configuration outside", "not there"},
    {"printf '[{\"Config\":\"config.json\",\"Layers\":[\"/etc/passwd\"]}]' >img/manifest.json && pack .",
     "a layer outside", "not there"},
    {"printf '[{\"Config\":\"aa\",\"Layers\":[\"aa/layer.tar\"]}]' >img/manifest.json && pack .",
     "a configuration that is a directory", "not there"},
    {"mkfifo img/pipe && manifest '\"pipe\"' && pack .", "a layer that is a pipe",
     "not there"},
    {"gzip -n img/aa/layer.tar && truncate -s -9 img/aa/layer.tar.gz && mv img/aa/layer.tar.gz "
     "img/aa/layer.tar && pack .",
     "a compressed layer cut short", "layer"},
    {"pack . && gzip def/image.tar && truncate -s -99 def/image.tar.gz && mv def/image.tar.gz def/image.tar",
     "a compressed archive cut short", "image.tar"},
    {"head -c 1200000000 /dev/zero | gzip -n >img/aa/layer.tar && pack .",
     "a layer that is a bomb", "unpacks to far more"},
    {"head -c 1200000000 /dev/zero | gzip -n | gzip -n >img/aa/layer.tar && pack .",
     "a bomb in a bomb", "unpacks to far more"},
    {"head -c 5000000 /dev/zero | tr '\\0' ' ' >>img/manifest.json && pack .",
     "a manifest that is a bomb", "larger than"},
    {"mkdir -p 'img/sha256:x' && mv img/aa/layer.tar 'img/sha256:x/layer.tar' && manifest "
     "'\"sha256:x/layer.tar\"' && pack .",
     "a layer with an odd name", NULL},
    {"oci && pack .", "an OCI layout", NULL},
    {"oci && rm img/index.json && pack .", "an OCI layout without index",
     "no index.json"},
    {"oci && index '{\"digest\":\"sha256:../../../../etc/passwd\"}' && pack .",
     "an OCI manifest outside", "only sha256"},
    {"oci && index '{\"digest\":\"sha512:00\"}' && pack .", "another kind of digest",
     "only sha256"},
    {"oci && index '{}' && pack .", "a descriptor without a digest", "only sha256"},
    {"oci && echo >>img/blobs/sha256/$m && pack .", "an OCI manifest that is another",
     "another digest"},
    {"oci && echo >>img/blobs/sha256/$c && pack .",
     "an OCI configuration that is another", "another digest"},
    {"oci && echo >>img/blobs/sha256/$l && pack .", "an OCI layer that is another",
     "configuration says"},
    {"oci && rm img/blobs/sha256/$l && pack .", "an OCI layer that is missing",
     "not there"},
    {"oci && rm img/blobs/sha256/$m && ln -s /etc/passwd img/blobs/sha256/$m && pack .",
     "an OCI manifest that is a link out", "is not there"},
    {"oci && describe \"$(desc $c)\" '' && pack .", "an OCI image without layers",
     "no layers"},
    {"oci && describe '{\"digest\":7}' \"$(desc $l)\" && pack .",
     "an OCI configuration without digest", "only sha256"},
    {"oci && for i in 1 2 3 4 5 6; do cp img/index.json img/i && blob img/i && index \"$(desc $b)\"; done && pack .",
     "indices in indices", "too many"},
    {"oci && index \"$(desc $m),$(desc $m)\" && pack .", "two OCI images",
     "names no image"},
};

static const char definition[] =
    "[run r]\nstages = s\nimage = image.tar\n"
    "[stage s]\nscript = s.sh\n";

static void archives_are_taken_or_refused(void)
{
    char first[LAB_PACK_ID] = "";

    put("def/lab.ini", definition);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lab_pack_report r = {.lab_id = ""};
        struct repx_err err = {0};
        REPX_AUTO_FREE char *script = repx_format("%s%s\n", prelude, cases[i].commands);
        put("make.sh", script);
        if (system("sh make.sh") != 0) {
            ok(0, "%s can be made", cases[i].what);
            continue;
        }
        int rc = lab_pack("def", "lab", &r, &err);
        if (cases[i].says) {
            ok(rc < 0 && err.code == REPX_E_CORRUPT && strstr(err.text, cases[i].says),
               "%s: %s", cases[i].what, err.text);
            continue;
        }
        if (!*first)
            memcpy(first, r.lab_id, sizeof(first));
        ok(rc == 0 && strcmp(first, r.lab_id) == 0, "%s: %s", cases[i].what, err.text);
    }
}

static void layers_are_shared(void)
{
    struct repx_err err = {0};

    put("def/lab.ini",
        "[run a]\nstages = s\nimage = image.tar\n[run b]\nstages = s\n"
        "image = two.tar\n[run c]\nstages = s\n"
        "[stage s]\nscript = s.sh\n");
    REPX_AUTO_FREE char *script = repx_format(
        "%spack .\nlayer bb two\nprintf '{\"rootfs\":{\"diff_ids\":[\"sha256:%%s\","
        "\"sha256:%%s\",\"sha256:%%s\"]}}' \"$(sum img/aa/layer.tar)\" "
        "\"$(sum img/bb/layer.tar)\" \"$(sum img/aa/layer.tar)\" >img/config.json\n"
        "manifest '\"aa/layer.tar\",\"bb/layer.tar\",\"aa/layer.tar\"'\n"
        "tar -C img -cf def/two.tar .\n",
        prelude);
    put("make.sh", script);
    ok(system("sh make.sh") == 0 && lab_pack("def", "lab", NULL, &err) == 0,
       "two images, one with a layer twice: %s", err.text);
    ok(system(
           "test \"$(ls lab/store | wc -l)\" = 2 && test \"$(ls lab/images | wc -l)\" "
           "= 2 && test \"$(ls lab/jobs | wc -l)\" = 3") == 0,
       "two layers in the store, and three jobs: the image enters the id");
    ok(system("for l in lab/images/*/*/layer.tar; do tar -tf \"$l\" || exit 1; done "
              ">/dev/null && test -z \"$(find lab -name .incomplete)\"") == 0,
       "every link leads to a layer, and nothing half is left");
}

static void host_tools_are_static_programs(void)
{
    struct repx_err err = {0};

    put("def/lab.ini",
        "[run r]\nstages = s\n[stage s]\nscript = s.sh\n[host-tools]\n"
        "one = tool\ntwo = tool\n");
    put("def/tool", "#!/bin/sh\n");
    ok(lab_pack("def", "tools", NULL, &err) == 0 &&
           system("cd tools/host-tools/*/bin && test -x one && test -x two && test "
                  "\"$(readlink one)\" = \"$(readlink two)\" && readlink one | grep -q "
                  "'^../../../store/'") == 0,
       "tools are links into the store: %s", err.text);
    put("def/lab.ini",
        "[run r]\nstages = s\n[stage s]\nscript = s.sh\n[host-tools]\n"
        "sh = /bin/sh\n");
    ok(lab_pack("def", "tools", NULL, &err) < 0 &&
           strstr(err.text, "dynamically linked"),
       "a dynamic program is refused: %s", err.text);
}

int main(void)
{
    if (scratch_begin() < 0)
        return 1;
    put("def/s.sh", "#!/bin/sh\n");
    archives_are_taken_or_refused();
    layers_are_shared();
    host_tools_are_static_programs();
    scratch_end();
    return tap_end();
}
