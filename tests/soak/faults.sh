#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faults at random moments of runs under Slurm, 200 times: tests/soak/faults.sh [COUNT [SEED]]
# Several clusters of its own work at it at once (LANES, 3): a round mostly waits.
set -eu
export DEEP=${DEEP-1}
count=${1:-200} seed=${2:-$RANDOM} lanes=${LANES:-3}
test_file=$(dirname "$0")/../e2e/faults.t
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo "# seed $seed, $count faults, $lanes at a time"

lane() {
	local rounds=$((count / lanes + ($1 <= count % lanes)))
	ROUNDS=$rounds SEED=$((seed + $1 - 1)) bash "$test_file" 2>&1 |
		tee "$out/$1" | sed -u "s/^/[$1] /"
}
for ((i = 1; i <= lanes; i++)); do lane "$i" & done
wait

echo "# seconds of a round, by fault:"
cat "$out"/* | sed -n 's/^# \([a-z0-9-]*:[a-z]*\): \([0-9]*\) s$/\1 \2/p' |
	awk '{ n[$1]++; s[$1] += $2; if ($2 > m[$1]) m[$1] = $2 }
		END { for (f in n) printf "#   %-20s %3d times, %5.1f s, at most %d s\n", f, n[f], s[f] / n[f], m[f] }' | sort
good=$(cat "$out"/* | grep -c '^ok .* - round ' || true)
bad=$(cat "$out"/* | grep -c '^not ok ' || true)
echo "# $good of $count rounds right, $bad wrong, in $((SECONDS / 60)) min"
[[ $good -eq $count && $bad -eq 0 ]]
