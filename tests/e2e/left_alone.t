#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nobody needs to be attached: the client is killed right after the first submission, and the
# run goes on to its end under Slurm. JOBS: of the DAG (tests/soak/left_alone.sh: 501).
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster
JOBS=${JOBS:-60}
TOTALS='540 540 595 595'
totals_are_there() { [[ $(outputs_of "$TB_BASE" E total.txt 2>/dev/null) == "$TOTALS" ]]; }
# killed_at_once RUN: the client, as soon as it tells of the first submission
killed_at_once() {
	local client
	repx run "$1" --lab "$LAB" --target cluster >out 2>&1 &
	client=$!
	until grep -q 'as slurm ID' out; do kill -0 $client || break; done
	kill -KILL $client
	cat out
}
export TOTALS

make_lab "$TESTS/labs/reference"
check 'a scatter-gather finishes' 'killed_at_once simulation-run && within 120 totals_are_there && slurm_drain 60'
check 'running again says that all is complete' '
	repx run simulation-run --lab "$LAB" --target cluster >out; cat out; grep "already complete" out'

# three levels: each job of the second and third follows one of the level before
mkdir dag
cat >dag/lab.ini <<INI
[lab]
name = dag
version = 1
[run dag]
stages = third
[stage first]
script = s.sh
param.n = 1..$((JOBS / 3))
output.n = \$out/n
[stage second]
script = s.sh
input.n = first.n
output.n = \$out/n
[stage third]
script = s.sh
input.n = second.n
output.n = \$out/n
INI
printf '#!/bin/sh\ncp "$2" "$1/in"; echo 1 >"$1/n"\n' >dag/s.sh
make_lab dag daglab
all_there() { [[ $(find "$TB_BASE"/outputs/*/repx/SUCCESS 2>/dev/null | wc -l) == $((JOBS / 3 * 3)) ]]; }
check "a DAG of $((JOBS / 3 * 3)) jobs finishes, each run once" '
	as_user rm -rf "$TB_BASE/outputs" "$TB_BASE/.repx" && killed_at_once dag && within ${PATIENCE:-120} all_there &&
	test -z "$(find "$TB_BASE/outputs" -path "*/attempts/2")"'
