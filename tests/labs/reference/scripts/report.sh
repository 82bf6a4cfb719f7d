#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=tests/labs/reference/scripts/lib.sh
. "${0%/*}/../share/scripts/lib.sh"
base=$(input store__base) metadata=$(input metadata)
awk 'BEGIN { RS = "\"" } /^[0-9a-z]+-E-[0-9.]+$/ { print }' "$metadata" | sort -u |
	while IFS= read -r job; do
		total=$base/outputs/$job/out/total.txt
		if [ -f "$total" ]; then cat "$total"; fi
	done >"$out/totals.txt"
