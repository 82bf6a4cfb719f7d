#!/bin/sh
# SPDX-License-Identifier: MIT
. "${0%/*}/../share/scripts/lib.sh"
squared=$(input squared) doubled=$(input doubled)
cat "$squared" "$doubled" | awk '{ sum += $1 } END { print sum }' >"$out/sum.txt"
