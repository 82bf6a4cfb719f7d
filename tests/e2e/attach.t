#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Following a run that somebody else started, and running again what failed.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = attached
version = 1
[run good]
stages = after
[run bad]
stages = last, other
[stage slow]
script = slow.sh
output.x = $out/x
[stage after]
script = copy.sh
input.x = slow.x
output.x = $out/x
[stage fails]
script = fails.sh
output.x = $out/x
[stage last]
script = copy.sh
input.x = fails.x
output.x = $out/x
[stage other]
script = copy.sh
output.x = $out/x
INI
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\nsleep 5\necho x >"$1/x"\n' >"$WORK/def/slow.sh"
printf '#!/bin/sh\nsleep 1\ntest -f "%s/heal" || exit 3\necho x >"$1/x"\n' "$WORK" >"$WORK/def/fails.sh"
make_lab "$WORK/def"
export AWAY=$WORK/away
mkdir -p "$AWAY"

check 'a detached run is followed to its end without its Lab: the lines of run, exit 0' '
	repx run good --detach --lab "$LAB" >/dev/null && cd "$AWAY" && timeout 30 repx attach last >out && cat out &&
	grep "Following run" out && grep ">> .*-slow-" out && grep "OK   .*-after-" out && grep "Executed 2 jobs" out'

check 'a run that has ended is told as it was' 'cd "$AWAY" && repx attach | grep "OK   .*-after-" && repx attach last --json | jq -e ".succeeded == 2 and .failed == 0"'

check 'a failing run is exit 1, with the reason' '
	repx run bad --continue-on-failure --detach --lab "$LAB" >/dev/null && cd "$AWAY" && must_fail timeout 30 repx attach last >out 2>err && cat out err &&
	grep "FAIL .*-fails-.*exit 3" out && grep "BLOCKED .*-last-" out && grep "1 failed, 1 blocked, 1 succeeded" err'

check 'Ctrl-C leaves and ends nothing' '
	touch "$WORK/heal"; rm -rf "$BASE/outputs"; repx run good --detach --lab "$LAB" >/dev/null && cd "$AWAY" &&
	{ repx attach last >out 2>err & pid=$!; sleep 1; kill -INT $pid; status=0; wait $pid || status=$?; test $status -eq 1; } && grep "the jobs go on" err &&
	repx status last | grep "1 running" && timeout 20 repx attach last >/dev/null'

check 'retry RUN runs what failed and what it blocked, and keeps the attempts' '
	rm -rf "$BASE/outputs" "$WORK/heal"; must_fail repx run bad --continue-on-failure --lab "$LAB" >/dev/null 2>&1; touch "$WORK/heal" && f=$(jobs_of fails) &&
	timeout 30 repx retry last --lab "$LAB" >out && cat out && grep "OK   .*-fails-" out && grep "OK   .*-last-" out && ! grep -- "-other-" out &&
	test "$(find "$BASE/outputs/$f/attempts" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 && repx retry last --lab "$LAB" | grep "Nothing to retry"'

check 'retry JOB, and a retry that fails again is exit 1' '
	f=$(jobs_of fails) && rm -rf "$BASE/outputs" "$WORK/heal"; must_fail repx run "$f" --lab "$LAB" >/dev/null 2>&1; must_fail repx retry "$f" --lab "$LAB" 2>err && grep "exit 3" err'
