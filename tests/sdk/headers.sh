#!/bin/bash
# SPDX-License-Identifier: MIT
# headers.sh SOURCE PLUGINS: each header of the contract stands alone, in C99 and C++11, for
# gcc and clang; layouts are what they were; a plugin exports one symbol.
# shellcheck disable=SC2016,SC2317 # texts of other programs; the checks are called by name
set -u
declare -A cxx=([gcc]=g++ [clang]=clang++)
source=$1 plugins=$2 number=0 failed=0
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT

check() { # SENTENCE COMMAND...
	number=$((number + 1))
	local sentence=$1
	shift
	if "$@" >"$dir/said" 2>&1; then
		echo "ok $number - $sentence"
	else
		echo "not ok $number - $sentence"
		sed 's/^/# /' "$dir/said" | head -n 20
		failed=1
	fi
}

compile() { # COMPILER FLAGS... FILE
	"$@" -Wall -Wextra -Werror -pedantic-errors -fsyntax-only -I "$source/sdk/include"
}

one_symbol() { [ "$(nm -D --defined-only "$1" | awk '{ print $3 }')" = repx_plugin_v0 ]; }
none_of_ours_missing() { ! nm -D --undefined-only "$1" | grep -i repx; }
includes_only() { ! grep -hE '^ *# *include' "$1" | grep -vE '<(repx/[a-z]+|stddef|stdint)\.h>'; }

# Each function of a header is in the page about it.
documented() { # HEADER PAGE
	grep -oE '\(\*[a-z_]+\)\(' "$source/sdk/include/repx/$1" | tr -d '(*)' | sort -u |
		while read -r name; do
			grep -qw -- "$name" "$source/sdk/man/$2" || echo "$name"
		done | { ! grep .; }
}

for header in "$source"/sdk/include/repx/*.h; do
	name=${header##*/}
	# twice: a header may be included again
	printf '#include <repx/%s>\n#include <repx/%s>\n' "$name" "$name" |
		tee "$dir/a.c" >"$dir/a.cc"
	check "$name includes only the contract and two headers of C" includes_only "$header"
	for cc in gcc clang; do
		command -v $cc >/dev/null || { echo "# there is no $cc"; continue; }
		check "$name is C99 for $cc" compile $cc -std=c99 "$dir/a.c"
		check "$name is C++11 for $cc" compile "${cxx[$cc]}" -std=c++11 "$dir/a.cc"
	done
done
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	check "layouts are as they were, for $cc" compile $cc -std=c11 "$source/tests/sdk/layout.c"
done
check 'repx-plugin(3) has every service of the host' documented plugin.h repx-plugin.3
for kind in transport scheduler sync; do
	check "repx-$kind(3) has every function" documented $kind.h repx-$kind.3
done
for page in plugin transport scheduler sync; do
	check "repx-$page(3) has each member of its header, and what the header says of it" \
		bash "$source/tests/sdk/reference_page.sh" "$source/sdk/include/repx/$page.h" "$source/sdk/man/repx-$page.3"
done
# Each member of a public struct is in the table of docs/plugins.md.
members() {
	cat "$source"/sdk/include/repx/*.h | perl -0ne '
		s|/\*.*?\*/||gs;
		while (/^struct repx_\w+ \{(.*?)^\};/msg) {
			for my $line (split /;/, $1) {
				if ($line =~ /\(\*(\w+)\)/) { print "$1\n"; next }
				$line =~ s/\[[^]]*\]//g;
				$line =~ s/^.*?(\w+(\s*,\s*\**\w+)*)\s*$/$1/s;
				print "$_\n" for $line =~ /\w+/g;
			}
		}' | sort -u | grep -vx 'size\|reserved'
}
in_the_table() {
	sed -n '/^## The contract, member by member/,$p' "$source/docs/plugins.md" | grep -o '`[a-z_]*`' | tr -d '`' | sort -u >"$dir/table"
	members >"$dir/members"
	[ "$(wc -l <"$dir/members")" -gt 100 ] && ! comm -23 "$dir/members" "$dir/table" | grep .
}
check 'the table of docs/plugins.md has every member' in_the_table
for so in "$plugins"/*.so; do
	check "${so##*/} exports one symbol" one_symbol "$so"
	check "${so##*/} needs no symbol of ours" none_of_ours_missing "$so"
done
echo "1..$number"
exit $failed
