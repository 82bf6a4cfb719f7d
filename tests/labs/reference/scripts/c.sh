#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
first=$(input first) second=$(input second)
cat "$first" "$second" >"$out/all.txt"
