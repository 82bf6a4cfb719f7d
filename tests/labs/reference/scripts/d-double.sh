#!/bin/sh
# SPDX-License-Identifier: MIT
. "${0%/*}/../share/scripts/lib.sh"
number=$(input number)
awk '{ print 2 * $1 }' "$number" >"$out/doubled.txt"
