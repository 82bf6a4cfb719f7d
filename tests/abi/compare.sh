#!/bin/bash
# SPDX-License-Identifier: MIT
# compare.sh INCLUDE: the contract of these headers against the committed baseline of their
# version: types by abidiff, numbers by their text. Says what breaks, status 1. New numbers,
# and new members at the end of a struct, are no break; but repx_err may not grow, since its
# size is part of every caller's stack.
#
# A contract that is broken on purpose (only before it is frozen) gets a new minor version and
# a baseline of its own: compare.sh --write INCLUDE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
write=
if [ "$1" = --write ]; then write=1; shift; fi
include=$(cd "$1" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT

number() { sed -n "s/^#define REPX_ABI_$1 \([0-9]*\)$/\1/p" "$include/repx/version.h"; }
version=$(number MAJOR).$(number MINOR)
baseline=$here/baseline-$version

numbers() {
	sed -n 's/^#define \(REPX_[A-Z0-9_]*\)  *\(.*\)/\1 \2/p' "$include"/repx/*.h |
		sed 's| */\*.*||' | grep -v '^REPX_\(ABI_M\|EXPORT\|PLUGIN_SYMBOL\)' | LC_ALL=C sort
}

# What abidiff tells, without what may be: members that were added where the struct ended.
not_growth() {
	awk '
	function flush() { if (size != "") print size; size = "" }
	/^ *type size changed from [0-9]+ to [0-9]+ \(in bytes\)$/ {
		flush(); size = $0; end = $5; next
	}
	/data member insertions?:$/ { inserted = 1; next }
	inserted && /, at offset [0-9]+ \(in bytes\)$/ {
		n = $0; sub(/.*, at offset /, "", n); sub(/ .*/, "", n)
		if (size == "" || n + 0 < end + 0 || type == "repx_err") { print type ": " $0; next }
		grew = 1; next
	}
	{ if (grew) { size = ""; grew = 0 } else flush(); inserted = 0 }
	/struct repx_[a-z_]*.:?$/ { type = $0; sub(/.*struct /, "", type); sub(/[^a-z_].*/, "", type) }
	/^(Functions|Variables) changes summary: 0 Removed/ || /^ *$/ { next }
	/^[0-9]+ functions? with some indirect|^ *\[C\] .function|^ *parameter [0-9]+ of type .* has sub-type changes:$/ { next }
	/^ *in (pointed to|unqualified underlying) type .*:$/ || /type size hasn.t changed$/ { next }
	/^ *[0-9]+ data member changes?( \([0-9]+ filtered\))?:$/ || /^ *type of .* changed:$/ || /no data member change \([0-9]+ filtered\);$/ { next }
	/^[0-9]+ Added functions?:$|\[A\] / { next }
	{ print }
	END { if (!grew) flush() }'
}

cd "$work"
"${CC:-cc}" -std=gnu11 -g -O0 -fno-eliminate-unused-debug-types -shared -fPIC \
	-ffile-prefix-map="$here"=. -I "$include" -o types.so "$here/types.c"
if [ -n "$write" ]; then
	abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --out-file "$baseline.abixml" types.so
	numbers >"$baseline.numbers"
	echo "$baseline.abixml"
	exit
fi
[ -f "$baseline.abixml" ] || { echo "no baseline of $version: tests/abi/compare.sh --write sdk/include"; exit 1; }
status=0
abidiff --no-show-locs --show-dec --show-bytes "$baseline.abixml" types.so >said 2>&1 || status=$?
if ((status & 3)); then cat said; exit 1; fi
not_growth <said >breaks
numbers | LC_ALL=C comm -23 "$baseline.numbers" - | sed 's/^/number changed or gone: /' >>breaks
[ -s breaks ] || exit 0
echo "the contract is broken against its baseline of $version:"
cat breaks
exit 1
