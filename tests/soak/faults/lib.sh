# SPDX-License-Identifier: MIT
# lib.sh: every execution leaves a line in B/ran/ran.<job>, whoever starts the script and
# wherever. Two at once cannot both have the lock; what is executed after it was complete finds
# the mark of the one before.
# shellcheck shell=sh disable=SC2034
set -eu
out=$1 inputs=$2 parameters=$3
ran=${out%%/outputs/*}/ran
me=$(echo "$out" | sed 's|.*/outputs/||; s|/attempts/.*||; s|/out$||' | tr / :)
exec 9>>"$ran/lock.$me"
flock -n 9 || echo "$me" >>"$ran/overlap"
test ! -e "$ran/done.$me" || echo "$me" >>"$ran/again"
echo "$$ $(hostname) ${SLURM_JOB_ID:-} $(date +%T.%N) $out" >>"$ran/ran.$me"
sleep 0.3

# paths of inputs whose names begin with a word
input() {
	awk -v name="$1" 'BEGIN { RS = "\"" }
		NR % 4 == 2 { key = $0 }
		NR % 4 == 0 && index(key, name) == 1 { print }' "$inputs"
}
finished() { : >"$ran/done.$me"; }
