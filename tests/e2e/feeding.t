#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A run that is larger than what the scheduler takes: the rest waits on the target, and is
# handed over by the jobs that end there, with no client.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster --set MaxJobCount=20 --set MinJobAge=2 --set MaxArraySize=19

# N jobs and N that follow them one by one.
mkdir -p def
printf '[lab]\nname=pairs\nversion=1\n[run r]\nstages=B\n[stage A]\nscript=a.sh\nparam.n=%s\noutput.x=$out/x\n[stage B]\nscript=b.sh\ninput.x=A.x\noutput.y=$out/y\n' \
	"$(seq -s ', ' 1 "${PAIRS:-32}")" >def/lab.ini
printf '#!/bin/sh\nsed -n "s/.*\\"n\\": *\\([0-9]*\\).*/\\1/p" "$3" >"$1/x"\n' >def/a.sh
printf '#!/bin/sh\nx=$(sed -n "s/.*\\"x\\": *\\"\\([^\\"]*\\)\\".*/\\1/p" "$2")\necho $(($(cat "$x") * 2)) >"$1/y"\n' >def/b.sh
make_lab def pairs
JOBS=$((${PAIRS:-32} * 2))
export JOBS

succeeded() { find "$TB_BASE/outputs" -path '*/repx/SUCCESS' | wc -l; }
all_are() { [[ $(succeeded) -ge $1 ]]; }
fed() { ! ls "$TB_BASE"/.repx/waiting/2* 2>/dev/null; }

queued() { slurm squeue -h -r -o %j | grep -vc repx-feed; }

check 'run returns, and says how many are queued and how many wait for room' '
	slurm scontrol update partitionname=standard state=down && start=$SECONDS &&
	repx run r --lab "$LAB" --target cluster >out 2>&1 || { tail out; exit 1; }
	test $((SECONDS - start)) -lt 20 && tail -n 200 out | grep -v "│" | tail -n 3 && n=$(queued) && echo "$n queued" &&
	grep "Submitted $n jobs" out && grep "$((JOBS - n)) jobs wait for room" out'
check 'a feeder job waits behind them' 'slurm squeue -h -o "%j %T" | grep "repx-feed PENDING"'
check 'cancelling the run takes back what waits, too' '
	repx cancel last --target cluster >out 2>&1 || { tail out; exit 1; }
	within 20 queue_is_empty && fed && slurm scontrol update partitionname=standard state=up && test "$(succeeded)" -eq 0'

# Three runs that do not fit share one feeder job, which leaves the room to jobs.
more_pairs() { # NAME FIRST: the same Lab with other parameters
	mkdir -p "$1.def" && cp def/*.sh "$1.def" &&
		sed "s/^param.n=.*/param.n=$(seq -s ', ' "$2" $(($2 + 31)))/" def/lab.ini >"$1.def/lab.ini" &&
		repx lab pack "$1.def" -o "$1.lab" >/dev/null || exit 1
}
more_pairs two 101
more_pairs three 201
feeders() { slurm squeue -h -o %j | grep -c repx-feed; }
check 'three runs that wait have one feeder job, which the last of them takes with it' '
	sleep 3 && slurm scontrol update partitionname=standard state=down &&
	for lab in "$LAB" "$PWD/two.lab" "$PWD/three.lab"; do timeout 30 repx run r --lab "$lab" --target cluster >out 2>&1 || { tail out; exit 1; }; done &&
	tail -n 200 out | grep "wait for room" && runs=$(ls "$TB_BASE/.repx/waiting" | grep -x "2.*-........") && test "$(echo "$runs" | wc -l)" -eq 3 &&
	for run in $runs; do test "$(feeders)" -eq 1 || exit 1; repx cancel "$run" --target cluster >out 2>&1 || { tail out; exit 1; }; done &&
	within 20 queue_is_empty && fed && slurm scontrol update partitionname=standard state=up'

# The client, as soon as it tells of the first submission; a quick one may have returned by then.
killed_at_once() {
	local client
	: >out
	repx run r --lab "$LAB" --target cluster >out 2>&1 & client=$!
	until grep -q "Submitted job" out; do kill -0 "$client" 2>/dev/null || break; done
	kill -KILL "$client" 2>/dev/null || echo "it had returned"
	wait "$client" 2>/dev/null
	grep -q "Submitted job" out
}
check 'a client that is killed after the first answer: all of them run' '
	as_user rm -rf "$TB_BASE" && killed_at_once &&
	within 120 all_are "$JOBS" && within 20 fed'
check 'the results are right, and nothing ran twice' '
	cat "$TB_BASE"/outputs/*-B-*/out/y | sort -n >got && seq 2 2 "$JOBS" | diff - got &&
	test -z "$(find "$TB_BASE/outputs" -path "*/attempts/2")"'
check 'nothing is left in the queue' 'slurm_drain 60'
