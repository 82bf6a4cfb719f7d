#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
sums=$(input sums)
awk '{ total += $1 } END { print total }' "$sums" >"$out/total.txt"
