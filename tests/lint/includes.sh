#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may include what: a folder of core only those before it in core/CMakeLists.txt, the agent
# only wire, plugins only the SDK; each third-party library is seen in one place.
. "$(dirname "$0")/lib.sh"

order=$(sed -n 's/^foreach(folder \(.*\))$/\1/p' core/CMakeLists.txt)
[ -n "$order" ] || { echo "core/CMakeLists.txt lists no folders"; exit 1; }

# FILE:LINE:NAME, with the brackets that stood there
c_files | grep -v '^tests/' | xargs grep -nHE '^ *# *include *[<"]' |
	sed 's/^\([^:]*:[0-9]*\):.*include *\([<"][^>"]*[>"]\).*/\1 \2/' |
	awk -v order="$order" '
	function bad(why) { print $1 ": " name " " why; failed = 1 }
	function only(pattern, place) {
		if (name ~ pattern && $1 !~ place) bad("may be included only in " place)
	}
	BEGIN { n = split(order, folders, " "); for (i = 1; i <= n; i++) rank[folders[i]] = i }
	{
		name = $2
		only("^<cjson/|^<cJSON", "^core/json/")
		only("^<jansson", "^(core/agent/|sdk/kit/helper_)")
		only("^<ini\\.h>", "^core/ini/")
		only("^<toml\\+\\+", "^core/config/.*\\.cc:")
		only("^<libssh2", "^plugins/transport-ssh/")
		only("^<librsync", "^core/delta/")
		only("^<nettle/", "^core/wire/digest\\.c:")
		only("^<zstd", "^core/wire/block")
		only("^<archive(_entry)?\\.h>", "^core/archive/archive\\.c:")
		split($1, path, "/")
		inner = name; gsub(/[<>"]/, "", inner)
		if (path[1] == "core") {
			if (inner ~ /^core\//) {
				split(inner, to, "/")
				if (!(to[2] in rank)) bad("is in no folder of core")
				else if (path[2] == "agent" && to[2] != "agent" && to[2] != "wire" && to[2] != "delta")
					bad("is not for the agent: wire, delta and the SDK are")
				else if (path[2] != "agent" && path[2] != "delta" && to[2] == "delta")
					bad("is for the agent and the sync plugins")
				else if (rank[to[2]] > rank[path[2]]) bad("is above " path[2])
			}
			if (inner ~ /^(plugins|tests)\//) bad("is not for core")
		} else if ($1 ~ /^sdk\/conformance\// && inner ~ /^core\/(config|delta|json|plugin|wire)\//) {
			# loads plugins as the core does; no author includes it
		} else if ($1 ~ /^plugins\/sync-/ && inner ~ /^core\/delta\/delta\.h$/) {
			# an archive of its own, so that the client has no librsync
		} else if (inner ~ /^(core|plugins|tests)\// || inner ~ /^\.\./) {
			bad("is not for " path[1] ": only the SDK is")
		}
		if (path[1] == "sdk" && path[2] == "include" && inner ~ /^kit\//)
			bad("is no part of the contract")
	}
	END { exit failed }'
