#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What many small jobs cost, beside what the machine allows, in one run and in turn:
#     tests/bench/jobs.sh [ROUNDS]        (3; files on /dev/shm; needs sshd for the second part)
# shellcheck source=../e2e/lib.sh disable=SC2119
cd "$(dirname "$0")/../e2e" || exit 1
export BENCH_ROUNDS=${1:-3}
exec bash -c '
. ./lib.sh
rounds=$BENCH_ROUNDS
FAST=$(mktemp -d /dev/shm/repx-bench.XXXXXX)
chmod 755 "$FAST"
trap "rm -rf \"$FAST\"; finish" EXIT
export XDG_STATE_HOME=$FAST/state XDG_CACHE_HOME=$FAST/cache
start_sshd >/dev/null 2>&1
sed -i "/targets.local\]/,/^\[targets.queue/s|^base_path.*|base_path = \"$FAST/store\"|" "$XDG_CONFIG_HOME/repx/config.toml"

sh "$TESTS/labs/wide.sh" 1000 "$FAST/w1000" >/dev/null
sh "$TESTS/labs/wide.sh" 100 "$FAST/w100" >/dev/null
sh "$TESTS/labs/wide.sh" 10000 "$FAST/w10000" >/dev/null
sleep 2.2
ms() { # NAME COMMAND...: milliseconds, appended to the file NAME
	local name=$1 start; shift
	start=$(date +%s%N)
	"$@" >"$FAST/out" 2>&1 || { echo "failed: $*"; cat "$FAST/out"; exit 1; }
	echo $((($(date +%s%N) - start) / 1000000)) >>"$FAST/$name"
}
median() { sort -n "$FAST/$1" | awk "{ v[NR] = \$1 } END { print v[int((NR + 1) / 2)] }"; }
by_xargs() {
	rm -rf "$FAST/x"; mkdir "$FAST/x"
	find "$FAST/w1000/jobs" -path "*/bin/*" -type f | xargs -P2 -I{} sh -c "mkdir \"$FAST/x/\$\$\"; exec {} \"$FAST/x/\$\$\" i p"
}
local_run() { repx run wide --lab "$FAST/w1000" --target local -j 2; }
for ((i = 0; i < rounds; i++)); do
	ms xargs by_xargs
	rm -rf "$FAST/store"; ms run1000 local_run
	ms noop1000 local_run
	as_user rm -rf "$TB_BASE"; ms ssh100 repx run wide --lab "$FAST/w100" --target queue
	ms sshnoop repx run wide --lab "$FAST/w100" --target queue
	ms sshtrue ssh -F "$HOME/.ssh/config" cluster true
	rm -rf "$FAST/cache"; ms list10k repx list --lab "$FAST/w10000"
	ms list10kwarm repx list --lab "$FAST/w10000"
done
row() { printf "%-44s %8s ms   %s\n" "$1" "$(median "$2")" "$3"; }
echo
row "1,000 jobs of echo: xargs -P2" xargs ""
row "1,000 jobs of echo: repx, local target" run1000 "goal: 1.5 x xargs"
row "1,000 jobs, nothing to do" noop1000 "goal: 100"
row "ssh true" sshtrue ""
row "100 jobs of echo over ssh" ssh100 "goal: 3000"
row "100 jobs over ssh, nothing to do" sshnoop ""
row "list, 10,000 jobs, first" list10k "goal: 350"
row "list, 10,000 jobs, unchanged" list10kwarm "goal: 120"
' "$0"
