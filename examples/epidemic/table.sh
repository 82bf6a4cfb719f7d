#!/bin/sh
# SPDX-License-Identifier: MIT
# One table of all rows, in the order of R0.
# shellcheck source=examples/epidemic/lib.sh
. "${0%/*}/../share/lib.sh"

{
	echo "R0,runs,attack_rate,attack_rate_sd,attack_rate_theory,peak,peak_day,days"
	each_input row | while IFS= read -r file; do cat "$file"; done | sort -t, -n -k1,1
} >"$out/table.csv"
