#!/bin/bash
# SPDX-License-Identifier: MIT
# old.sh SOURCE REPX KIT: plugins of other builds of the contract, as binaries in old/: this repx loads
# them and they keep their promises in it; those of another version are refused, and both are named.
set -u
source=$1 repx=$2 kit=$3 number=0 failed=0
[ "$(uname -m)" = x86_64 ] || { echo "1..0 # SKIP the binaries are for x86_64"; exit 77; }
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
export HOME=$dir XDG_CONFIG_HOME=$dir XDG_DATA_HOME=$dir
version=$(sed -n 's/^#define REPX_ABI_M[A-Z]* \([0-9]*\)$/\1/p' "$source/sdk/include/repx/version.h" | paste -sd .)

tell() { # STATUS SENTENCE: what was said is in $dir/said
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		sed 's/^/# /' "$dir/said" | tail -n 20
		failed=1
	fi
}

umask 077
for old in "$source"/tests/abi/old/*/; do
	name=$(basename "$old")
	mkdir "$dir/$name" && cp "$old"* "$dir/$name" # a checkout may be open to a group
	for so in "$dir/$name"/*.so; do
		what="$name/$(basename "$so")"
		abi=$(sed -n 's/^abi = //p' "${so%.so}.ini")
		if [ "$abi" != "$version" ]; then
			! "$repx" plugin check "$so" >"$dir/said" 2>&1 && grep -q "$abi.*$version" "$dir/said"
			tell $? "$what: of ABI $abi, refused by one of $version"
			continue
		fi
		"$repx" plugin check "$so" >"$dir/said" 2>&1
		tell $? "$what: is loaded"
		"$kit" "$so" --patience 20 >"$dir/said" 2>&1
		tell $? "$what: keeps its promises ($(sed -n 's/^ok.* - its vtable/its vtable/p' "$dir/said"))"
	done
done
echo "1..$number"
[ $number -gt 0 ] && exit $failed
