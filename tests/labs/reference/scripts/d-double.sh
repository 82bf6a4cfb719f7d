#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
number=$(input number)
awk '{ print 2 * $1 }' "$number" >"$out/doubled.txt"
