#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What many files cost: memory on both sides, and how often a run waits for the target.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
requires python3 jq
export BENCH=$TESTS/bench FILES=20000
"$BENCH/make_lab.py" tiny "$WORK/lab" $FILES
"$BENCH/make_lab.py" tiny "$WORK/few" 20
run() { repx run bench --lab "$1" --target local --json "${@:2}"; }
export -f run

# peak FILE LAB: at most so many MiB of client and agent.
peak() {
	"$BENCH/peak.py" "$1" repx run bench --lab "$2" --target local && read -r ms client agent <"$1" &&
		echo "$ms ms, client $client MiB, agent $agent MiB"
}
export -f peak

# 100,000 files may take 128 MiB on either side
check 'sending 20,000 files takes little memory' '
	peak cold lab && ((client > 0 && client <= 22 && agent > 0 && agent <= 24))'
check 'as does finding that nothing is new' '
	peak noop lab && ((client > 0 && client <= 22 && agent <= 24))'

export XDG_STATE_HOME=$WORK/few-state

# waits LAB OPTION...: how often in a row a run waits for the far end, by what a delay adds.
waits() {
	local from mid end
	from=$(date +%s%N)
	run "$@" --fault delay=1ms >out && mid=$(date +%s%N) && run "$@" --fault delay=700ms >out && end=$(date +%s%N) || return 1
	echo $((((end - mid) - (mid - from) + 350000000) / 699000000))
}
export -f waits
check 'a run without news waits twice: for the agent, and for all answers' '
	run few >first && run few >second && jq -e ".round_trips == 2" second && same 2 "$(waits few)"'
check 'a changed Lab gets its own answers' '
	chmod 700 few/lab/lab-metadata.json && run few >first && same 2 "$(waits few)" &&
	jq -e ".labId == \"bench0000\"" "$XDG_STATE_HOME/repx/artifacts/lab/lab-metadata.json"'
check 'what a purge took comes back, though the note says that it is there' '
	rm -r "$XDG_STATE_HOME/repx/artifacts/jobs" && run few >first && jq -e ".round_trips > 2" first &&
	diff -r few/jobs "$XDG_STATE_HOME/repx/artifacts/jobs" && run few >second && jq -e ".round_trips == 2" second'
check 'so it is with a note that somebody broke' '
	for note in "$XDG_CACHE_HOME"/repx/sets/*; do sed -i "s/.\$/zz/; s/ .* / /" "$note"; done &&
	run few >first && jq -e ".round_trips > 2 and .bytes_sent < 10000" first && run few >second && jq -e ".round_trips == 2" second'
check 'and with --verify, which asks for nothing that is known' '
	run few --verify >first && jq -e ".round_trips > 2" first'
