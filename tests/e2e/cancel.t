#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Ending jobs, runs and groups; on this machine's queue.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = cancelled
version = 1
[run both]
stages = after, other
[run one]
stages = after
[run quick]
stages = quick
[group all]
runs = both
[stage slow]
script = slow.sh
output.x = $out/x
[stage other]
script = slow.sh
output.x = $out/x
[stage after]
script = copy.sh
input.x = slow.x
output.x = $out/x
[stage quick]
script = copy.sh
output.x = $out/x
INI
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\nsleep 60\necho x >"$1/x"\n' >"$WORK/def/slow.sh"
make_lab "$WORK/def"
export AWAY=$WORK/away
mkdir -p "$AWAY"
running() { repx status last --json | jq -e ".states.running == $1" >/dev/null; }
start() { repx run "$1" --detach --lab "$LAB" >/dev/null && within 10 running "$2"; }
sleepers() { pgrep -f "sleep 60" | while read -r p; do tr "\0" "\n" <"/proc/$p/environ" 2>/dev/null | grep -qx "WORK=$WORK" && echo "$p"; done | wc -l; }

check 'a job is ended with what waits for it; the rest goes on' '
	start both 2 && slow=$(jobs_of slow) && repx cancel "$slow" --lab "$LAB" >out && cat out && grep "2 jobs ended" out &&
	repx status last --json | jq -e ".states.running == 1 and .states.failed == 2 and .failures.cancelled == 2" &&
	test -f "$BASE/outputs/$slow/repx/FAIL" && repx list jobs both --status failed --lab "$LAB" | grep -- "-slow-.*cancelled"'

check 'the same again is no error and changes nothing' '
	repx cancel "$(jobs_of slow)" --lab "$LAB" | grep "Nothing to cancel" && running 1'

check 'a run of status is ended without the Lab' '
	cd "$AWAY" && repx cancel last >out && cat out && grep "1 jobs ended" out && repx status last | grep "All jobs have ended" && test "$(sleepers)" -eq 0 &&
	repx cancel last | grep "Nothing to cancel"'

check 'a run of the Lab, and a group, mean all of their jobs' '
	start both 2 && repx cancel @all --lab "$LAB" | grep "3 jobs ended" && test "$(sleepers)" -eq 0 &&
	start one 1 && repx cancel one --lab "$LAB" | grep "2 jobs ended" && test "$(sleepers)" -eq 0'

check 'what is mistyped ends nothing' '
	start one 1 && must_fail repx cancel one nosuch --lab "$LAB" && running 1 && cd "$AWAY" && must_fail repx cancel nosuch 2>err && grep "no run .nosuch. in" err && repx cancel last'

check 'afterwards it can be run again' 'timeout 60 repx run quick --lab "$LAB" && test -f "$BASE/outputs/$(jobs_of quick)/repx/SUCCESS"'
