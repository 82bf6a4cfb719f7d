#!/bin/bash
# SPDX-License-Identifier: MIT
# keys_page.sh REPX PLUGINS PAGE: the sections of repx-plugins(7) as the plugins' own tables say
# them, compared with the page. With --write they take their place in it.
set -eu
write=
if [ "$1" = --write ]; then write=1; shift; fi
repx=$1 plugins=$2 page=$3
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
export HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work REPX_PLUGIN_PATH=

for ini in "$plugins"/{transport,sched,sync}-*.ini; do
	name=$(basename "$ini" .ini)
	"$repx" --plugin-path "$plugins" plugin show "$name" --json | jq -r '
		def quoted: "\"" + . + "\"";
		".SS \(.kind)-\(.name)", (.summary | ascii_upcase[0:1] + .[1:] + "."),
		(.keys[] | ".TP", ".BR \(.name) " + (", \(.type)" + (if .min and .max then ", \(.min) to \(.max)" else "" end)
			+ (if .default then ", default \(.default)" else "" end) + (if .required then ", required" else "" end)
			+ (if .secret then ", secret" else "" end) | quoted), (.help | ascii_upcase[0:1] + .[1:] + "."))'
done | sed 's/-/\\-/g' >"$work/sections"

if [ -n "$write" ]; then
	awk -v sections="$work/sections" '
		/^\.\\" keys begin/ { print; while ((getline line <sections) > 0) print line; skip = 1; next }
		/^\.\\" keys end/ { skip = 0 }
		!skip' "$page" >"$work/page" && cp "$work/page" "$page"
fi
sed -n '/^\.\\" keys begin/,/^\.\\" keys end/p' "$page" | sed '1d;$d' | diff - "$work/sections"
