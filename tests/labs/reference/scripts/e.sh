#!/bin/sh
# SPDX-License-Identifier: MIT
. "${0%/*}/../share/scripts/lib.sh"
sums=$(input sums)
awk '{ total += $1 } END { print total }' "$sums" >"$out/total.txt"
