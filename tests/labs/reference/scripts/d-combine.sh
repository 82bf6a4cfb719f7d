#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
squared=$(input squared) doubled=$(input doubled)
cat "$squared" "$doubled" | awk '{ sum += $1 } END { print sum }' >"$out/sum.txt"
