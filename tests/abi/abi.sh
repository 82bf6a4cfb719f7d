#!/bin/bash
# SPDX-License-Identifier: MIT
# abi.sh SOURCE: the contract is what its baseline says; and what would break it, made in copies
# of the headers, is seen, while what may be added is not.
# shellcheck disable=SC2016,SC2317 # edits are evaluated; functions are called by name
set -u
source=$1 here=$1/tests/abi number=0 failed=0
command -v abidiff >/dev/null || { echo "1..0 # SKIP no abidiff"; [ -z "${CI:-}" ] || exit 1; exit 77; }
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT

check() { # SENTENCE COMMAND...
	number=$((number + 1))
	local sentence=$1
	shift
	if "$@" >"$dir/said" 2>&1; then
		echo "ok $number - $sentence"
	else
		echo "not ok $number - $sentence"
		sed 's/^/# /' "$dir/said" | head -n 30
		failed=1
	fi
}

all_types() {
	grep -hoE '^struct repx_[a-z_]+ \{' "$source"/sdk/include/repx/*.h | tr -d '{' | while read -r _ type; do
		grep -q "TYPE($type)" "$here/types.c" || echo "$type"
	done | { ! grep .; }
}

# With that edit of a header compare.sh says STATUS.
edited() { # STATUS HEADER EDIT
	rm -rf "$dir/include" && cp -r "$source/sdk/include" "$dir/include" || return 1
	perl -0pi -e "$3" "$dir/include/repx/$2"
	if cmp -s "$dir/include/repx/$2" "$source/sdk/include/repx/$2"; then echo 'the edit fits nothing'; return 1; fi
	local status=0
	"$here/compare.sh" "$dir/include" >"$dir/told" 2>&1 || status=$?
	cat "$dir/told"
	[ "$status" -eq "$1" ] && { [ "$status" -eq 0 ] || grep -q '^the contract is broken' "$dir/told"; }
}
breaks() { check "seen: $1" edited 1 "$2" "$3"; }
may_be() { check "no break: $1" edited 0 "$2" "$3"; }

check 'types.c has every public type' all_types
check 'the contract is what its baseline says' "$here/compare.sh" "$source/sdk/include"
breaks 'a function is gone' transport.h 's/    void \(\*stats\)\([^;]*;//'
breaks 'two functions in another order' transport.h 's/(    void \(\*end\)[^;]*;)(.*?)(    void \(\*stats\)[^;]*;)/$3$2$1/s'
breaks 'a member in the middle' transport.h 's/(    uint64_t logins;)/    uint64_t first;\n$1/'
breaks 'a smaller member at the end' scheduler.h 's/(-1 unknown[^;]*?)int64_t remembers_s/$1int32_t remembers_s/s'
breaks 'an argument of another type' transport.h 's/uint32_t channel, void \*to/uint64_t channel, void *to/'
breaks 'an argument more' sync.h 's/(\(\*room\)\(void \*ctx, )/$1int32_t which, /'
breaks 'another result' transport.h 's/int32_t \(\*half_close\)/int64_t (*half_close)/'
breaks 'a number with another value' plugin.h 's/(REPX_E_LINK) 4/$1 14/'
breaks 'a number that is gone' transport.h 's/#define REPX_OPEN_REUSE.*//'
breaks 'an error that grows' plugin.h 's/(char text\[REPX_ERR_TEXT\];)/$1\n    uint64_t more;/'
breaks 'a member at the end, and another gone' transport.h 's/(struct repx_err \*why\);)/$1\n    int32_t (*later)(void *self);/; s/    void \(\*end\)\(void \*stream\);//'
may_be 'a function at the end' transport.h 's/(struct repx_err \*why\);)/$1\n    int32_t (*later)(void *self);/'
may_be 'two services at the end' sync.h 's/(uint8_t digest\[REPX_DIGEST_LEN\], struct repx_err \*err\);\n)(\};)/$1    int32_t (*later)(void *ctx);\n    int32_t (*last)(void *ctx);\n$2/'
may_be 'a member of the descriptor at the end' plugin.h 's/(uint64_t field_stride;[^\n]*)/$1\n    const char *homepage;/'
may_be 'a new number and a new type' plugin.h 's/(#define REPX_ERR_TEXT 2040)/$1\n#define REPX_E_NEW 11\nstruct repx_new { uint64_t size; };/'
echo "1..$number"
exit $failed
