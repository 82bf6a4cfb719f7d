#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows R0,seed,attack_rate,peak,peak_day,days become one: means, the spread of the attack rate,
# and the attack rate z of the deterministic model, z = 1 - exp(-R0 z).
# shellcheck source=examples/epidemic/lib.sh
. "${0%/*}/../share/lib.sh"

each_input outcome | while IFS= read -r file; do cat "$file"; done | awk -F, '
	{ n++; R0 = $1; z += $3; zz += $3 * $3; peak += $4; day += $5; length_ += $6 }
	END {
		variance = n > 1 ? (zz - z * z / n) / (n - 1) : 0
		theory = 1
		for (i = 0; i < 1000; i++) theory = 1 - exp(-R0 * theory)
		printf "%.2f,%d,%.3f,%.3f,%.3f,%.3f,%.1f,%.1f\n", R0, n, z / n,
			sqrt(variance > 0 ? variance : 0), theory, peak / n, day / n, length_ / n
	}' >"$out/row.csv"
