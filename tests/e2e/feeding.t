#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A run that is larger than what the scheduler takes: the rest waits on the target, and is
# handed over by the jobs that end there, with no client.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$TESTS/e2e/labs.sh"

requires sshd slurm
start_cluster --set MaxJobCount=20 --set MinJobAge=2 --set MaxArraySize=19

# N jobs and N that follow them one by one; and twice the same with other parameters.
N=${PAIRS:-32}
pairs_lab two 101 $((100 + N))
pairs_lab three 201 $((200 + N))
pairs_lab pairs 1 "$N"
JOBS=$((N * 2))
export JOBS

nothing_waits() { ! waits; }
queued() { slurm squeue -h -r -o %j | grep -vc repx-feed; }

check 'run returns, and says how many are queued and how many wait for room' '
	slurm scontrol update partitionname=standard state=down && start=$SECONDS &&
	repx run r --lab "$LAB" --target cluster >out 2>&1 || { tail out; exit 1; }
	test $((SECONDS - start)) -lt 20 && tail -n 200 out | grep -v "│" | tail -n 3 && n=$(queued) && echo "$n queued" &&
	grep "Submitted $n jobs" out && grep "$((JOBS - n)) jobs wait for room" out'
check 'a feeder job waits behind them' 'slurm squeue -h -o "%j %T" | grep "repx-feed PENDING"'
check 'cancelling the run takes back what waits, too' '
	repx cancel last --target cluster >out 2>&1 || { tail out; exit 1; }
	within 20 queue_is_empty && ! waits && slurm scontrol update partitionname=standard state=up && test "$(succeeded)" -eq 0'

# Three runs that do not fit share one feeder job, which leaves the room to jobs.
feeders() { slurm squeue -h -o %j | grep -c repx-feed; }
check 'three runs that wait have one feeder job, which the last of them takes with it' '
	sleep 3 && slurm scontrol update partitionname=standard state=down &&
	for lab in "$LAB" two three; do timeout 30 repx run r --lab "$lab" --target cluster >out 2>&1 || { tail out; exit 1; }; done &&
	tail -n 200 out | grep "wait for room" && runs=$(ls "$TB_BASE/.repx/waiting" | grep -x "2.*-........") && test "$(echo "$runs" | wc -l)" -eq 3 &&
	for run in $runs; do test "$(feeders)" -eq 1 || exit 1; repx cancel "$run" --target cluster >out 2>&1 || { tail out; exit 1; }; done &&
	within 20 queue_is_empty && ! waits && slurm scontrol update partitionname=standard state=up'

check 'a client that is killed after the first answer: all of them run' '
	as_user rm -rf "$TB_BASE" && killed_at_once r cluster &&
	within 120 all_are "$JOBS" && within 20 nothing_waits'
check 'the results are right, and nothing ran twice' '
	cat "$TB_BASE"/outputs/*-B-*/out/y | sort -n >got && seq 2 2 "$JOBS" | diff - got &&
	test -z "$(find "$TB_BASE/outputs" -path "*/attempts/2")"'
check 'nothing is left in the queue' 'slurm_drain 60'
