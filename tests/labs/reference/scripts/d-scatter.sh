#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
list=$(input list)
awk 'BEGIN { printf "[" } { printf "%s{\"n\": %d}", sep, $1; sep = ", " } END { print "]" }' \
	"$list" >"$out/work_items.json"
