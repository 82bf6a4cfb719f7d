#!/bin/sh
# SPDX-License-Identifier: MIT
. "${0%/*}/../share/scripts/lib.sh"
first=$(input first) second=$(input second)
cat "$first" "$second" >"$out/all.txt"
