#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The main job on this machine: no configuration file, no ssh, no daemon.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

make_lab "$TESTS/labs/reference"
make_tar
export BASE=$XDG_STATE_HOME/repx

check 'a run from a directory gives the right results' '
	repx run simulation-run --lab "$LAB" >out &&
	same "'"$TOTALS"'" "$(outputs_of "$BASE" E total.txt)"'

check 'nothing was written into the configuration directory' '
	same "" "$(find "$XDG_CONFIG_HOME" -type f)"'

check 'what the documentation shows is there' '
	d=$(jobs_of D | head -n 1) &&
	test -f "$BASE/outputs/$d/repx/SUCCESS" && test -d "$BASE/outputs/$d/branch-9" &&
	test ! -e "$BASE/outputs/$d/branch-10" &&
	test -f "$BASE/outputs/$d/repx/inputs.json" && test -f "$BASE/outputs/$d/repx/parameters.json" &&
	test -f "$BASE/outputs/$d/branch-3/step-combine/repx/SUCCESS" &&
	test -d "$BASE/artifacts/jobs/$d" && grep -q "\"id\":\"$d\",\"s\":\"ok\"" "$BASE/outputs/completions.jsonl"'

check 'a step never adds the id of its job to completions.jsonl' '
	test "$(wc -l <"$BASE/outputs/completions.jsonl")" -eq 16'

check 'running again says that all is complete, and submits nothing' '
	repx run simulation-run --lab "$LAB" >again &&
	grep "All required jobs for this submission are already complete" again &&
	test "$(find "$BASE/.repx/runs" -name run.json | wc -l)" -eq 1'

check 'the same from a tar: everything is there already' '
	repx run simulation-run --lab "$LAB_TAR" >tar &&
	grep "already complete" tar'

check 'from a tar to an empty place' '
	XDG_STATE_HOME=$WORK/other repx run simulation-run --lab "$LAB_TAR" &&
	same "'"$TOTALS"'" "$(outputs_of "$WORK/other/repx" E total.txt)"'

check 'list knows what happened' '
	repx list jobs simulation-run --lab "$LAB" --status succeeded >list &&
	test "$(grep -c "\[succeeded\]" list)" -eq 16 &&
	repx list jobs simulation-run --lab "$LAB" --output-paths | grep /out'

check 'list --json is JSON' '
	repx list jobs --lab "$LAB" --json | jq -e "length == 17" &&
	repx list --lab "$LAB" --json | jq -e "length == 2"'

check 'show tells the state, the parameters and the paths of a job' '
	e=$(jobs_of E | head -n 1) &&
	repx show job "${e:0:8}" --lab "$LAB" >show &&
	grep "Job: $e" show && grep "Status: SUCCESS" show && grep "Paths:" show && grep "output:" show'

check 'show output lists, and prints a file' '
	e=$(jobs_of E | head -n 1) &&
	repx show output "$e" --lab "$LAB" | grep "Output directory:" &&
	repx show output "$e" total.txt --lab "$LAB" | grep -E "^(540|595)$"'

check 'show output does not leave the output directory' '
	e=$(jobs_of E | head -n 1) &&
	must_fail repx show output "$e" ../repx/SUCCESS --lab "$LAB"'

check 'log shows output, and an unknown job is an error' '
	a=$(jobs_of A | head -n 1) &&
	repx log "$a" --lab "$LAB" && repx log "$a" --stderr -n 5 --lab "$LAB" &&
	must_fail repx log nonexistent-job --lab "$LAB"'

check 'trace-params is the same from a directory and a tar' '
	repx trace-params --lab "$LAB" >p1 && repx trace-params --lab "$LAB_TAR" >p2 && cmp p1 p2 &&
	jq -e "length == 17" p1'

check 'one job brings only what it depends on' '
	c=$(jobs_of C | head -n 1) &&
	XDG_STATE_HOME=$WORK/part repx run "$c" --lab "$LAB" &&
	test "$(find "$WORK/part/repx/outputs" -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 3'

check 'a FAIL marker that somebody planted is repaired by running again' '
	a=$(jobs_of A | head -n 1) && rm "$BASE/outputs/$a/repx/SUCCESS" && : >"$BASE/outputs/$a/repx/FAIL" &&
	repx run "$a" --continue-on-failure --lab "$LAB" && test -f "$BASE/outputs/$a/repx/SUCCESS" &&
	test ! -e "$BASE/outputs/$a/repx/FAIL"'

check 'run --json ends with one object' '
	repx run @all --lab "$LAB" --json | jq -e ".failed == 0 and .logins == 1"'

check '--dry-run shows the plan and touches nothing' '
	XDG_STATE_HOME=$WORK/dry repx run @all --lab "$LAB" --dry-run | grep "17 jobs" &&
	test ! -e "$WORK/dry"'

check 'list speaks JSON, too' '
	repx list runs --lab "$LAB" --json | jq -e "length > 0" && repx list groups --lab "$LAB" --json | jq -e "type == \"array\"" &&
	J=$(repx list jobs simulation-run --lab "$LAB" | tail -n 1 | tr -d " ") && repx list deps "$J" --lab "$LAB" --json | jq -e "has(\"$J\")"'

check 'usage errors are 2, run-time errors 1' '
	exits 2 repx run simulation-run --scheduler nosuch --lab "$LAB" && exits 1 repx run nosuch --lab "$LAB" &&
	exits 2 repx --nosuch && exits 1 repx run --lab "$LAB"'
