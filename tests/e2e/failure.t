#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs that fail, hang and are cancelled on the local target.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

export BASE=$XDG_STATE_HOME/repx
mkdir -p "$WORK/def"
cat >"$WORK/def/lab.ini" <<'INI'
[lab]
name = failing
version = 1
[run main]
stages = last, other, slow
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
script = other.sh
output.x = $out/x
[stage slow]
script = slow.sh
output.x = $out/x
[stage boast]
script = boast.sh
output.x = $out/x
[run quick]
stages = other
[run boast]
stages = boast
[run wait]
stages = slow
[run chain]
stages = last, other
INI
printf '#!/bin/sh\necho no luck >&2\ntest -f "%s/heal" || exit 3\necho x >"$1/x"\n' "$WORK" >"$WORK/def/bad.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/copy.sh"
printf '#!/bin/sh\necho x >"$1/x"\n' >"$WORK/def/other.sh"
printf '#!/bin/sh\necho started\nsleep 30\necho x >"$1/x"\n' >"$WORK/def/slow.sh"
printf '#!/bin/sh\n: >"${1%%/out}/repx/SUCCESS"\nexit 3\n' >"$WORK/def/boast.sh"
make_lab "$WORK/def"

check 'a failure is exit 1, with the summary and the reason' '
	must_fail repx run chain --lab "$LAB" >out 2>err &&
	grep "^\[ERROR\]" err && grep "exit 3" err && grep "blocked" err &&
	bad=$(jobs_of bad) && test -f "$BASE/outputs/$bad/repx/FAIL" &&
	repx log "$bad" --stderr --lab "$LAB" | grep "no luck"'

check 'the failed job and those behind it are told apart' '
	repx list jobs chain --lab "$LAB" --status failed | grep -- "-bad-" &&
	test ! -e "$BASE/outputs/$(jobs_of last)/out"'

check 'with --continue-on-failure the rest runs, dependents are blocked, and it ends' '
	must_fail timeout 60 repx run chain --continue-on-failure --lab "$LAB" >out 2>err &&
	test -f "$BASE/outputs/$(jobs_of other)/repx/SUCCESS" && grep -c BLOCKED out | grep -x 2'

check 'once the cause is gone, running again finishes' '
	touch "$WORK/heal" && repx run chain --lab "$LAB" &&
	test -f "$BASE/outputs/$(jobs_of last)/repx/SUCCESS"'

check 'Ctrl-C cancels what the run started' '
	repx run wait --lab "$LAB" >out 2>err & pid=$! &&
	within 10 grep -q ">>" out; kill -INT $pid; status=0; wait $pid || status=$?; test $status -eq 1 &&
	within 5 test -f "$BASE/outputs/$(jobs_of slow)/repx/FAIL" &&
	repx list jobs wait --status failed --lab "$LAB" | grep cancelled'

check '--detach returns at once, the queue goes on, and a second run follows it' '
	start=$SECONDS && repx run wait --detach --lab "$LAB" && test $((SECONDS - start)) -lt 5 &&
	within 10 repx list jobs wait --status running --lab "$LAB" &&
	repx run wait --lab "$LAB" >out2 2>&1 & pid=$!; sleep 3;
	test "$(find "$BASE/outputs/$(jobs_of slow)/attempts" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 &&
	kill -INT $pid; wait $pid || true'

check 'a success that a failing script wrote itself does not count' '
	must_fail repx run boast --lab "$LAB" && must_fail repx run boast --lab "$LAB" &&
	boast=$(jobs_of boast) && test -f "$BASE/outputs/$boast/repx/FAIL" &&
	test ! -e "$BASE/outputs/$boast/repx/SUCCESS"'

check 'a queue that cannot begin is an error, not a wait' '
	export XDG_STATE_HOME=$WORK/stuck && repx run quick --lab "$LAB" >/dev/null && sleep 1.5 &&
	queue=$WORK/stuck/repx/.repx/queue && rm -f "$queue/lock" "$queue/lease" && mkdir "$queue/lock" &&
	rm -r "$WORK/stuck/repx/outputs" && must_fail timeout 30 repx run quick --lab "$LAB" 2>err;
	cat err; grep "queue cannot begin: lock" err && rmdir "$queue/lock" && timeout 60 repx run quick --lab "$LAB"'

# A Lab in which the job's id says nothing about its script, as RepX makes them on request.
hand_lab() {
	mkdir -p "$1/lab" "$1/revision" "$1/jobs/aaaa-j-1.1/bin" "$1/host-tools/t/bin"
	printf '{"labId":"%s","lab_version":"1","metadata":"revision/top.json","files":[]}' "$1" >"$1/lab/lab-metadata.json"
	printf '{"repx_version":"0.5.0","runs":["revision/r.json"]}' >"$1/revision/top.json"
	printf '{"name":"r","jobs":{"aaaa-j-1.1":{"params":{},"executables":{"main":{"path":"jobs/aaaa-j-1.1/bin/j","outputs":{"x":"$out/x"}}}}}}' >"$1/revision/r.json"
	printf '#!/bin/sh\nsleep 2\necho %s >"$1/x"\n' "$1" >"$1/jobs/aaaa-j-1.1/bin/j"
	chmod 755 "$1/jobs/aaaa-j-1.1/bin/j"
}

check 'two Labs with one job id and two scripts: neither takes the other'\''s result for its own' '
	hand_lab one && hand_lab two && x=$BASE/outputs/aaaa-j-1.1/out/x &&
	{ repx run r --lab one >one.log 2>&1 & } && within 10 grep -q ">>" one.log &&
	repx run r --lab two && same two "$(cat "$x")" && wait && grep "Executed 1 jobs" one.log &&
	repx run r --lab one --stale rerun && same one "$(cat "$x")"'

# The same with a scatter-gather.
hand_scatter() {
	hand_lab "$1" && cat >"$1/revision/r.json" <<-'JSON'
	{"name":"r","jobs":{"aaaa-j-1.1":{"stage_type":"scatter-gather","params":{},"executables":{
	"scatter":{"path":"jobs/aaaa-j-1.1/bin/scatter","inputs":[],"outputs":{"work__items":"$out/work_items.json","worker__arg":{}}},
	"step-a":{"path":"jobs/aaaa-j-1.1/bin/step","inputs":[{"target_input":"worker__item","source":"scatter:work_item"}],"outputs":{"x":"$out/x"},"deps":[]},
	"gather":{"path":"jobs/aaaa-j-1.1/bin/gather","inputs":[{"target_input":"worker__outs","source":"runner:worker_outputs","source_key":"x"}],"outputs":{"x":"$out/x"}}}}}}
	JSON
	local phase
	for phase in scatter step gather; do
		printf '#!/bin/sh\necho %s %s >>"%s/said"\nuntil test -e "%s/go"; do sleep 0.1; done\necho "[1,2]" >"$1/work_items.json"\necho %s >"$1/x"\n' \
			"$1" $phase "$WORK" "$WORK" "$1" >"$1/jobs/aaaa-j-1.1/bin/$phase" && chmod 755 "$1/jobs/aaaa-j-1.1/bin/$phase" || return 1
	done
	repx run r --lab "$1" --stale rerun --detach || return 1
}
check 'three scatter-gathers of one job id run one after the other, whole' '
	export XDG_STATE_HOME=$WORK/scatters BASE=$WORK/scatters/repx && hand_scatter first && hand_scatter second && hand_scatter third && : >"$WORK/go" && timeout 60 repx attach last &&
	for n in first second third; do echo "$n scatter"; echo "$n step"; echo "$n step"; echo "$n gather"; done | diff - "$WORK/said" && same third "$(cat "$BASE/outputs/aaaa-j-1.1/out/x")"'
