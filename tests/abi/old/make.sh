#!/bin/bash
# SPDX-License-Identifier: MIT
# make.sh SDK NAME: binaries of plugins for tests/abi/old/NAME, as their authors' SDK made them.
# SDK is the prefix of an installed repx of that time.
#
# What lies here was made in epoch 0 from copies of the headers of ABI 0.1, to stand in for the
# past and for the future until there are real ones:
#
#     smaller   vtables without what came last (transport: login, logout, suits; sync: connect)
#     larger    vtables with two functions more, a descriptor with one member more, and rows of
#               keys that are longer
#
#     make.sh SDK smaller; make.sh SDK larger
#
# When the contract is frozen, add a directory for each release: plugins as that release's SDK
# builds them, never built again.
set -eu
here=$(cd "$(dirname "$0")" && pwd) source=$(cd "$(dirname "$0")/../../.." && pwd)
sdk=$(cd "$1" && pwd) name=$2 to=$here/$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
PKG_CONFIG_PATH=$(dirname "$(find "$sdk" -name repx-plugin.pc)")
export PKG_CONFIG_PATH
cp -r "$(pkg-config --variable=includedir repx-plugin)/repx" "$work/repx"
cp "$source/plugins/transport-local/local.c" "$source/tests/plugins/sync-plain/plain.c" "$work"

smaller() {
	perl -0pi -e 's/    \/\* Optional\. Authenticate once.*?(\n\};)/$1/s' "$work/repx/transport.h"
	perl -0pi -e 's/    \/\* Bootstrap only, NULL otherwise: reach the agent.*?(\n\};)/$1/s' "$work/repx/sync.h"
	perl -0pi -e 's/    \.suits = local_suits,\n//; s/static int32_t local_suits/__attribute__((unused)) $&/' "$work/local.c"
}
larger() {
	local more='    int32_t (*later)(void *self);\n    int32_t (*last)(void *self);'
	perl -0pi -e "s/(struct repx_err \*why\);)/\$1\n$more/" "$work/repx/transport.h"
	perl -0pi -e "s/(\(\*connect\)[^;]*;)/\$1\n$more/" "$work/repx/sync.h"
	perl -0pi -e 's/(uint64_t field_stride;[^\n]*)/$1\n    const char *homepage;/; s/(const char \*help; [^\n]*)/$1\n    const char *unit;/' "$work/repx/plugin.h"
	perl -0pi -e 's/    \.suits = local_suits,\n/    .suits = local_suits,\n    .later = later,\n    .last = later,\n/; s/(static const struct repx_transport_ops ops)/static int32_t later(void *self)\n{\n    (void)self;\n    return 7;\n}\n\n$1/' "$work/local.c"
	perl -0pi -e 's/(    )\.vtable = &ops,/$1.fields = fields, .field_count = 1, .homepage = "https:\/\/example.org",\n$1.vtable = &ops,/; s/(static const struct repx_plugin plugin)/static const struct repx_field fields[] = {{"shell", REPX_FIELD_STRING, 0, 0, 0, "sh", "which shell", "none"}};\n\n$1/' "$work/local.c"
}
"$name"

build() { # KIND-NAME SOURCE
	# shellcheck disable=SC2046 # words
	"${CC:-cc}" -std=c17 -D_POSIX_C_SOURCE=200809L -DREPX_VERSION='"0.1"' -Os -fPIC -fvisibility=hidden -shared -s \
		-Wl,--exclude-libs,ALL -Wl,-z,defs -Wl,--gc-sections -ffunction-sections -I "$work" $(pkg-config --cflags repx-plugin) \
		-o "$to/$1.so" "$work/$2" $(pkg-config --libs repx-plugin)
	"$(pkg-config --variable=manifest repx-plugin)" "$to/$1.so"
	sed -i '1i # SPDX-License-Identifier: MIT' "$to/$1.ini"
}
mkdir -p "$to"
build transport-local local.c
build sync-plain plain.c
