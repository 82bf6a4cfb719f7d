#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/soak/faults/lib.sh
. "${0%/*}/../share/lib.sh"
input n | xargs cat | awk 'BEGIN { printf "[" } { printf "%s{\"n\": %d}", sep, $1; sep = ", " } END { print "]" }' \
	>"$out/work_items.json"
finished
