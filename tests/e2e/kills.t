#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Kill the client, the connection, the agent, the queue or a supervisor at a random moment and
# run again: results are right, nothing runs twice that was not killed itself, nothing hangs.
# KILLS sets how often (5), SEED makes it repeatable.
# shellcheck source=lib.sh disable=SC2016,SC2119
. "$(dirname "$0")/lib.sh"

requires sshd slurm
start_cluster
make_lab "$TESTS/labs/reference"
RANDOM=${SEED:-$$}
echo "# seed ${SEED:-$$}"

# Processes of this test that have a word in their command line.
ours() {
	local p
	for p in /proc/[0-9]*; do
		[[ ${p#/proc/} != "$$" ]] || continue
		if { tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null | grep -q "$1" &&
			{ tr '\0' '\n' <"$p/cmdline"; } 2>/dev/null | grep -q "$WORK"; then echo "${p#/proc/}"; fi
	done
}
one_of() { shuf -n 1 --random-source=<(yes "$RANDOM") 2>/dev/null; }

strike() {
	case $1 in
	client) kill -KILL "$client" 2>/dev/null ;;
	connection) "$TESTBED" drop-ssh "$cluster" 2>/dev/null ;;
	session) ours 'repx-agent session' | xargs -r kill -KILL 2>/dev/null ;;
	queue) ours 'sched-local' | xargs -r kill -KILL 2>/dev/null ;;
	supervisor) ours 'repx-agent job' | one_of | xargs -r kill -KILL 2>/dev/null ;;
	esac
	true
}

# Attempts beyond the first; a scatter-gather job has one for scatter and one for gather.
ran_twice() {
	find "$1/outputs" -path '*/attempts/2' ! -path '*-D-1.0/attempts/2'
	find "$1/outputs" -path '*-D-1.0/attempts/3'
}
right() { [[ $(outputs_of "$1" E total.txt 2>/dev/null) == "$TOTALS" ]]; }

# One round: run, strike, run again until all is there.
round() {
	local target=$1 victim=$2 delay=$3 base=$TB_BASE tries=0
	[[ $target != local ]] || base=$WORK/store
	within 30 rm -rf "$base" # the last round may still be ending
	repx run simulation-run --lab "$LAB" --target "$target" >round.log 2>&1 &
	client=$!
	sleep "$delay"
	strike "$victim" || true
	wait "$client" 2>/dev/null || true
	until right "$base"; do
		tries=$((tries + 1))
		[[ $tries -le 6 ]] || { echo "no right result after $tries runs"; cat round.log; return 1; }
		local status=0
		timeout 120 repx run simulation-run --lab "$LAB" --target "$target" >>round.log 2>&1 ||
			status=$?
		[[ $status -ne 124 ]] || { echo "hangs"; cat round.log; return 1; }
		[[ $target != cluster ]] || within 150 settled "$base" || { cat round.log; return 1; }
	done
	# Only what was killed itself may have run again.
	if [[ $victim != supervisor ]]; then
		local twice
		twice=$(ran_twice "$base" 2>/dev/null || true)
		[[ -z $twice ]] || { echo "ran twice: $twice"; cat round.log; return 1; }
	fi
	repx run simulation-run --lab "$LAB" --target "$target" | grep -q "already complete"
}
settled() { right "$1" || queue_is_empty; }

victims=(client connection session queue supervisor)
for ((n = 1; n <= ${KILLS:-5}; n++)); do
	target=queue victim=${victims[(n - 1) % 5]} delay=$(printf '0.%03d' $((RANDOM % 900)))
	case $((n % 3)) in 0) target=local ;; 1) target=cluster delay=$((RANDOM % 6))${delay#0} ;; esac
	[[ $target != cluster || $victim != queue ]] || victim=supervisor
	[[ $target != local || $victim != connection ]] || victim=session
	export target victim delay
	check "round $n: $victim killed on $target after $delay s" 'round "$target" "$victim" "$delay"'
	! slurm_drain 100 || true
	slurm scancel -u "${TB_SSH_USER:-root}" 2>/dev/null
	[[ $tap_failed -eq 0 || -z ${STOP:-} ]] || break
done
