#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs as the target tells of them, without the Lab: on this machine's queue.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = followed
version = 1
[run chain]
stages = last, other
[run long]
stages = slow, after
[run quick]
stages = other
[stage bad]
script = bad.sh
output.x = $out/x
[stage mid]
script = copy.sh
input.x = bad.x
output.x = $out/x
[stage last]
script = copy.sh
input.x = mid.x
output.x = $out/x
[stage other]
script = copy.sh
output.x = $out/x
[stage slow]
script = slow.sh
output.x = $out/x
[stage after]
script = copy.sh
input.x = slow.x
output.x = $out/x
INI
printf '#!/bin/sh\ntest -f "%s/heal" || exit 3\necho x >"$1/x"\n' "$WORK" >"$WORK/def/bad.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\nsleep "$(cat %s/long 2>/dev/null || echo 2)"\necho x >"$1/x"\n' "$WORK" >"$WORK/def/slow.sh"
make_lab "$WORK/def"
# what needs no Lab is asked where there is none
export AWAY=$WORK/away
mkdir -p "$AWAY"
ended() { (cd "$AWAY" && repx status "$1" --json | jq -e .ended >/dev/null); }

check 'before anything ran there are no runs, and asking for one says so' '
	cd "$AWAY" && repx status | grep "No runs" && must_fail repx status last 2>err && grep "no run .last" err'

check 'a run is listed newest first: who, what, counts by state' '
	must_fail repx run chain --continue-on-failure --lab "$LAB" >/dev/null 2>&1 && repx run long --lab "$LAB" >/dev/null &&
	cd "$AWAY" && repx status >out && cat out && test "$(grep -c " going on\| ended" out)" -eq 2 &&
	head -n 1 out | grep " long$" && grep "local: chain" out && grep "ended: 1 succeeded, 1 failed, 2 blocked" out &&
	repx status -n 1 | grep -c ended | grep -x 1 && repx status --json | jq -es "length == 2 and .[0].states.succeeded == 2"'

check 'one screen tells what failed first and why, and what it blocks' '
	cd "$AWAY" && id=$(repx status --json | jq -rs ".[1].run") && repx status "$id" >out && cat out &&
	grep "1 succeeded, 1 failed, 2 blocked" out && grep -- "-bad-.*: exit 3" out && grep "2 by .*-bad-" out && grep "All jobs have ended" out'

check 'a run is named by its id, the beginning of it, the end of it, or last' '
	cd "$AWAY" && id=$(repx status --json | jq -rs ".[0].run") && repx status "${id#*-}" | grep "$id" &&
	repx status last | grep "$id" && must_fail repx status 2 2>err && grep "begins the names of 2 runs" err'

check 'cancel and retry take the same names, without the Lab where none is needed' '
	cd "$AWAY" && id=$(repx status --json | jq -rs ".[0].run") && repx cancel "${id#*-}" | grep "Nothing to cancel" &&
	repx retry "${id#*-}" --lab "$LAB" | grep "Nothing to retry" && must_fail repx cancel nope 2>err && grep "did not match any known run or job" err &&
	must_fail repx retry zzzzz --lab "$LAB" 2>err && grep "did not match any known run or job.*no run" err && exits 2 repx status last --wacth 2>err && grep "did you mean .--watch" err'

check '--watch on a terminal draws over itself, cut to its size; the last screen is whole' '
	echo 2 >"$WORK/long"; rm -rf "$BASE/outputs"; repx run long --detach --lab "$LAB" >/dev/null && cd "$AWAY" &&
	TERM=xterm timeout 30 script -qec "stty cols 40 rows 8; repx status last --watch" /dev/null </dev/null >out; tr -d "\r" <out | sed "s/\x1b\[[0-9]*[A-Z]//g" >lines; cat lines;
	grep -x "  submitted .\{28\}" lines && grep -x "\.\.\." lines && grep "^Run 20.*(long)" lines && tail -n 1 lines | grep "All jobs have ended"'

check '--watch in a pipe tells each change on a line, until all have ended' '
	echo 3 >"$WORK/long"; rm -rf "$BASE/outputs"; repx run long --detach --lab "$LAB" >/dev/null && cd "$AWAY" &&
	timeout 30 repx status last --watch >out && cat out && grep "1 queued, 1 running" out && tail -n 1 out | grep "2 succeeded; all have ended" &&
	test "$(wc -l <out)" -le 8'

check '--watch that is interrupted leaves, and cancels nothing' '
	echo 4 >"$WORK/long"; rm -rf "$BASE/outputs"; repx run long --detach --lab "$LAB" >/dev/null && cd "$AWAY" &&
	{ repx status last --watch >out & pid=$!; sleep 1; kill -INT $pid; wait $pid; } && grep "Left; the run goes on" out && within 20 ended last &&
	repx status last | grep "2 succeeded"'

check 'while it runs: what waits, and who runs longest' '
	echo 4 >"$WORK/long"; rm -rf "$BASE/outputs"; repx run long --detach --lab "$LAB" >/dev/null && cd "$AWAY" && sleep 1 &&
	repx status last >out && cat out && grep "1 queued, 1 running" out && grep "Running longest" out && grep -- "-slow-.* for" out && grep "Waiting" out;
	within 20 ended last'

check 'a scheduler that cannot be asked is no state: the last answer is shown with its age' '
	echo 6 >"$WORK/long"; rm -rf "$BASE/outputs"; repx run long --detach --lab "$LAB" >/dev/null && cd "$AWAY" && within 5 eval "repx status last | grep -q Waiting" &&
	for h in "$BASE"/bin/*/sched-local; do mv "$h" "$h.away"; done && sleep 2.5 && repx status last >out; cat out;
	for h in "$BASE"/bin/*/sched-local; do mv "$h.away" "$h"; done 2>/dev/null || for h in "$BASE"/bin/*/sched-local.away; do mv "$h" "${h%.away}"; done;
	grep "could not be asked" out && grep "Waiting, as the scheduler said [2-9]" out && grep "1 queued, 1 running" out && ! grep "left the queue" out; within 20 ended last'
