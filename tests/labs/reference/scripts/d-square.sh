#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
number=$(input number)
awk '{ print $1 * $1 }' "$number" >"$out/squared.txt"
